"""Output of commands: progress and tables on a terminal, plain lines elsewhere, JSON on request."""

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
from tagger.jobs.shell.figures import NO_FIGURE, macro_f1, percent
from tagger.printable import duration, printable
from tagger.reporter import Bar
from tagger.schemas.documents.bundle import Metrics

_LINE_EVERY_S = 10.0
_AS_WIDE_AS_NEEDED = 100_000
_MOST_UNFOLDED = 32
"""Words up to this length, such as a run's name, are never folded in a table, however narrow the terminal is."""
_RATE_OVER_S = 120.0
"""Window for estimating the time left; earlier steps, such as the first ones, would mislead."""


class _Results(RichConsole):
    """A console on standard output; in a pipe or a file, it is as wide as a table needs."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file=file, highlight=False, soft_wrap=True)
        if not self.is_terminal:
            self.width = _AS_WIDE_AS_NEEDED

    def on_broken_pipe(self) -> None:
        """Let the command handle it: rich itself would exit with a failure."""
        raise


class Console:
    """Output of a command: progress and warnings to standard error, results to standard output."""

    def __init__(self, as_json: bool = False, silent: bool = False) -> None:
        self.as_json = as_json
        self.document: dict[str, Any] | None = None
        """The command's result, once there is one."""
        self._silent = silent
        self._stdout = sys.stdout
        self._out = _Results(self._stdout)
        self._err = RichConsole(stderr=True, highlight=False, soft_wrap=True)

    def step(self, text: str) -> None:
        """Print the current step."""
        text = printable(text)
        self._err.print(Text.assemble(("› ", "bold"), text) if self._err.is_terminal else text, markup=False)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self._err.print(f"! {printable(text)}", style="yellow", markup=False)

    def say(self, text: str = "") -> None:
        """Print a line of the result."""
        if not self.as_json:
            self._out.print(printable(text), markup=False)

    def write(self, text: str) -> None:
        """Print the output of another process at once, with its own line ends."""
        self._stdout.write(printable(text))
        self._stdout.flush()

    def flush(self) -> None:
        """Flush standard output."""
        self._stdout.flush()

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table of the result; numbers are right-aligned, and words are never broken.

        If the terminal is too narrow, the table has no frame, and is as wide as its words need.
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
        """Print the metrics of both levels on one set of items."""
        self.table(
            title,
            ["level", "items", "accuracy", "weighted F1", "macro F1", "calibration error"],
            [
                (
                    str(level),
                    m.items,
                    percent(m.accuracy, 2),
                    m.weighted_f1,
                    macro_f1(m),
                    m.expected_calibration_error,
                )
                for level, m in metrics.levels.items()
            ],
        )
        least = next(iter(metrics.levels.values())).minimum_support
        classes = ", ".join(f"{m.macro_f1_classes} of {level}" for level, m in metrics.levels.items())
        self.say(f"Macro F1 is the mean over the classes with {least} or more of these items: {classes}.")
        chances = {level: m.calibration_error_by_chance for level, m in metrics.levels.items()}
        stated = [f"{chance:.4f} ({level})" for level, chance in chances.items() if chance is not None]
        if stated:
            self.say(f"Calibration error by chance alone, on as many items: {', '.join(stated)}.")

    def result(self, document: dict[str, Any]) -> None:
        """Keep the whole result, and print it as JSON if `--json` is given."""
        self.document = document
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
    """The progress in words; empty before the first item of an unknown total."""
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
        """Print the progress, at most every ten seconds."""
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
    """The width of the longest word, up to a maximum: longer words, such as addresses, may be folded."""
    return min(_MOST_UNFOLDED, max((cell_len(word) for text in texts for word in text.split()), default=0))


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether all non-empty cells of a column are numbers, or dashes that stand for one."""
    figures = [cell for cell in cells if cell]
    digits = [cell.removesuffix("%").replace(".", "", 1).replace(",", "").lstrip("+-") for cell in figures]
    return bool(figures) and all(
        text.isdecimal() or cell == NO_FIGURE for text, cell in zip(digits, figures, strict=True)
    )


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else printable(str(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
