"""A shop's table of items, of any kind that `tables` reads, as a stream of rows and rejects."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError, UsageError
from tagger.flow.seen_ids import FileRepeats, SeenIds
from tagger.io.location import Location, first_line
from tagger.manifest import headings
from tagger.manifest.labels import LabelTally, Spellings, read_labels
from tagger.manifest.no_value import NoValue
from tagger.manifest.tables.csv_rows import BadRow
from tagger.manifest.tables.ids import IdReader
from tagger.manifest.tables.opening import find_tables, open_table
from tagger.manifest.tables.parquet import ParquetTable
from tagger.manifest.tables.partitions import partition_values, with_partitions
from tagger.manifest.tables.raw_pixels import PixelLabels
from tagger.manifest.tables.table import Chunk, TableFile
from tagger.notices import Notices
from tagger.printable import printable
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.item import REJECT, RejectReason, Role

BATCH_ROWS = 8192
_TEXT_LIMIT = 2000
_LABELS = (Role.MASTER_CATEGORY, Role.ARTICLE_TYPE)
_OPENED_AT_ONCE = 16


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one manifest file.

    `items` has the role columns under their role's name (`id` string, labels string or null) and every other
    column untouched, the image column's bytes left out. `rows` are 1-based numbers over the whole manifest,
    `positions` 0-based rows of the file; both int64, one an item.
    """

    file: Location
    items: pa.Table
    rows: np.ndarray
    positions: np.ndarray
    rejects: pa.Table
    names: dict[str, str]
    """From the file's own column names to those in `items`."""
    bytes_columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the file that hold bytes and are not read, with their types."""

    def column(self, name: str) -> pa.ChunkedArray | None:
        """A column by its own name or by its role's; None where the file has none."""
        current = name if name in self.items.schema.names else self.names.get(name)
        return None if current is None else self.items[current]


@dataclass
class Tally:
    """What has been read so far: rows = items + rejects; repairs are counted among the items."""

    rows: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    labels: LabelTally = field(default_factory=LabelTally)

    @property
    def repaired(self) -> int:
        """Items whose row was mended."""
        return sum(self.repairs.values())

    @property
    def rejected(self) -> int:
        """Rows that could not be read."""
        return sum(self.rejects.values())


class Labels(Protocol):
    """Labels from elsewhere, to be read in place of the manifest's own."""

    def over(self, batch: Batch) -> Batch:
        """A batch with these labels."""
        ...

    def fingerprint(self) -> str:
        """What changes when they do."""
        ...


