"""What a job says: progress and tables for people at a terminal, plain lines elsewhere, JSON for machines."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tagger.io.json_text import as_json
from tagger.io.signals import end_if_interrupted
from tagger.jobs.shell.figures import percent
from tagger.printable import duration, printable
from tagger.reporter import Bar
from tagger.schemas.documents.bundle import Metrics

_LINE_EVERY_S = 10.0
_AS_WIDE_AS_NEEDED = 100_000
_KEPT_WHOLE = 32
"""Characters of a word, such as a run's name, that a table does not fold however narrow the terminal is."""
_RATE_OVER_S = 120.0
"""The time left is judged by this long: what was before, such as the first steps, says little about what comes."""


class _Results(RichConsole):
    """Standard output: as wide as a table needs where no terminal shows it, such as in a pipe or a file."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file=file, highlight=False, soft_wrap=True)
        if not self.is_terminal:
            self.width = _AS_WIDE_AS_NEEDED

    def on_broken_pipe(self) -> None:
        """Leave it to the command: rich itself would end the process as failed."""
        raise


class Console:
    """Where a job's words go: people's to standard error while it works, results to standard output."""

    def __init__(self, as_json: bool = False, silent: bool = False) -> None:
        self.as_json = as_json
        self._silent = silent
        self._stdout = sys.stdout
        self._out = _Results(self._stdout)
        self._err = RichConsole(stderr=True, highlight=False, soft_wrap=True)

    def step(self, text: str) -> None:
        """Say what is done now. Raises KeyboardInterrupt after a signal that a library has swallowed."""
        end_if_interrupted()
        text = printable(text)
        self._err.print(Text.assemble(("› ", "bold"), text) if self._err.is_terminal else text, markup=False)

    def warn(self, text: str) -> None:
        """Say what a person should look at."""
        self._err.print(f"! {printable(text)}", style="yellow", markup=False)

    def say(self, text: str = "") -> None:
        """A line of the result, for a person."""
        if not self.as_json:
            self._out.print(printable(text), markup=False)

    def write(self, text: str) -> None:
        """Pass on what another process wrote, at once, with line ends of its own."""
        self._stdout.write(printable(text))
        self._stdout.flush()

    def flush(self) -> None:
        """Let what was said be read now, by whoever waits for it."""
        self._stdout.flush()

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table of the result, for a person; numbers stand right, and no word is broken over two lines.

        Where a terminal is too narrow for that, the table has no frame, and is as wide as its words need.
        """
        if self.as_json:
            return
        cells = [[_cell(value) for value in row] for row in rows]
        right = [_are_numbers([row[i] for row in cells]) for i in range(len(columns))]
        widths = [_longest_word([column, *(row[i] for row in cells)]) for i, column in enumerate(columns)]
        frame = box.HEAVY_HEAD if sum(widths) + 3 * len(columns) + 1 <= self._out.width else box.SIMPLE_HEAD
        is_framed = frame is box.HEAVY_HEAD
        table = Table(
            title=Text(printable(title)), title_justify="left", title_style="bold", header_style="bold", box=frame,
            show_edge=is_framed, padding=(0, 1) if is_framed else (0, 1, 0, 0),
        )  # fmt: skip
        for column, numeric, width in zip(columns, right, widths, strict=True):
            table.add_column(column, justify="right" if numeric else "left", overflow="fold", min_width=width)
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))  # text: a label may hold [brackets]
        self._out.print(table)

    def metrics(self, title: str, metrics: Metrics) -> None:
        """The figures of both levels on one set of items."""
        self.table(
            title,
            ["level", "items", "accuracy", "weighted F1", "macro F1", "calibration error"],
            [
                (
                    str(level),
                    m.items,
                    percent(m.accuracy, 2),
                    m.weighted_f1,
                    m.macro_f1,
                    m.expected_calibration_error,
                )
                for level, m in metrics.levels.items()
            ],
        )
        least = next(iter(metrics.levels.values())).minimum_support
        classes = ", ".join(f"{m.macro_f1_classes} of {level}" for level, m in metrics.levels.items())
        self.say(f"Macro F1 is the mean over the classes with {least} or more of these items: {classes}.")

    def result(self, document: dict[str, Any]) -> None:
        """The whole result, for a machine."""
        if self.as_json and not self._silent:
            self._stdout.write(as_json(document) + "\n")

    @contextmanager
    def progress(self, label: str, total: float | None, unit: str = "") -> Iterator[Bar]:
        """Show a bar with rate and time left on a terminal, a line every ten seconds elsewhere.

        A total of None is an unknown one.
        """
        if not self._err.is_terminal:
            yield _Lines(self._err, label, total, unit)
            return
        columns = (
            TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Progress(*columns, console=self._err, transient=True, speed_estimate_period=_RATE_OVER_S) as shown:
            task = shown.add_task(label, total=total, count="", note="")
            yield _Shown(shown, task, total, unit)


def _count(done: float, total: float | None, unit: str) -> str:
    """How much is done, in words; nothing where nothing of an unknown total is."""
    if not total:
        return f"{done:,.0f} {unit}".rstrip() if done else ""
    return f"{done:,.0f} of {total:,.0f} {unit}".rstrip()


class _Shown:
    def __init__(self, shown: Progress, task: TaskID, total: float | None, unit: str) -> None:
        self._shown = shown
        self._task = task
        self._total = total
        self._unit = unit

    def update(self, done: float, note: str = "") -> None:
        end_if_interrupted()
        self._shown.update(self._task, completed=done, count=_count(done, self._total, self._unit), note=note)


class _Lines:
    def __init__(self, console: RichConsole, label: str, total: float | None, unit: str) -> None:
        self._console = console
        self._label = label
        self._unit = unit
        self._said = time.monotonic()
        self._meter = Progress(
            console=console, disable=True, speed_estimate_period=_RATE_OVER_S, get_time=time.monotonic
        )
        self._number = self._meter.add_task(label, total=total)

    def update(self, done: float, note: str = "") -> None:
        """Say how far it is, unless that was said less than ten seconds ago."""
        end_if_interrupted()
        self._meter.update(self._number, completed=done)
        now = time.monotonic()
        if now - self._said < _LINE_EVERY_S:
            return
        self._said = now
        (task,) = self._meter.tasks
        total, left = task.total, task.time_remaining
        how_far = ": ".join(filter(None, (self._label, _count(done, total, self._unit))))
        if total:
            how_far += f" ({100 * done / total:.0f}%)"
        time_left = "" if left is None else f"{duration(left)} left"
        self._console.print(", ".join(filter(None, (how_far, time_left, note))), markup=False)


def _longest_word(texts: Iterable[str]) -> int:
    """The width of the longest word, as far as it is kept whole: an address may be folded."""
    return min(_KEPT_WHOLE, max((cell_len(word) for text in texts for word in text.split()), default=0))


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, as far as its cells are not empty."""
    digits = [cell.removesuffix("%").replace(".", "", 1).replace(",", "").lstrip("+-") for cell in cells if cell]
    return bool(digits) and all(text.isdecimal() for text in digits)


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else printable(str(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
