"""Shows the progress of a run: the choice of its engine, then the items tagged."""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol

from tagger.engines.base import PreparedEngine
from tagger.engines.choice_progress import ChoiceProgress
from tagger.engines.process import ChosenEngine
from tagger.reporter import Bar, Reporter
from tagger.runs.directory import RunDirectory
from tagger.schemas.documents.run import EngineCheck, RunRecord
from tagger.tagging.engine_choice import in_words
from tagger.tagging.worker_pool import Workers

_CHOOSING = "Choosing an engine"
_LOOK_EVERY_S = 0.25
_STALLED_S = 60.0


class Choice(Protocol):
    """A pending choice of an engine."""

    @property
    def progress(self) -> ChoiceProgress | None:
        """The progress; None before the first image."""
        ...

    @property
    def chosen(self) -> "Future[ChosenEngine]":
        """The engine, once it is chosen."""
        ...


class ChoiceBar:
    """Shows the choice of an engine: one bar per step, in images."""

    def __init__(self, reporter: Reporter, choice: Choice) -> None:
        self._reporter = reporter
        self._choice = choice
        self._bars = ExitStack()
        self._bar = self._bars.enter_context(reporter.progress(_CHOOSING, None))
        self._step = "starting"

    def update(self) -> None:
        """Show the progress."""
        progress = self._choice.progress
        if progress and progress.step != self._step:
            self._bars.close()
            self._bar = self._bars.enter_context(self._reporter.progress(_CHOOSING, progress.images, "images"))
            self._step = progress.step
        self._bar.update(progress.done if progress else 0, self._step)

    def close(self) -> None:
        """Remove the bar."""
        self._bars.close()


def wait_for_engine(reporter: Reporter, choice: Choice) -> None:
    """Wait until the choice of an engine succeeds or fails, and show its progress."""
    with ExitStack() as stack:
        bar = ChoiceBar(reporter, choice)
        stack.callback(bar.close)
        began = time.monotonic()
        while not wait([choice.chosen], _LOOK_EVERY_S).done:
            bar.update()
            if choice.progress is None and time.monotonic() - began > _STALLED_S:
                began = time.monotonic()
                reporter.warn("No engine is being chosen yet: the cluster has no CPU or GPU free for it")


class TaggingWatch:
    """Called periodically while workers tag: passes them the engine once it is chosen, and shows their progress."""

    def __init__(
        self,
        reporter: Reporter,
        directory: RunDirectory,
        record: RunRecord,
        items: int,
        done: int,
        choice: Choice,
        workers: Workers,
        check_held: Callable[[], None],
    ) -> None:
        self.record = record
        self.began = time.monotonic()
        """When the engine was chosen; before that, when waiting began."""
        self.prepared: Future[PreparedEngine] = Future()
        self._reporter = reporter
        self._directory = directory
        self._items = items
        self._done = done
        self._choice = choice
        self._workers = workers
        self._check_held = check_held
        self._bars = ExitStack()
        self._choice_bar: ChoiceBar | None = None
        self._rows = 0
        self._moved_at = self._said_at = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> "TaggingWatch":
        self._choice_bar = ChoiceBar(self._reporter, self._choice)
        self._bars.callback(self._choice_bar.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, traceback)

    def __call__(self, rows: int, state: str = "") -> None:
        """Take the number of rows that this call has tagged.

        Args:
            rows: So far.
            state: Of the run, in words, which are said while nothing is tagged.
        """
        self._check_held()
        self._say_if_stalled(rows, state)
        if not self.prepared.done() and self._choice.chosen.done():
            self._hand_over(*self._choice.chosen.result())
        if self._bar:
            seconds = time.monotonic() - self.began
            self._bar.update(self._done + rows, f"{rows / seconds:.0f} images/s" if rows else "")
        elif self._choice_bar:
            self._choice_bar.update()

    def _say_if_stalled(self, rows: int, state: str) -> None:
        """Say each minute that nothing is tagged, and what the run waits for."""
        now = time.monotonic()
        if rows != self._rows or not self._bar:
            self._rows, self._moved_at, self._said_at = rows, now, now
        elif now - self._said_at >= _STALLED_S:
            self._said_at = now
            minutes = (now - self._moved_at) / 60
            self._reporter.warn(f"No item was tagged in the last {minutes:.0f} min: {state}")

    def _hand_over(self, engine: PreparedEngine, chosen: EngineCheck) -> None:
        self._bars.close()
        self._reporter.step(in_words(chosen))
        items = self._items - self._done
        self._reporter.step(f"Tagging {items:,} items with {self.record.model_id}, {self._workers}")
        self.record = self.record.model_copy(update={"engine": chosen})
        self._directory.write(self.record)
        self._bar = self._bars.enter_context(self._reporter.progress("Tagging", self._items, "items"))
        self.began = time.monotonic()
        self.prepared.set_result(engine)
