"""The signals by which people and schedulers end a process, and what the process does at them."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def restorer() -> Callable[[], None]:
    """Return what makes this process do at STOP_SIGNALS again what it does at them now.

    Other threads than the main one cannot set handlers; in them it does nothing.
    """
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def restore() -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                if handler is not None:  # what a library has set in C
                    signal.signal(number, handler)

    return restore


@contextmanager
def kept_signal_handlers() -> Iterator[None]:
    """Have STOP_SIGNALS do afterwards what they did before."""
    restore = restorer()
    try:
        yield
    finally:
        restore()
