"""The number of OpenCV's threads in worker and command processes."""

import cv2


def decode_in_one_thread() -> None:
    """Limit OpenCV to one thread in this process, a Ray worker or a command.

    For small product images, more threads cost more than they gain, and they slow other processes. A process that only
    imports the package keeps its setting.
    """
    cv2.setNumThreads(1)
