"""The signals by which people and schedulers end a process, and what the process does at them."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Handler = Callable[[int, object], None]

_stopped = threading.Event()
"""Whether a signal asked the process to end."""
_holding: list[bool] = []
"""One entry for each `held_back_signals` that the main thread is in."""


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


@contextmanager
def interrupted_by_signals(at_the_second: Handler) -> Iterator[None]:
    """Have STOP_SIGNALS raise KeyboardInterrupt, as Ctrl-C does, and any second one call `at_the_second`.

    Other threads than the main one cannot set handlers; in them it does nothing.
    """

    def interrupt(number: int, frame: object) -> None:
        _stopped.set()
        for again in STOP_SIGNALS:
            signal.signal(again, at_the_second)
        if not _holding:
            raise KeyboardInterrupt

    with kept_signal_handlers():
        try:
            if threading.current_thread() is threading.main_thread():
                for number in STOP_SIGNALS:
                    if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and a shell's background jobs
                        signal.signal(number, interrupt)
            yield
        finally:
            _stopped.clear()


def end_if_interrupted() -> None:
    """Raise KeyboardInterrupt again where a signal's first one was lost, as one within a destructor of a library is.

    Commands ask between their steps; whatever clears away after an exception goes on.
    """
    if _stopped.is_set() and sys.exc_info()[0] is None and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


@contextmanager
def held_back_signals() -> Iterator[None]:
    """Let what clears away come to its end: a first signal ends the command after it, a second one at once.

    Raises:
        KeyboardInterrupt: at its end, after a signal, unless an exception is on its way already.
    """
    _holding.append(True)
    try:
        yield
    finally:
        _holding.pop()
    end_if_interrupted()
