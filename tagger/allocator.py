"""How a process gets its memory from the operating system."""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt, in glibc's malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, to use it again; for processes that do nothing but compute.

    glibc gives large blocks back to the system at once and fetches empty pages for the next. PyTorch on a CPU asks for
    such blocks for every tensor: without that, MobileNetV2 trains at 192 images a second in place of 140. Where there
    is another C library, nothing changes.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)