class Manifest:
    """A file, a folder or a glob of tables or of IDX labels, local or in a bucket.

    `notices` says what a person should know of how it is read.

    Raises UsageError when nothing is there or a mapped column is missing, InputError when it is not a table or has no
    id column.
    """

    def __init__(self, location: Location, table_format: ManifestFormat, flag: str = "--manifest") -> None:
        self.notices = Notices()
        self.tally = Tally()
        self._tables: dict[str, TableFile] = {}
        self._format = table_format
        self._labels: Labels | None = None
        self._no_value = NoValue(table_format.no_value)
        self._spellings: Spellings | None = None
        self._columns = {Role(role): column for role, column in table_format.column.items()}
        self._ids = IdReader(self._columns.get(Role.ID, str(Role.ID)), self._no_value, self.notices)
        self.files = find_tables(location, flag, table_format, self._role_of, self.notices)
        self.folder = _folder(location, self.files)
        self.columns = self._all_columns()
        self._check_columns(self.files[0], self.columns)

    def batches(self) -> Iterator[Batch]:
        """Read the manifest from its start, at most BATCH_ROWS rows at a time; `tally` counts along."""
        spellings = self.spellings()
        self.tally = Tally()
        with closing(SeenIds()) as seen:
            repeats = FileRepeats(self.notices)
            for file in self.files:
                self._check_id(file)
                repeats.begin(str(file), self.tally.rows)
                for chunk in self._table(file).chunks(BATCH_ROWS):
                    batch = self._batch(file, chunk, seen, repeats)
                    batch = self._labels.over(batch) if self._labels else batch
                    yield dataclasses.replace(batch, items=spellings.over(batch.items)) if spellings else batch
                repeats.end()

    def spellings(self) -> Spellings | None:
        """Which spelling of each label is taken, where they are merged; the manifest is read once more for it."""
        if self._format.merge_spellings and self._spellings is None:
            counts: dict[Level, Counter[str]] = {level: Counter() for level in Level}
            for file in self.files:
                for chunk in self._table(file).chunks(BATCH_ROWS):
                    table = self._with_labels(self._own_table(file, chunk), file, LabelTally())
                    for level in set(Level) & set(table.schema.names):
                        counts[level].update(table[level].drop_null().to_pylist())
            self._spellings = Spellings.of(counts)
        return self._spellings

    def fingerprint(self) -> str:
        """What changes when the manifest does: its files with their sizes and times."""
        stamps = [f"{f}:{f.stamp()}" for f in self.files]
        return ";".join([*stamps, self._labels.fingerprint()] if self._labels else stamps)

    def relabel(self, labels: "Labels") -> None:
        """Read with other labels from now on."""
        self._labels = labels

    def why_unlabelled(self) -> str | None:
        """Say which label columns are missing, and which flags name them; None where both are there."""
        absent = [role for role in _LABELS if str(role) not in self.role_columns()]
        return headings.missing(absent, self.columns, self._columns.values()) if absent else None

    def role_columns(self) -> set[str]:
        """The roles that the manifest has a column for."""
        return {str(role) for role in Role if role in self._columns or str(role) in self.columns}

    def bytes_column(self) -> str | None:
        """The column that holds image bytes, where the manifest is Parquet and has one under the image role."""
        name = self._columns.get(Role.IMAGE, Role.IMAGE)
        return name if self.holds_bytes(name) else None

    def holds_bytes(self, column: str) -> bool:
        """Whether the manifest is Parquet with image bytes in this column."""
        table = self._table(self.files[0])
        return isinstance(table, ParquetTable) and column in table.image_columns

    def holds_pixels(self, file: Location) -> bool:
        """Whether a file holds labels and raw pixels, as Fashion-MNIST does."""
        return isinstance(self._table(file), PixelLabels)

    def _table(self, file: Location) -> TableFile:
        key = str(file)
        if key not in self._tables:
            self._tables[key] = open_table(file, self._format, self._role_of, self.notices)
        return self._tables[key]

    def _columns_of(self, file: Location) -> list[str]:
        columns = self._table(file).columns
        return [*columns, *(name for name in partition_values(file) if name not in columns)]

    def _all_columns(self) -> list[str]:
        """The columns of the first file and, where it lacks one that has a role, of the others, too."""
        columns = dict.fromkeys(self._columns_of(self.files[0]))
        needed = {self._columns.get(role, role) for role in (Role.ID, *_LABELS)} | set(self._columns.values())
        if not needed <= columns.keys():
            with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
                for names in pool.map(self._columns_of, self.files[1:]):
                    columns.update(dict.fromkeys(names))
        return list(columns)

    def _own_table(self, file: Location, chunk: Chunk) -> pa.Table:
        """A chunk's rows with the columns in the file's path, under the names of their roles."""
        table = with_partitions(chunk.table, partition_values(file))
        return table.rename_columns(self._renamed(table.schema.names))

    def _batch(self, file: Location, chunk: Chunk, seen: SeenIds[int], repeats: FileRepeats) -> Batch:
        table = self._own_table(file, chunk)
        size = len(table)
        row_numbers = self.tally.rows + np.arange(1, size + 1, dtype=np.int64)
        ids, problems = self._ids.read(file, self._table(file), table[Role.ID])
        named = [(i, item) for i, item in enumerate(ids) if item]
        repeated = seen.add([item for _, item in named], [int(row_numbers[i]) for i, _ in named])
        repeats.add(len(named), repeated.values())
        bad = list(chunk.bad)
        drop = np.zeros(size, bool)
        for i, item in enumerate(ids):
            if not item:
                drop[i] = True
                reason = RejectReason.BAD_ID if i in problems else RejectReason.BLANK_ID
                bad.append(_bad(chunk, i, reason, problems.get(i, "the id is blank, or says that there is none")))
        for position, first in repeated.items():
            i, _ = named[position]
            drop[i] = True
            message = f"id {ids[i]!r} was read before, at row {first}"
            bad.append(_bad(chunk, i, RejectReason.DUPLICATE_ID, message))
        self.tally.rows += size + len(chunk.bad)
        self.tally.rejects.update(b.reason for b in bad)
        self.tally.repairs.update(r.repair for i, r in enumerate(chunk.rows or ()) if r.repair and not drop[i])
        keep = ~drop
        items = table.set_column(table.schema.get_field_index(Role.ID), "id", pa.array(ids, pa.string()))
        items = self._with_labels(items.filter(pa.array(keep)), file, self.tally.labels)
        return Batch(
            file,
            self._with_lacking(items, file),
            row_numbers[keep],
            chunk.lines[keep] - 1,
            _reject_table(file, bad),
            dict(zip([*chunk.table.schema.names, *partition_values(file)], table.schema.names, strict=False)),
            chunk.bytes_columns,
        )

    def _with_labels(self, items: pa.Table, file: Location, tally: LabelTally) -> pa.Table:
        for label in set(_LABELS) & set(items.schema.names):
            labels = read_labels(_as_text(items[label], file, label), label, self._no_value, tally)
            items = items.set_column(items.schema.get_field_index(label), str(label), labels)
        return items

    def _with_lacking(self, items: pa.Table, file: Location) -> pa.Table:
        """Items with empty columns for the roles that other files have a column for, and this one has not."""
        for role in (*_LABELS, Role.IMAGE_URI):
            column = self._columns.get(role, str(role))
            if role not in items.schema.names and column in self.columns:
                items = items.append_column(str(role), pa.nulls(len(items), pa.string()))
                self.notices.add(
                    f"{file} has no column {column!r}, which other files have; its rows are read without {role}"
                )
        return items

    def _check_id(self, file: Location) -> None:
        name = self._columns.get(Role.ID, str(Role.ID))
        if name not in (columns := self._columns_of(file)):
            listed = headings.listed(columns)
            raise InputError(f"{file}: no column {name!r} for the id, which other files have; it has {listed}")

    def _check_columns(self, file: Location, columns: Sequence[str]) -> None:
        for role, column in self._columns.items():
            if column not in columns:
                hint = headings.did_you_mean(role, column, columns)
                raise UsageError(f"--column {role}={column}: {file} has {hint}")
        if Role.ID not in self._columns and Role.ID not in columns:
            raise InputError(f"{file}: {headings.missing([Role.ID], columns, self._columns.values())}")

    def _role_of(self, column: str) -> Role | None:
        for role, mapped in self._columns.items():
            if mapped == column:
                return role
        return Role(column) if column in list(Role) and Role(column) not in self._columns else None

    def _renamed(self, columns: Sequence[str]) -> list[str]:
        """Names with roles applied; a column that only looks like a mapped role is set apart as NAME_original."""
        return [
            str(role) if (role := self._role_of(c)) else f"{c}_original" if c in self._columns else c for c in columns
        ]


def _folder(location: Location, files: Sequence[Location]) -> Location:
    """The folder that a manifest lies in, or is."""
    if location.is_dir():
        return location
    return files[0].parent


def _bad(chunk: Chunk, row: int, reason: RejectReason, message: str) -> BadRow:
    return BadRow(int(chunk.lines[row]), reason, message, chunk.text(row))


def _as_text(column: pa.ChunkedArray, file: Location, role: Role) -> pa.ChunkedArray:
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowException as error:
        raise InputError(
            f"{file}: the column of {role} is {column.type}, which is no text: {first_line(error)}"
        ) from error


def _reject_table(file: Location, bad: list[BadRow]) -> pa.Table:
    rows = [
        {
            "file": str(file),
            **dataclasses.asdict(b),
            "message": printable(b.message),
            "text": printable(b.text[:_TEXT_LIMIT])[:_TEXT_LIMIT],
        }
        for b in bad
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda r: r["line"]), schema=REJECT)
