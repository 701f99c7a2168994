"""OpenCV's threads, for processes that are the product's."""

import cv2


def decode_in_one_thread() -> None:
    """Let OpenCV use one thread in this process: a worker of Ray, or a command.

    Product images are small: more threads cost more than they give, and take from other processes. A process that only
    imports the package is left as it is.
    """
    cv2.setNumThreads(1)
