"""Handling of the signals that end a process, from users and schedulers.

Python runs a signal's handler between any two instructions of the main thread. An exception that it raises there can be
lost, inside a destructor or a library's bare `except`, and it can leave a lock taken or a thread asleep for good, as
inside `logging` or `Condition.notify` (CPython issue 29988). So the interrupt waits a moment in such places, and is
raised again while the main thread goes on as if there had been none.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Handler = Callable[[int, FrameType | None], None]
_AGAIN_S = 0.1
"""How soon a lost or postponed interrupt is raised, in seconds."""
_MAX_POSTPONED = 50
"""How often an interrupt is postponed at most: a process that stands still there for 5 s is to end all the same."""
_ENTERS = ("__enter__", "__exit__")
"""Functions in which a lock may have been taken, or not yet be released."""
_WAITS = ("wait", "join", "_wait_for_tstate_lock")
"""Functions of `threading` in which a thread waits for others: here an interrupt has to be raised."""

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

    An interrupt that was lost is raised again, until the command has begun to end.

    Only the main thread can set handlers; in others this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    postponed = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        _stopped.set()
        for again in taken:
            signal.signal(again, at_the_second)
        signal.signal(signal.SIGALRM, interrupt_again)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
        interrupt_where_safe(frame)

    def interrupt_where_safe(frame: FrameType | None) -> None:
        nonlocal postponed
        if _holding:
            return
        if postponed < _MAX_POSTPONED and not _is_safe(frame):
            postponed += 1
            return
        raise KeyboardInterrupt

    def interrupt_again(number: int, frame: FrameType | None) -> None:
        if sys.exc_info()[0] is None:  # else the command is ending
            interrupt_where_safe(frame)

    # the others nohup and a shell's background jobs ignore
    taken = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    alarm = signal.getsignal(signal.SIGALRM)
    with kept_signal_handlers(), _lost_interrupts_unreported():
        try:
            for number in taken:
                signal.signal(number, interrupt)
            yield
        finally:
            if _stopped.is_set():
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, alarm)
            _stopped.clear()


def do_not_interrupt_again() -> None:
    """Call this where a command handles the error that ends it: from there on, a lost interrupt is raised no more."""
    if _stopped.is_set() and threading.current_thread() is threading.main_thread():
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def ended_by_interrupt() -> Iterator[None]:
    """Let an interrupt end just this block, as for a server, whose usual end it is; what follows is not interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        do_not_interrupt_again()


def _is_safe(frame: FrameType | None) -> bool:
    """Whether an exception that is raised in this frame reaches the command, and leaves locks and threads in order."""
    if frame is None:
        return True
    code = frame.f_code
    if code.co_name in _ENTERS:
        return False
    if code.co_filename == threading.__file__ and code.co_name not in _WAITS:
        return False
    while frame is not None:
        # in this module and in what it calls, handlers are being restored
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename in (logging.__file__, __file__):
            return False
        frame = frame.f_back
    return True


@contextmanager
def _lost_interrupts_unreported() -> Iterator[None]:
    """Do not let Python print a traceback where an interrupt was lost; it is raised again."""
    report = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if not (_stopped.is_set() and issubclass(unraisable.exc_type, KeyboardInterrupt)):
            report(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = report


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
    if _stopped.is_set() and sys.exc_info()[0] is None and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt
