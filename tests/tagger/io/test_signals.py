"""An interrupt that Python loses inside a destructor ends the command all the same, and prints no traceback."""

import signal
import sys
from typing import Any

import pytest

from tagger.io.signals import end_if_interrupted, interrupted_by_signals


class Interrupts:
    """Its destructor is where the signal arrives, as it may in those of Ray's handles."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


class Fails:
    def __del__(self) -> None:
        raise ValueError("a fault of its own")


def test_an_interrupt_lost_in_a_destructor_is_raised_again_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    with interrupted_by_signals(lambda number, frame: None):
        interrupts = Interrupts()
        del interrupts
        assert reported == []
        with pytest.raises(KeyboardInterrupt):
            end_if_interrupted()
        fails = Fails()
        del fails
        assert [hook.exc_type for hook in reported] == [ValueError], "other faults are reported as ever"
    assert sys.unraisablehook == reported.append
