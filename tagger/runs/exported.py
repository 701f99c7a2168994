"""What exports wrote, kept with the runs whose predictions it was; and which runs were taken back."""

import json
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from tagger.flow.id_rows import IdRows
from tagger.io.location import Location
from tagger.io.parquet import open_parquet, write_parquet
from tagger.runs.directory import RunDirectory
from tagger.schemas.tables.change import CHANGE, ChangeKind

_MAP = ".map.yaml"


def write_exported(run: RunDirectory, export_id: str, changes: pa.Table, used_map: bytes | None = None) -> None:
    """Keep the changes of one export or undo, by CHANGE, with the run that they are of, and the map that it used."""
    if used_map is not None:
        (run.exports / f"{export_id}{_MAP}").write_bytes(used_map)
    write_parquet(run.exports / f"{export_id}.parquet", changes)


def map_of(run: RunDirectory, export_id: str) -> Location:
    """The map that an export used."""
    return run.exports / f"{export_id}{_MAP}"


def exported_of(run: RunDirectory) -> Iterator[pa.Table]:
    """The changes of all exports and undos of a run's tags, by CHANGE, the oldest first."""
    for file in sorted(run.exports.files((".parquet",)), key=lambda f: f.name):
        yield open_parquet(file).read().cast(CHANGE)


class Exported:
    """The value that stands of each field of each product, as exports wrote it.

    Args:
        tables: Changes by CHANGE.
        target: Those of this target alone count.
    """

    def __init__(self, tables: Iterable[pa.Table], target: str) -> None:
        self._rows = IdRows()
        self._values: list[str | None] = []
        filled = [table for table in tables if len(table)]
        for table in sorted(filled, key=lambda table: table["madeAt"][0].as_py(), reverse=True):
            self._add(table, target)

    def values(self, heading: str, keys: Sequence[str]) -> list[str | None]:
        """The value of each product that the newest export wrote, as the map has it.

        None where there is none, or it was taken back.
        """
        rows = self._rows.numbers([_name(heading, key) for key in keys])
        return [self._values[row] if row >= 0 else None for row in rows.tolist()]

    def __bool__(self) -> bool:
        return bool(self._values)

    def _add(self, table: pa.Table, target: str) -> None:
        columns = [table[name].to_pylist() for name in ("target", "heading", "key", "kind", "value")]
        rows = [row for row in zip(*columns, strict=True) if row[0] == target]
        _, is_new = self._rows.add([_name(heading, key) for _, heading, key, _, _ in rows])
        for new, (_, _, _, kind, value) in zip(is_new, rows, strict=True):
            if new:
                self._values.append(value if kind == ChangeKind.SET else None)


def _name(heading: str, key: str) -> str:
    return json.dumps([heading, key])
