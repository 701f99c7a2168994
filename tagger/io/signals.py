"""Handling of the signals that end a process, from users and schedulers."""

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
"""One entry for each active `held_back_signals` of the main thread."""


def restorer() -> Callable[[], None]:
    """Return a function that restores the present handlers of STOP_SIGNALS.

    Only the main thread can set handlers; in others the function does nothing.
    """
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def restore() -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                if handler is not None:  # None: a library has set it in C
                    signal.signal(number, handler)

    return restore


@contextmanager
def kept_signal_handlers() -> Iterator[None]:
    """Restore the handlers of STOP_SIGNALS at the end."""
    restore = restorer()
    try:
        yield
    finally:
        restore()


@contextmanager
def interrupted_by_signals(at_the_second: Handler) -> Iterator[None]:
    """Let STOP_SIGNALS raise KeyboardInterrupt, as Ctrl-C does; a second signal calls `at_the_second`.

    Only the main thread can set handlers; in others this does nothing.
    """

    def interrupt(number: int, frame: object) -> None:
        _stopped.set()
        for again in STOP_SIGNALS:
            signal.signal(again, at_the_second)
        if not _holding:
            raise KeyboardInterrupt

    with kept_signal_handlers(), _lost_interrupts_unreported():
        try:
            if threading.current_thread() is threading.main_thread():
                for number in STOP_SIGNALS:
                    if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and a shell's background jobs
                        signal.signal(number, interrupt)
            yield
        finally:
            _stopped.clear()


@contextmanager
def _lost_interrupts_unreported() -> Iterator[None]:
    """Do not let Python print a traceback where an interrupt was lost; `end_if_interrupted` raises it again."""
    report = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if not (_stopped.is_set() and issubclass(unraisable.exc_type, KeyboardInterrupt)):
            report(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = report


def end_if_interrupted() -> None:
    """Raise KeyboardInterrupt again if the first one was lost, for example inside a library's destructor.

    Commands call this between their steps; it does nothing while an exception is being handled.
    """
    if _stopped.is_set() and sys.exc_info()[0] is None and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


@contextmanager
def held_back_signals() -> Iterator[None]:
    """Let cleanup finish: a first signal ends the command afterwards, a second one at once.

    Raises:
        KeyboardInterrupt: at the end, after a signal, unless another exception is being raised.
    """
    _holding.append(True)
    try:
        yield
    finally:
        _holding.pop()
    end_if_interrupted()
