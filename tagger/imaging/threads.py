"""OpenCV's threads in our worker and command processes."""

import cv2


def decode_in_one_thread() -> None:
    """Let OpenCV use one thread in this process, which is a Ray worker or a command.

    For small product images more threads cost more than they gain, and slow other processes. A process that only
    imports the package keeps its setting.
    """
    cv2.setNumThreads(1)
