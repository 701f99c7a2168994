"""Records of CSV text: the standard rules for quotes, and repairs where the standard fails."""

import csv
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tagger.schemas.tables.item import Repair

CELL_LIMIT = 16 << 20
"""Characters of the longest cell; a quote that is not closed within them counts as unclosed."""
_LINE_LIMIT = CELL_LIMIT + (1 << 20)
_FEW_COLUMNS, _ENOUGH_ROWS = 4, 3
_ESCAPED = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
_library_limit = threading.Lock()


class UnclosedQuoteError(Exception):
    """A quoted cell runs on for too long."""


class Feed:
    """The lines of a text for csv.reader; the lines of the current record can be put back."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._returned: deque[str] = deque()
        self._size = 0
        self.line = 0
        self.taken: list[str] = []
        self.unclosed_until = 0
        """No cell of a faulty record closes before this line, so that no line is searched twice."""

    def __iter__(self) -> "Feed":
        return self

    def __next__(self) -> str:
        if self._size > CELL_LIMIT:
            raise UnclosedQuoteError
        line = self._returned.popleft() if self._returned else self._read()
        if not line:
            raise StopIteration
        self.taken.append(line)
        self._size += len(line)
        return line

    def start(self) -> int:
        """Begin a record; return the number of its first line."""
        self.line += len(self.taken)
        self.taken = []
        self._size = 0
        return self.line + 1

    def keep(self, lines: int) -> None:
        """Keep the first lines of the record, and put the others back."""
        self._returned.extendleft(reversed(self.taken[lines:]))
        del self.taken[lines:]
        self._size = sum(map(len, self.taken))

    def _read(self) -> str:
        line = self._text.readline(_LINE_LIMIT)
        if len(line) == _LINE_LIMIT and not line.endswith("\n"):
            while (more := self._text.readline(_LINE_LIMIT)) and not more.endswith("\n"):
                pass  # an endless line is cut: it is rejected for its length, and must not fill memory
        return line


def read_again(feed: Feed, delimiter: str, *, spaced: bool = False, escaped: bool = False) -> list[str] | None:
    """The fields of the current record, read from its first line; None where this reading fails.

    Args:
        feed: Anywhere within the record; afterwards at the record's end by this reading.
        delimiter: Between fields.
        spaced: Whether spaces may stand before a quote that opens a cell.
        escaped: Whether quotes within a cell are written with a backslash.
    """
    feed.keep(0)
    lines = (_ESCAPED.sub(r'\1""', line) for line in feed) if escaped else feed
    try:
        with _long_cells():
            return next(csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=spaced), None)
    except (csv.Error, UnclosedQuoteError):
        return None


def mended(feed: Feed, delimiter: str, width: int) -> tuple[list[str], Repair | None] | None:
    """The fields of a record and what mended it, where a reading of its quotes leads to the header's width."""
    text = "".join(feed.taken)
    spaced, escaped = ' "' in text, '\\"' in text
    readings: list[tuple[bool, bool, Repair | None]] = [(False, False, None)]  # again, now with room for long cells
    if spaced:
        readings.append((True, False, Repair.SPACE_BEFORE_QUOTE))
    if escaped:
        readings.append((False, True, Repair.BACKSLASH_QUOTE))
    if spaced and escaped:
        readings.append((True, True, Repair.BACKSLASH_QUOTE))
    for with_spaces, with_escapes, repair in readings:
        fields = read_again(feed, delimiter, spaced=with_spaces, escaped=with_escapes)
        if fields is not None and len(fields) == width and not (spaced and has_spaced_quote(fields)):
            return fields, repair
    return None


def has_spaced_quote(fields: list[str]) -> bool:
    """Whether a field begins with spaces and a quote, so that the quote was read as a letter of its text."""
    return any(f[:1] == " " and f.lstrip(" ")[:1] == '"' for f in fields)


def lenient_record(feed: Feed, delimiter: str, width: int) -> list[str] | None:
    """The fields of the current record if a quote closes its cell only before a delimiter or a line's end.

    Other quotes stand for themselves. None where a cell does not close, or closes behind lines that look like rows:
    the search ends after a few of them, so that a stray quote in every row costs each row only.
    """
    feed.keep(0)
    fields: list[str] = []
    cell: list[str] | None = None
    alike = 0
    try:
        for line in feed:
            body = line.rstrip("\r\n")
            start = 0
            if cell is not None:
                alike += _is_row(line, delimiter, width)
                if feed.line + len(feed.taken) <= feed.unclosed_until or _mostly(alike, len(feed.taken) - 1, width):
                    return None
            while True:
                if cell is not None:
                    end = _closing_quote(body, start, delimiter)
                    if end < 0:
                        cell.append(line[start:])
                        break
                    fields.append("".join([*cell, body[start:end]]).replace('""', '"'))
                    cell = None
                    if end + 1 == len(body):
                        return None if alike and _is_row(line, delimiter, width) else fields
                    start = end + 2
                if body.startswith('"', start):
                    cell, start = [], start + 1
                    continue
                end = body.find(delimiter, start)
                if end < 0:
                    return None if alike and _is_row(line, delimiter, width) else [*fields, body[start:]]
                fields.append(body[start:end])
                start = end + 1
    except UnclosedQuoteError:
        pass
    feed.unclosed_until = feed.line + len(feed.taken)
    return None


def lines_are_rows(lines: list[str], delimiter: str, width: int) -> bool:
    """Whether the lines of one record rather look like one row each, with quotes that mean nothing.

    They do when most lines after the first have as many delimiters as a row; of narrow tables, all.
    """
    if len(lines) < 2:
        return False
    alike = [line.count(delimiter) == width - 1 for line in lines]
    if width < _FEW_COLUMNS or len(lines) == 2:
        return all(alike)
    return alike[0] and 2 * sum(alike[1:]) >= len(lines) - 1


def _is_row(line: str, delimiter: str, width: int) -> bool:
    """Whether a line is a row by itself."""
    if line.count(delimiter) < width - 1:
        return False
    try:
        return line.count(delimiter) == width - 1 or len(next(csv.reader([line], delimiter=delimiter))) == width
    except csv.Error:
        return False


def _mostly(alike: int, lines: int, width: int) -> bool:
    """Whether enough of the lines after a record's first are rows by themselves to take all for rows."""
    return alike >= _ENOUGH_ROWS and (alike == lines if width < _FEW_COLUMNS else 2 * alike >= lines)


def _closing_quote(body: str, start: int, delimiter: str) -> int:
    """Where a quote stands before a delimiter or the line's end; -1 without one. Doubled quotes are one letter."""
    while (at := body.find('"', start)) >= 0:
        if body.startswith('""', at):
            start = at + 2
        elif at + 1 == len(body) or body.startswith(delimiter, at + 1):
            return at
        else:
            start = at + 1
    return -1


@contextmanager
def _long_cells() -> Iterator[None]:
    """Raise the csv module's cell limit inside the block; it applies to the whole process."""
    with _library_limit:
        before = csv.field_size_limit(2 * _LINE_LIMIT)
        try:
            yield
        finally:
            csv.field_size_limit(before)
