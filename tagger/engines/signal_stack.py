"""The stack on which a thread handles signals."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("ss_sp", ctypes.c_void_p), ("ss_flags", ctypes.c_int), ("ss_size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Restore this thread's alternative signal stack at the end; on Linux, elsewhere nothing is done.

    OpenVINO 2026.4 gives the thread that compiles a model such a stack, and takes it back with the model. With two
    models of which the older one goes first, it then restores the stack of that one, which is unmapped already: the
    next signal, such as Ctrl-C or one of a notebook's interrupts, ends the process with a segmentation fault. A thread
    without an alternative stack handles signals on its own.
    """
    if sys.platform != "linux":
        yield
        return
    library, before = ctypes.CDLL(None, use_errno=True), _Stack()
    if library.sigaltstack(None, ctypes.byref(before)):
        raise OSError(ctypes.get_errno(), "the signal stack cannot be read")
    try:
        yield
    finally:
        if library.sigaltstack(ctypes.byref(before), None):
            raise OSError(ctypes.get_errno(), "the signal stack cannot be restored")
