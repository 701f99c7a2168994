"""CSV text as shops have it, to rows: repaired where that is sure, rejected where it is not."""

import codecs
import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from schemas.catalog import RejectReason, Repair
from tagger.errors import InputError, UsageError

FIELD_LIMIT = 65_536  # characters; longer than any catalogue's text, short enough to keep a batch small
_LINE_LIMIT = 1 << 20
_RECORD_LINES = 200  # a quoted field over more lines than this is an unclosed quote
_DELIMITERS = ",;\t|"
_BLANK = {"", "NA"}
_UNREADABLE = (EOFError, OSError, UnicodeError, zlib.error)

csv.field_size_limit(_LINE_LIMIT * 2)


def _decode_as_windows(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are not UTF-8 as Windows-1252, which holds Latin-1's letters; the few it lacks as Latin-1."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    broken = error.object[error.start : error.end]
    return "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in broken), error.end


codecs.register_error("tagger.windows", _decode_as_windows)


@dataclass(frozen=True, slots=True)
class Row:
    """One readable record: the line it begins at, its fields as many as the header has, and how it was mended."""

    line: int
    fields: list[str]
    text: str
    repair: Repair | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """One record that cannot be read, with the reason."""

    line: int
    reason: RejectReason
    message: str
    text: str


class _UnclosedQuoteError(Exception):
    """A quoted field runs on for too long."""


class _Feed:
    """The lines of a text for csv.reader, with those of the current record at hand and a way to put some back."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._returned: deque[str] = deque()
        self.line = 0
        self.taken: list[str] = []

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if len(self.taken) >= _RECORD_LINES:
            raise _UnclosedQuoteError
        line = self._returned.popleft() if self._returned else self._read()
        if not line:
            raise StopIteration
        self.taken.append(line)
        return line

    def start(self) -> int:
        """Begin a record; return the number of its first line."""
        self.line += len(self.taken)
        self.taken = []
        return self.line + 1

    def keep_first(self) -> None:
        """Put back all lines of the record but the first."""
        self._returned.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def _read(self) -> str:
        line = self._text.readline(_LINE_LIMIT)
        if len(line) == _LINE_LIMIT and not line.endswith("\n"):
            while (more := self._text.readline(_LINE_LIMIT)) and not more.endswith("\n"):
                pass  # an endless line is cut: it is rejected for its length, and must not fill memory
        return line


@dataclass(frozen=True, slots=True)
class _Ragged:
    """A record with more fields than the header, until it is known what the columns look like."""

    line: int
    fields: list[str]
    text: str


class _Shape:
    """What the columns of good rows look like, to tell a delimiter in the last column from one further left."""

    LEARN = 500
    _ENOUGH, _FEW = 20, 5
    _CLOSED_ROWS, _CLOSED_VALUES = 200, 20

    def __init__(self, width: int) -> None:
        self.rows = 0
        self._numeric = [True] * width
        self._spaced = [0] * width
        self._seen: list[set[str]] = [set() for _ in range(width)]

    def learn(self, fields: list[str]) -> None:
        """Take in one good row."""
        if self.rows >= self.LEARN:
            return
        self.rows += 1
        for i, value in enumerate(fields):
            if value not in _BLANK:
                self._numeric[i] = self._numeric[i] and _is_number(value)
                self._spaced[i] += " " in value
                self._seen[i].add(value)

    def last_takes_text(self, fields: list[str]) -> bool:
        """Whether the extra fields are surely the tail of the last column.

        They are when no value to its left is unlike its column and, once there are rows enough to tell, when the
        last column is text and the only one that is. Of a handful of rows nothing can be said against it.
        """
        left = range(len(self._seen) - 1)
        if self.rows >= self._FEW and any(self._is_unlike(i, fields[i]) for i in left):
            return False
        if self.rows < self._ENOUGH:
            return not (self.rows >= self._FEW and self._numeric[-1] and self._seen[-1])
        return self._is_text(len(self._seen) - 1) and not any(self._is_text(i) for i in left)

    def _is_unlike(self, i: int, value: str) -> bool:
        if value in _BLANK or not self._seen[i]:
            return False
        if self._numeric[i]:
            return not _is_number(value)
        closed = self.rows >= self._CLOSED_ROWS and len(self._seen[i]) <= self._CLOSED_VALUES
        return closed and value not in self._seen[i]

    def _is_text(self, i: int) -> bool:
        """Several words in most values, and mostly different ones."""
        return self._spaced[i] > 0.5 * self.rows and len(self._seen[i]) > 0.3 * self.rows


class CsvRows:
    """The rows of one CSV file: `header` first, then an iterator of Row and BadRow.

    Raises InputError when the file has no header or is not text.
    """

    def __init__(self, stream: IO[bytes], name: str, delimiter: str, encoding: str) -> None:
        self._name = name
        self._text = _as_text(stream, name, encoding)
        self._feed = _Feed(self._text)
        try:
            first = next(self._feed)
        except StopIteration:
            raise InputError(f"{name}: the file is empty; it needs a header line") from None
        except _UNREADABLE as error:
            raise InputError(f"{name}: cannot be read: {error}") from error
        self._delimiter = _sniff(first) if delimiter == "auto" else {"tab": "\t"}.get(delimiter, delimiter)
        self._feed.keep_first()
        self.header = _unique([n.strip() for n in next(csv.reader([first], delimiter=self._delimiter))])
        self._shape = _Shape(len(self.header))

    def rows(self, *, last_is_text: bool) -> Iterator[Row | BadRow]:
        """Yield every record below the header, in order; the last column may hold the delimiter if `last_is_text`.

        Ragged rows are judged once the columns are known: the first ones wait until then, with the rows after them.
        """
        waiting: list[Row | BadRow | _Ragged] = []
        for record in self._records():
            waiting.append(record)
            if self._shape.rows >= _Shape.LEARN or not any(isinstance(r, _Ragged) for r in waiting):
                yield from (self._judged(r, last_is_text) for r in waiting)
                waiting = []
        yield from (self._judged(r, last_is_text) for r in waiting)

    def _records(self) -> Iterator[Row | BadRow | _Ragged]:
        reader = self._reader()
        while True:
            line = self._feed.start()
            try:
                fields = next(reader)
            except StopIteration:
                return
            except (csv.Error, _UnclosedQuoteError):
                yield self._stray_quote(line)
                reader = self._reader()
                continue
            except _UNREADABLE as error:
                raise InputError(f"{self._name}: cannot be read after line {line - 1}: {error}") from error
            if not fields:
                continue  # an empty line is no row
            if len(self._feed.taken) > 1 and self._lines_are_rows():
                yield self._stray_quote(line)
                reader = self._reader()
                continue
            yield self._checked(line, fields)

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed, delimiter=self._delimiter, strict=True)

    def _checked(self, line: int, fields: list[str]) -> Row | BadRow | _Ragged:
        text = "".join(self._feed.taken).rstrip("\r\n")
        if "\0" in text:
            return BadRow(line, RejectReason.NUL_BYTE, "the row holds a NUL byte", text)
        if len(text) > FIELD_LIMIT and max(map(len, fields)) > FIELD_LIMIT:
            return BadRow(line, RejectReason.FIELD_TOO_LONG, f"a field has over {FIELD_LIMIT:,} characters", text)
        width = len(self.header)
        if len(fields) == width:
            self._shape.learn(fields)
            return Row(line, fields, text)
        if len(fields) < width:
            message = f"{len(fields)} fields where the header has {width}"
            return BadRow(line, RejectReason.TOO_FEW_FIELDS, message, text)
        if not any(f.strip() for f in fields[width:]):
            return Row(line, fields[:width], text, Repair.EMPTY_FIELDS_DROPPED)
        return _Ragged(line, fields, text)

    def _judged(self, record: Row | BadRow | _Ragged, last_is_text: bool) -> Row | BadRow:
        if not isinstance(record, _Ragged):
            return record
        line, fields, width = record.line, record.fields, len(self.header)
        if last_is_text and self._shape.last_takes_text(fields):
            joined = self._delimiter.join(fields[width - 1 :])
            return Row(line, [*fields[: width - 1], joined], record.text, Repair.EXTRA_FIELDS_JOINED)
        message = f"{len(fields)} fields where the header has {width}; it is not sure which one holds the delimiter"
        return BadRow(line, RejectReason.TOO_MANY_FIELDS, message, record.text)

    def _lines_are_rows(self) -> bool:
        """Whether a record over several lines is rather one row a line, with quotes that mean nothing."""
        width = len(self.header)
        return width >= 4 and all(t.count(self._delimiter) == width - 1 for t in self._feed.taken)

    def _stray_quote(self, line: int) -> Row | BadRow:
        """Read the record's first line without quoting; the lines that the quote swallowed go back."""
        self._feed.keep_first()
        text = self._feed.taken[0].rstrip("\r\n")
        if "\0" in text:
            return BadRow(line, RejectReason.NUL_BYTE, "the row holds a NUL byte", text)
        fields = text.split(self._delimiter)
        if len(fields) == len(self.header) and max(map(len, fields)) <= FIELD_LIMIT:
            return Row(line, fields, text, Repair.STRAY_QUOTE)
        return BadRow(line, RejectReason.BAD_QUOTING, "a quote is not closed, or closed in the middle of a field", text)


def _as_text(stream: IO[bytes], name: str, encoding: str) -> IO[str]:
    buffered = io.BufferedReader(_Raw(stream), 1 << 20)
    if buffered.peek(2)[:2] == b"\x1f\x8b":
        buffered = io.BufferedReader(_Raw(gzip.GzipFile(fileobj=buffered)), 1 << 20)
    try:
        head = buffered.peek(4096)[:4096]
    except _UNREADABLE as error:
        raise InputError(f"{name}: not a readable gzip file: {error}") from error
    found = _sniff_encoding(head) if encoding == "auto" else encoding
    errors = "tagger.windows" if encoding == "auto" and found == "utf-8-sig" else "strict"
    try:
        if codecs.lookup(found).name == "utf-8":
            found = "utf-8-sig"  # the same, less a byte order mark
        return io.TextIOWrapper(buffered, encoding=found, errors=errors, newline="")
    except LookupError as error:
        raise UsageError(f"--encoding {found}: no text encoding of this name") from error


class _Raw(io.RawIOBase):
    """Any object that can read, as io's buffers take it."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _sniff_encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) >= 4 and 0 in head[:2]:  # the header's first letter; NUL bytes further on are only bad rows
        even, odd = head[::2].count(0) / len(head[::2]), head[1::2].count(0) / len(head[1::2])
        if odd > 0.4 and even < 0.1:
            return "utf-16-le"
        if even > 0.4 and odd < 0.1:
            return "utf-16-be"
    return "utf-8-sig"


def _sniff(header: str) -> str:
    outside = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)


def _unique(names: list[str]) -> list[str]:
    found: list[str] = []
    for i, name in enumerate(names, 1):
        plain = name or f"column_{i}"
        unique, n = plain, 2
        while unique in found:
            unique, n = f"{plain}_{n}", n + 1
        found.append(unique)
    return found


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
