"""A signal ends a command wherever it arrives, prints no traceback, and leaves no lock taken."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from tagger.io.signals import do_not_interrupt_again, ended_by_interrupt, interrupted_by_signals


class Interrupts:
    """Its destructor is where the signal arrives, as it may in those of Ray's handles."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


class Fails:
    def __del__(self) -> None:
        raise ValueError("a fault of its own")


def goes_on() -> None:
    """Work without a step, as in a library; fails unless it is interrupted."""
    time.sleep(10)
    pytest.fail("not interrupted")


def in_a_destructor() -> None:
    Interrupts()


def in_what_a_library_swallows() -> None:
    with suppress(BaseException):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("arrives", [in_a_destructor, in_what_a_library_swallows])
def test_an_interrupt_that_is_lost_is_raised_again_without_a_traceback(
    arrives: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    alarm = signal.getsignal(signal.SIGALRM)
    with interrupted_by_signals(lambda number, frame: None):
        arrives()
        assert reported == []
        with pytest.raises(KeyboardInterrupt):
            goes_on()
        try:
            raise ValueError
        except ValueError:
            time.sleep(0.3)  # a command that ends is not interrupted again
            fails = Fails()
            del fails
        assert [hook.exc_type for hook in reported] == [ValueError], "other faults are reported as ever"
    assert sys.unraisablehook == reported.append
    assert signal.getsignal(signal.SIGALRM) == alarm
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


class Arrives(logging.Handler):
    """A signal arrives while Python's logging holds its locks."""

    def emit(self, record: logging.LogRecord) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_an_interrupt_waits_until_what_it_meets_can_let_go_of_its_lock() -> None:
    lock = threading.Lock()

    class Guard:
        def __enter__(self) -> None:
            lock.acquire()
            signal.raise_signal(signal.SIGTERM)

        def __exit__(self, *error: object) -> None:
            lock.release()

    with interrupted_by_signals(lambda number, frame: None), pytest.raises(KeyboardInterrupt), Guard():
        goes_on()
    assert not lock.locked()

    log = logging.getLogger("a library's")
    log.addHandler(Arrives())
    with interrupted_by_signals(lambda number, frame: None):
        log.warning("comes to its end")
        with pytest.raises(KeyboardInterrupt):
            goes_on()


def test_another_thread_leaves_the_signals_alone() -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with interrupted_by_signals(lambda number, frame: None):
                pass
        except BaseException as error:  # noqa: BLE001 - a thread's error fails no test by itself
            failed.append(error)

    with interrupted_by_signals(lambda number, frame: None):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        try:
            raise ValueError  # while this command ends
        except ValueError:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        assert signal.getitimer(signal.ITIMER_REAL) != (0, 0), "the interrupt of the main thread is still raised again"
    assert failed == []


def test_an_interrupt_does_not_break_off_what_wakes_another_thread() -> None:
    """Else the condition would keep a thread in its list that is awake already, and never wake the next one."""
    condition = threading.Condition()
    arrives = SimpleNamespace(release=partial(signal.raise_signal, signal.SIGTERM))
    condition._waiters.append(arrives)  # type: ignore[attr-defined]
    with interrupted_by_signals(lambda number, frame: None):
        with condition, suppress(KeyboardInterrupt):
            condition.notify()
        assert not condition._waiters  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            goes_on()


def test_an_interrupt_that_can_wait_no_longer_is_raised_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagger.io.signals._MAX_POSTPONED", 2)

    class Stuck:
        def __enter__(self) -> None:
            signal.raise_signal(signal.SIGTERM)
            time.sleep(10)

        def __exit__(self, *error: object) -> None:
            pytest.fail("entered")

    with interrupted_by_signals(lambda number, frame: None), pytest.raises(KeyboardInterrupt), Stuck():
        pytest.fail("entered")


def test_a_signal_that_is_ignored_stays_so_after_another_one() -> None:
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    seconds: list[int] = []
    try:
        with suppress(KeyboardInterrupt), interrupted_by_signals(lambda number, frame: seconds.append(number)):
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGHUP)
                signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, ignored)
    assert seconds == [signal.SIGTERM]


def test_a_command_that_handles_its_interrupt_is_not_interrupted_again() -> None:
    with interrupted_by_signals(lambda number, frame: None):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            do_not_interrupt_again()
        time.sleep(0.3)  # three times as long as until the next one


def test_what_follows_a_server_that_an_interrupt_ended_is_not_interrupted() -> None:
    with interrupted_by_signals(lambda number, frame: None):
        with ended_by_interrupt():
            signal.raise_signal(signal.SIGINT)
            pytest.fail("not interrupted")
        time.sleep(0.3)  # as closing a database may take
