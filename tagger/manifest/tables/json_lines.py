"""JSON Lines (one object per line) as a table of strings."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import numpy as np
import pyarrow as pa

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.manifest.tables.csv_rows import BadRow, Row
from tagger.manifest.tables.encodings import open_text, undecodable
from tagger.manifest.tables.quoting import Feed
from tagger.manifest.tables.table import Chunk
from tagger.notices import Notices
from tagger.schemas.tables.item import RejectReason

_CHUNK_CHARACTERS = 64 << 20
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=lambda name: None)
"""Numbers keep their digits; NaN and the infinities become null."""


class JsonLinesFile:
    """A file of JSON objects, one per line; all their keys are its columns, and nested values stay JSON text.

    Libraries stop at the first broken line and round large numbers; here a broken line is one reject. The file is read
    twice, since a key may first occur late.
    """

    def __init__(self, file: Location, encoding: str, notices: Notices) -> None:
        self._file, self._encoding, self._notices = file, encoding, notices
        keys: dict[str, None] = {}
        with self._lines() as feed:
            for _, parsed in _parsed(feed):
                if isinstance(parsed, dict):
                    keys.update(dict.fromkeys(parsed))
        self.columns = list(keys)

    def chunks(self, rows: int, only: str | None = None) -> Iterator[Chunk]:
        """Read the file; chunks with much text have fewer rows."""
        with self._lines() as feed:
            good: list[Row] = []
            objects: list[dict[str, object]] = []
            bad: list[BadRow] = []
            size = 0
            for line, parsed in _parsed(feed):
                if isinstance(parsed, dict):
                    objects.append(parsed)
                    good.append(Row(line, [], feed.taken[0].rstrip("\r\n")))
                else:
                    bad.append(parsed)
                size += len(feed.taken[0])
                if len(good) + len(bad) == rows or size > _CHUNK_CHARACTERS:
                    yield self._chunk(good, objects, bad)
                    good, objects, bad, size = [], [], [], 0
            if good or bad:
                yield self._chunk(good, objects, bad)

    def _chunk(self, good: list[Row], objects: list[dict[str, object]], bad: list[BadRow]) -> Chunk:
        columns = [pa.array([_cell(o.get(name)) for o in objects], pa.string()) for name in self.columns]
        return Chunk(pa.table(columns, names=self.columns), np.array([r.line for r in good], np.int64), bad, good)

    @contextmanager
    def _lines(self) -> Iterator[Feed]:
        with self._file.open() as stream:
            yield Feed(open_text(stream, str(self._file), self._encoding, self._notices))


def _parsed(feed: Feed) -> Iterator[tuple[int, dict[str, object] | BadRow]]:
    """The number of each line that is not blank, with its object or the error."""
    while True:
        line = feed.start()
        try:
            text = next(feed, "")
        except UnicodeError as error:
            raise InputError(f"line {line} cannot be read: {error}") from error
        if not text:
            return
        if text.strip():
            yield line, _object(line, text.rstrip("\r\n"))


def _object(line: int, text: str) -> dict[str, object] | BadRow:
    if undecodable(text):
        return BadRow(line, RejectReason.UNDECODABLE, "the row holds bytes that are not in the file's encoding", text)
    try:
        parsed = _DECODER.decode(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        return BadRow(line, RejectReason.BROKEN_JSON, f"the line is no JSON: {error or 'nested too deeply'}", text)
    if not isinstance(parsed, dict):
        message = f"the line is a JSON {type(parsed).__name__}, where an object is needed"
        return BadRow(line, RejectReason.BROKEN_JSON, message, text)
    if "\\u" in text:
        values = [v for pair in parsed.items() for v in pair if isinstance(v, str)]
        if any("\0" in v for v in values):
            return BadRow(line, RejectReason.NUL_BYTE, "the row holds a NUL byte", text)
        if any(map(undecodable, values)):
            return BadRow(
                line, RejectReason.BROKEN_JSON, "the line holds half a surrogate pair, which is no letter", text
            )
    return parsed


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=True, default=float)
    return str(value)
