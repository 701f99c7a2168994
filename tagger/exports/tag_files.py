"""Final tags as files: Parquet of all items in parts, and CSV of what is to be set, as many rows as a sheet takes."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import pyarrow as pa

from tagger.exports.csv import MAX_ROWS
from tagger.exports.pim import PIM_FILES, PimFile, formula_like, pim_csv
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.schemas.tables.final_tag import FINAL_TAG

_PART_ROWS = 65_536


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
        self._parts: Counter[PimFile | None] = Counter()
        self._out = out
        self._formats = formats
        self._names = names

    def write(self, tables: Iterable[pa.Table]) -> None:
        """Write tags by FINAL_TAG, in pieces."""
        kinds: list[PimFile | None] = [None] if "parquet" in self._formats else []
        kinds += list(PIM_FILES) if "csv" in self._formats else []
        waiting = {kind: _rows_of(kind, FINAL_TAG.empty_table()) for kind in kinds}
        for table in tables:
            for kind in kinds:
                most = MAX_ROWS if kind else _PART_ROWS
                rest = pa.concat_tables([waiting[kind], _rows_of(kind, table)])
                while len(rest) >= most:
                    self._write(kind, rest.slice(0, most))
                    rest = rest.slice(most)
                waiting[kind] = rest
        for kind, rest in waiting.items():
            if len(rest) or (not self._parts[kind] and kind in (None, PIM_FILES[0])):
                self._write(kind, rest)

    def _write(self, kind: PimFile | None, table: pa.Table) -> None:
        stem, suffix = (kind.name, "csv") if kind else ("tags", "parquet")
        name = f"{stem}-{self._parts[kind]:05d}.{suffix}"
        if kind:
            (self._out / name).write_bytes(pim_csv(table, self._names))
            self.formula_like += formula_like(table)
        else:
            write_parquet(self._out / name, table)
        self._parts[kind] += 1
        self.written[name] = len(table)


def _rows_of(kind: PimFile | None, table: pa.Table) -> pa.Table:
    """What a kind of file has of these tags; None is the Parquet, which has all."""
    return kind.rows(table) if kind else table
