"""Final tags as files: Parquet of all items in parts, and CSV of what is to be set, as many rows as a sheet takes."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import pyarrow as pa

from tagger.exports.csv import MAX_ROWS
from tagger.exports.pim import PIM_FILES, formula_like, pim_csv, rows_by_attribute
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.schemas.tables.final_tag import FINAL_TAG

_PART_ROWS = 65_536
_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 60
Kind = tuple[str, str]
"""A kind of file: how its name begins, and its suffix."""
_PARQUET: Kind = ("tags", "parquet")
_EVEN_IF_EMPTY = (_PARQUET, (PIM_FILES[0].name, "csv"))


class TagFiles:
    """Writes final tags into a folder, and counts what it writes.

    Args:
        out: The folder.
        formats: `parquet`, `csv`, or both.
        names: What columns are called in the CSV, where it is not as here.
    """

    def __init__(self, out: Location, formats: Collection[str], names: Mapping[str, str]) -> None:
        self.written: dict[str, int] = {}
        """Rows of each file, by its name."""
        self.formula_like = 0
        """Cells of the CSV that a spreadsheet would take for a formula."""
        self._parts: Counter[Kind] = Counter()
        self._stems: dict[str, str] = {}
        self._out = out
        self._formats = formats
        self._names = names

    def write(self, tables: Iterable[pa.Table]) -> None:
        """Write tags by FINAL_TAG, in pieces."""
        waiting = dict(self._rows(FINAL_TAG.empty_table()))
        for table in tables:
            for kind, rows in self._rows(table):
                most = _PART_ROWS if kind == _PARQUET else MAX_ROWS
                rest = pa.concat_tables([waiting[kind], rows]) if kind in waiting else rows
                while len(rest) >= most:
                    self._write(kind, rest.slice(0, most))
                    rest = rest.slice(most)
                waiting[kind] = rest
        for kind, rest in waiting.items():
            if len(rest) or (not self._parts[kind] and kind in _EVEN_IF_EMPTY):
                self._write(kind, rest)

    def _rows(self, table: pa.Table) -> Iterator[tuple[Kind, pa.Table]]:
        """What each kind of file has of these tags; the Parquet has all."""
        if "parquet" in self._formats:
            yield _PARQUET, table
        if "csv" in self._formats:
            yield from (((file.name, "csv"), file.rows(table)) for file in PIM_FILES)
            yield from (((self._stem(name), "csv"), rows) for name, rows in rows_by_attribute(table).items())

    def _stem(self, attribute: str) -> str:
        """How the name of a further tag's files begins: another one for each, also where a disk ignores case."""
        if attribute not in self._stems:
            stem = f"attribute-{_UNSAFE.sub('_', attribute)[:_LONGEST_NAME]}"
            if stem.casefold() in map(str.casefold, self._stems.values()):
                stem += f"-{hashlib.sha256(attribute.encode()).hexdigest()[:8]}"
            self._stems[attribute] = stem
        return self._stems[attribute]

    def _write(self, kind: Kind, table: pa.Table) -> None:
        stem, suffix = kind
        name = f"{stem}-{self._parts[kind]:05d}.{suffix}"
        if kind == _PARQUET:
            write_parquet(self._out / name, table)
        else:
            (self._out / name).write_bytes(pim_csv(table, self._names))
            self.formula_like += formula_like(table)
        self._parts[kind] += 1
        self.written[name] = len(table)
