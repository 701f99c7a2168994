"""Reads faulty CSV text of real shops: rows are repaired where the repair is certain, and rejected otherwise.

The standard (RFC 4180) comes first: a quoted cell that closes properly is one cell, however many lines it has. Only
where that fails is a record repaired, by the rules in `tables.quoting`. The parsers of pandas and Arrow stop at the
first faulty record, or drop it without its text; here one fault costs one row, which becomes a reject with its text.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from tagger.errors import InputError
from tagger.manifest.tables.encodings import open_text, undecodable
from tagger.manifest.tables.quoting import (
    CELL_LIMIT,
    Feed,
    UnclosedQuoteError,
    has_spaced_quote,
    lenient_record,
    lines_are_rows,
    mended,
    read_again,
)
from tagger.manifest.tables.ragged import Shape
from tagger.notices import Notices
from tagger.schemas.tables.item import RejectReason, Repair

FIELD_LIMIT = CELL_LIMIT
_DELIMITERS = ",;\t|"
_HEADER_LINES = 20
_UNREADABLE = (EOFError, OSError, UnicodeError)


@dataclass(frozen=True, slots=True)
class Row:
    """One readable record: its first line, as many fields as the header has, and its repair."""

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


@dataclass(frozen=True, slots=True)
class _Ragged:
    """A record with more fields than the header, which waits until the columns are known."""

    line: int
    fields: list[str]
    text: str


class CsvRows:
    """The rows of one CSV file: `header` first, then an iterator of Row and BadRow.

    Raises InputError when the file has no header or is not text.
    """

    def __init__(
        self, stream: IO[bytes], name: str, delimiter: str, encoding: str, notices: Notices | None = None
    ) -> None:
        self._name = name
        self._notices = notices or Notices()
        self._encoding = encoding
        self._delimiter = {"tab": "\t"}.get(delimiter, delimiter)
        self._feed = Feed(open_text(stream, name, encoding, self._notices))
        try:
            self.header = unique_names([n.strip() for n in self._read_header()])
        except _UNREADABLE as error:
            raise InputError(f"{name}: cannot be read: {error}") from error
        self._shape = Shape(len(self.header))

    def rows(self, *, last_is_text: bool) -> Iterator[Row | BadRow]:
        """Yield every record below the header, in order; the last column may hold the delimiter if `last_is_text`.

        Ragged rows are decided once the columns are known; until then they wait, with the rows after them.
        """
        pending: list[Row | BadRow | _Ragged] = []
        for record in self._records():
            pending.append(record)
            if self._shape.rows >= Shape.LEARN or not any(isinstance(r, _Ragged) for r in pending):
                yield from (self._decided(r, last_is_text) for r in pending)
                pending = []
        yield from (self._decided(r, last_is_text) for r in pending)

    def _read_header(self) -> list[str]:
        """The names in the first line that is not blank; `sep=;` above it, as Excel writes it, names the delimiter."""
        for first in self._feed:
            text = first.strip()
            if text.lower().startswith("sep=") and len(text) == 5:
                self._delimiter = text[4] if self._delimiter == "auto" else self._delimiter
            elif text:
                break
            self._feed.start()
        else:
            raise InputError(f"{self._name}: the file is empty; it needs a header line")
        if self._delimiter == "auto":
            outside = "".join(first.split('"')[::2])
            self._delimiter = max(_DELIMITERS, key=outside.count)
        names = read_again(self._feed, self._delimiter, spaced=True)
        if names is None or len(self._feed.taken) > _HEADER_LINES:
            self._feed.keep(1)
            names = next(csv.reader([first], delimiter=self._delimiter))
        if undecodable("".join(names)):
            raise InputError(
                f"{self._name}: cannot be read: its header holds bytes that are not {self._encoding}; name the "
                "encoding with --encoding"
            )
        return names

    def _records(self) -> Iterator[Row | BadRow | _Ragged]:
        reader = self._reader()
        while True:
            line = self._feed.start()
            try:
                fields = next(reader)
            except StopIteration:
                return
            except (csv.Error, UnclosedQuoteError):
                yield self._mended(line, None)
                reader = self._reader()
                continue
            except _UNREADABLE as error:
                raise InputError(f"{self._name}: cannot be read after line {line - 1}: {error}") from error
            if not fields:
                continue  # an empty line is not a row
            taken = self._feed.taken
            text = taken[0] if len(taken) == 1 else "".join(taken)
            if '"' in text and self._is_doubtful(text, fields):
                yield self._mended(line, fields)
                reader = self._reader()
                continue
            yield self._checked(line, fields, text)

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed, delimiter=self._delimiter, strict=True)

    def _is_doubtful(self, text: str, fields: list[str]) -> bool:
        """Whether another way to read the quotes may be better."""
        if ' "' in text and has_spaced_quote(fields):
            return True
        if len(fields) == len(self.header):
            if len(self._feed.taken) > 1:
                self._notice_swallowed_rows()
            return '\\"' in text and self._has_two_readings(fields)
        return '\\"' in text or len(self._feed.taken) > 1

    def _has_two_readings(self, fields: list[str]) -> bool:
        """Whether reading backslashes as escapes also gives a row, and a different one."""
        lines = len(self._feed.taken)
        other = read_again(self._feed, self._delimiter, escaped=True)
        same = other is None or len(other) != len(fields) or [f.replace('\\"', '"') for f in fields] == other
        read_again(self._feed, self._delimiter)
        return not same or len(self._feed.taken) != lines

    def _notice_swallowed_rows(self) -> None:
        taken = self._feed.taken
        if len(self.header) >= 4 and lines_are_rows(taken, self._delimiter, len(self.header)):
            self._notices.add(
                f"{self._name}, line {self._feed.line + 1}: a quoted cell takes {len(taken)} lines that look like rows "
                "of their own; if a quote is missing there, add it",
                key=f"swallowed:{self._name}",
            )

    def _mended(self, line: int, standard: list[str] | None) -> Row | BadRow | _Ragged:
        """Repair a record that the standard reads wrongly, or cannot read (`standard` is None)."""
        feed, width = self._feed, len(self.header)
        if standard is not None and len(standard) == width and not has_spaced_quote(standard):
            text = "".join(feed.taken).rstrip("\r\n")
            message = "its quotes can be read in two ways, which give different cells"
            return BadRow(line, RejectReason.BAD_QUOTING, message, text)
        if read := mended(feed, self._delimiter, width):
            fields, repair = read
            return self._checked(line, fields, "".join(feed.taken), repair)
        fields_or_none = read_again(feed, self._delimiter)
        if fields_or_none is not None:
            if lines_are_rows(feed.taken, self._delimiter, width):
                return self._stray_quote(line)
            return self._checked(line, fields_or_none, "".join(feed.taken))
        lenient = lenient_record(feed, self._delimiter, width)
        if lenient is None or lines_are_rows(feed.taken, self._delimiter, width):
            return self._stray_quote(line)
        text = "".join(feed.taken)
        if len(lenient) == width:
            return self._checked(line, lenient, text, Repair.STRAY_QUOTE)
        if len(feed.taken) == 1:
            return self._stray_quote(line)
        message = f"a quote is closed in the middle of a field; it would have {len(lenient)} fields of {width}"
        return BadRow(line, RejectReason.BAD_QUOTING, message, text.rstrip("\r\n"))

    def _checked(self, line: int, fields: list[str], text: str, repair: Repair | None = None) -> Row | BadRow | _Ragged:
        text = text.rstrip("\r\n")
        if bad := self._bad_text(line, text):
            return bad
        if len(text) > FIELD_LIMIT and max(map(len, fields)) > FIELD_LIMIT:
            return BadRow(line, RejectReason.FIELD_TOO_LONG, f"a field has over {FIELD_LIMIT:,} characters", text)
        width = len(self.header)
        if len(fields) == width:
            self._shape.learn(fields)
            return Row(line, fields, text, repair)
        if len(fields) < width:
            message = f"{len(fields)} fields where the header has {width}"
            return BadRow(line, RejectReason.TOO_FEW_FIELDS, message, text)
        if not any(f.strip() for f in fields[width:]):
            return Row(line, fields[:width], text, Repair.EMPTY_FIELDS_DROPPED)
        return _Ragged(line, fields, text)

    def _bad_text(self, line: int, text: str) -> BadRow | None:
        if "\0" in text:
            return BadRow(line, RejectReason.NUL_BYTE, "the row holds a NUL byte", text)
        if not undecodable(text):
            return None
        assumed = "" if self._encoding == "auto" else f" that are not {self._encoding}"
        self._notices.add(
            f"{self._name}, line {line}: it holds bytes{assumed or ' that cannot be read'}; such rows are rejects. "
            "Name the file's encoding with --encoding",
            key=f"undecodable:{self._name}",
        )
        return BadRow(line, RejectReason.UNDECODABLE, f"the row holds bytes{assumed or ' of no known letter'}", text)

    def _decided(self, record: Row | BadRow | _Ragged, last_is_text: bool) -> Row | BadRow:
        if not isinstance(record, _Ragged):
            return record
        line, fields, width = record.line, record.fields, len(self.header)
        if last_is_text and self._shape.last_takes_text(fields):
            joined = self._delimiter.join(fields[width - 1 :])
            return Row(line, [*fields[: width - 1], joined], record.text, Repair.EXTRA_FIELDS_JOINED)
        message = f"{len(fields)} fields where the header has {width}; it is not sure which one holds the delimiter"
        return BadRow(line, RejectReason.TOO_MANY_FIELDS, message, record.text)

    def _stray_quote(self, line: int) -> Row | BadRow:
        """Read the record's first line without quoting, and put the other lines back."""
        if not self._feed.taken:
            next(self._feed)
        self._feed.keep(1)
        text = self._feed.taken[0].rstrip("\r\n")
        if bad := self._bad_text(line, text):
            return bad
        fields = text.split(self._delimiter)
        if len(fields) == len(self.header) and max(map(len, fields)) <= FIELD_LIMIT:
            return Row(line, fields, text, Repair.STRAY_QUOTE)
        return BadRow(line, RejectReason.BAD_QUOTING, "a quote is not closed, or closed in the middle of a field", text)


def unique_names(names: list[str]) -> list[str]:
    """Unique column names: `column_N` for a blank one, `NAME_2` for the second of a name."""
    unique: list[str] = []
    for i, name in enumerate(names, 1):
        plain = name or f"column_{i}"
        candidate, n = plain, 2
        while candidate in unique:
            candidate, n = f"{plain}_{n}", n + 1
        unique.append(candidate)
    return unique
