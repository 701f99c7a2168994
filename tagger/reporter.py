"""What a workflow says while it works: a command shows it at a terminal, a program gets it as log records."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

_LOG = logging.getLogger("tagger")


class Bar(Protocol):
    """How far a step is."""

    def update(self, done: float, note: str = "") -> None:
        """Say how much of the total is done."""
        ...


class Reporter(Protocol):
    """Where a workflow's words go."""

    def step(self, text: str) -> None:
        """Say what is done now."""
        ...

    def warn(self, text: str) -> None:
        """Say what a person should look at."""
        ...

    def progress(self, label: str, total: float | None, unit: str = "") -> AbstractContextManager[Bar]:
        """Show how far a step is, in a unit such as `images`. A total of None is an unknown one."""
        ...


class LogReporter:
    """Reports to the logger `tagger`: steps at INFO, warnings at WARNING, progress not at all."""

    def __repr__(self) -> str:
        return "LOG"  # as signatures show the default

    def step(self, text: str) -> None:
        """Log what is done now."""
        _LOG.info("%s", text)

    def warn(self, text: str) -> None:
        """Log what a person should look at."""
        _LOG.warning("%s", text)

    @contextmanager
    def progress(self, label: str, total: float | None, unit: str = "") -> Iterator[Bar]:
        """Log that a step begins."""
        _LOG.info("%s%s", label, "" if total is None else f": {total:,.0f} {unit}".rstrip())
        yield _Unseen()


class _Unseen:
    def update(self, done: float, note: str = "") -> None:
        """Show nothing."""


LOG = LogReporter()
"""What a workflow reports to where nothing else is given."""
