"""A shop's table of items, of any kind that `tables` reads, as a stream of rows and rejects."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError
from tagger.flow.seen_ids import SeenIds
from tagger.io.location import Location, first_line
from tagger.manifest.batch import Batch, FurtherRows, Labels, Tally, reject_table
from tagger.manifest.first_rows import FirstRows, RowsOfFiles, copied_files
from tagger.manifest.item_rows import ItemRows, further_rows, with_whole_items
from tagger.manifest.labels import LabelTally, Spellings, read_labels
from tagger.manifest.no_value import NoValue
from tagger.manifest.ranges import RANGE_ROWS, Range, ranges_of
from tagger.manifest.roles import LABELS, ColumnRoles
from tagger.manifest.tables.csv_rows import BadRow
from tagger.manifest.tables.ids import IdReader
from tagger.manifest.tables.opening import find_tables, open_table
from tagger.manifest.tables.parquet import ParquetTable
from tagger.manifest.tables.partitions import partition_values, with_partitions
from tagger.manifest.tables.raw_pixels import PixelLabels
from tagger.manifest.tables.table import Chunk, TableFile
from tagger.notices import Notices
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.item import REJECT, RejectReason, Role

BATCH_ROWS = 8192
_OPENED_AT_ONCE = 16
_LEAST_ROW_BYTES = 8


class Manifest:
    """A file, a folder or a glob of tables or of IDX labels, local or in a bucket.

    `notices` holds remarks about how it is read.

    Raises UsageError when there is no file or a mapped column is missing, InputError when it is not a table or has no
    id column.
    """

    def __init__(self, location: Location, table_format: ManifestFormat, flag: str = "--manifest") -> None:
        self.notices = Notices()
        self.tally = Tally()
        self._tables: dict[str, TableFile] = {}
        self._format = table_format
        self.most_images = 1
        """How many images of an item count, where its rows name several; set by its image store."""
        self._labels: Labels | None = None
        self.no_value = NoValue(table_format.no_value)
        self._spellings: Spellings | None = None
        self._roles = ColumnRoles({Role(role): column for role, column in table_format.column.items()})
        self._ids = IdReader(self._roles.id_column, self.no_value, self.notices)
        self.files = find_tables(location, flag, table_format, self._roles.role_of, self.notices)
        self.folder = _folder(location, self.files)
        self.columns = self._all_columns()
        self._roles.check(self.files[0], self.columns)

    def batches(self) -> Iterator[Batch]:
        """Read the manifest from its start, at most BATCH_ROWS rows at a time; `tally` counts what was read."""
        spellings = self.spellings()
        self.tally = Tally()
        with closing(SeenIds()) as seen:
            first_rows, item_rows = RowsOfFiles(seen), ItemRows(self._format.item_column)
            for file in self.files:
                self._roles.check_id(file, self._columns_of(file))
                first_rows.begin(str(file), self.tally.rows)
                for chunk in self._chunks(file):
                    batch = self._batch(file, chunk, first_rows, item_rows)
                    item_rows.compare(batch)
                    batch = self._labels.over(batch) if self._labels else batch
                    yield dataclasses.replace(batch, items=spellings.over(batch.items)) if spellings else batch
            for remark in (*copied_files(first_rows.files), *item_rows.remarks()):
                self.notices.add(remark)

    def ranges(self, least_rows: int = RANGE_ROWS) -> list[Range]:
        """The manifest in ranges for `read_range`; none where rows depend on others, or their number is not known.

        These are Parquet files, without --item-column, merged spellings and labels from elsewhere.

        Args:
            least_rows: Of each range except the last.
        """
        rows_alone = not (self._format.item_column or self._format.merge_spellings or self._labels)
        if not rows_alone or self.row_count() is None:
            return []
        tables = ((file, self._table(file)) for file in self.files)
        groups = [(file, table.group_rows) for file, table in tables if isinstance(table, ParquetTable)]
        return list(ranges_of(groups, least_rows))

    def read_range(self, part: Range, first_rows: FirstRows, item_rows: ItemRows) -> Iterator[Batch]:
        """Read a range like `batches`; `tally` counts its rows on top of those before it."""
        self.tally = Tally(rows=part.rows_before)
        for piece in part.pieces:
            self._roles.check_id(piece.file, self._columns_of(piece.file))
            first_rows.begin(str(piece.file), self.tally.rows - piece.rows_before)
            table = self._table(piece.file)
            if not isinstance(table, ParquetTable):
                raise InputError(f"{piece.file}: is no Parquet file any more")
            for chunk in table.group_chunks(piece.groups, BATCH_ROWS):
                yield self._batch(piece.file, chunk, first_rows, item_rows)

    def spellings(self) -> Spellings | None:
        """The spelling to use for each label, where spellings are merged; this reads the manifest once more."""
        if self._format.merge_spellings and self._spellings is None:
            counts: dict[Level, Counter[str]] = {level: Counter() for level in Level}
            for file in self.files:
                for chunk in self._table(file).chunks(BATCH_ROWS):
                    table = self._with_labels(self._with_roles(file, chunk), file, LabelTally())
                    for level in set(Level) & set(table.schema.names):
                        counts[level].update(table[level].drop_null().to_pylist())
            self._spellings = Spellings.of(counts)
        return self._spellings

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_tables": {}}

    def row_count(self) -> int | None:
        """Number of rows, also of those that will be rejected; None where only reading the files would tell."""
        if not isinstance(self._table(self.files[0]), ParquetTable):
            return None
        with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
            tables = list(pool.map(self._table, self.files))
        counts = [table.row_count() for table in tables if isinstance(table, ParquetTable)]
        return sum(counts) if len(counts) == len(self.files) else None

    def most_rows(self) -> int:
        """Number of rows, or an estimate by the files' sizes that is rather too large."""
        rows = self.row_count()
        return sum(file.size() for file in self.files) // _LEAST_ROW_BYTES if rows is None else rows

    def fingerprint(self) -> str:
        """A text that changes when the manifest does: its files with their sizes and times."""
        stamps = [f"{f}:{f.stamp()}" for f in self.files]
        return ";".join([*stamps, self._labels.fingerprint()] if self._labels else stamps)

    def relabel(self, labels: Labels) -> None:
        """Replace the labels in all later reads."""
        self._labels = labels

    def why_unlabelled(self) -> str | None:
        """Which label columns are missing, and which flags would name them; None if both exist."""
        return self._roles.why_unlabelled(self.columns)

    def role_columns(self) -> set[str]:
        """The roles that the manifest has a column for."""
        return self._roles.roles_in(self.columns)

    def bytes_column(self) -> str | None:
        """The column that holds image bytes, where the manifest is Parquet and has one under the image role."""
        name = self._roles.column_of(Role.IMAGE)
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
            self._tables[key] = open_table(file, self._format, self._roles.role_of, self.notices)
        return self._tables[key]

    def _chunks(self, file: Location) -> Iterator[Chunk]:
        chunks = self._table(file).chunks(BATCH_ROWS)
        joins = self._format.item_column in self._table(file).columns
        return with_whole_items(chunks, self._roles.id_column) if joins else chunks

    def _columns_of(self, file: Location) -> list[str]:
        columns = self._table(file).columns
        return [*columns, *(name for name in partition_values(file) if name not in columns)]

    def _all_columns(self) -> list[str]:
        """The columns of the first file and, where it lacks a needed one, also of the others."""
        columns = dict.fromkeys(self._columns_of(self.files[0]))
        if not self._roles.needed <= columns.keys():
            with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
                for names in pool.map(self._columns_of, self.files[1:]):
                    columns.update(dict.fromkeys(names))
        return list(columns)

    def _with_roles(self, file: Location, chunk: Chunk) -> pa.Table:
        """A chunk's rows with the columns that the file's path names, under the names of their roles."""
        table = with_partitions(chunk.table, partition_values(file))
        return table.rename_columns(self._roles.renamed(table.schema.names))

    def _batch(self, file: Location, chunk: Chunk, first_rows: FirstRows, item_rows: ItemRows) -> Batch:
        table = self._with_roles(file, chunk)
        first_row = self.tally.rows + 1
        ids, bad_ids = self._ids.read(file, self._table(file), table[Role.ID])
        neighbours = further_rows(ids)
        item_rows.add(len(ids), len(neighbours))
        further = neighbours if self._format.item_column else {}
        named = [(i, item) for i, item in enumerate(ids) if item and i not in further]
        repeated = first_rows.of([item for _, item in named], [first_row + i for i, _ in named])
        read_before = {named[position][0]: first for position, first in repeated.items()}
        read_before |= {i: read_before[first] for i, first in further.items() if first in read_before}
        bad_rows = [*chunk.bad, *self._bad_ids(chunk, ids, bad_ids, read_before)]
        is_kept = np.array([bool(item) and i not in read_before for i, item in enumerate(ids)], bool)
        is_first = is_kept & ~np.isin(np.arange(len(ids)), list(further))
        self.tally.rows += len(ids) + len(chunk.bad)
        self.tally.further += int(np.sum(is_kept & ~is_first))
        self.tally.rejects.update(bad.reason for bad in bad_rows)
        self.tally.repairs.update(r.repair for i, r in enumerate(chunk.rows or ()) if r.repair and is_kept[i])
        table = table.set_column(table.schema.get_field_index(Role.ID), "id", pa.array(ids, pa.string()))
        batch = self._rows(file, chunk, table, is_first, first_row, self.tally.labels)
        further_items = np.cumsum(is_first)[is_kept & ~is_first] - 1
        if len(further_items):
            rows = self._rows(file, chunk, table, is_kept & ~is_first, first_row, LabelTally())
            batch = dataclasses.replace(batch, further=FurtherRows(rows, further_items, self.most_images))
        return dataclasses.replace(batch, rejects=reject_table(file, bad_rows))

    def _bad_ids(
        self, chunk: Chunk, ids: Sequence[str | None], problems: Mapping[int, str], read_before: Mapping[int, int]
    ) -> Iterator[BadRow]:
        """The rows of a chunk whose id is missing, cannot be one, or was read before in the row that is given."""
        for i in (i for i, item in enumerate(ids) if not item):
            reason = RejectReason.BAD_ID if i in problems else RejectReason.BLANK_ID
            yield _bad(chunk, i, reason, problems.get(i, "the id is blank, or says that there is none"))
        hint = "; rows of one item must follow each other" if self._format.item_column else ""
        for i, first in read_before.items():
            yield _bad(chunk, i, RejectReason.DUPLICATE_ID, f"id {ids[i]!r} was read before, at row {first}{hint}")

    def _rows(
        self, file: Location, chunk: Chunk, table: pa.Table, taken: np.ndarray, first_row: int, tally: LabelTally
    ) -> Batch:
        """Some rows of a chunk as a batch without rejects; `table` has its columns under their roles, with the ids."""
        items = self._with_labels(table.filter(pa.array(taken)), file, tally)
        return Batch(
            file,
            self._with_absent_roles(items, file),
            np.flatnonzero(taken) + first_row,
            chunk.lines[taken] - 1,
            REJECT.empty_table(),
            dict(zip([*chunk.table.schema.names, *partition_values(file)], table.schema.names, strict=False)),
            chunk.bytes_columns,
        )

    def _with_labels(self, items: pa.Table, file: Location, tally: LabelTally) -> pa.Table:
        for label in set(LABELS) & set(items.schema.names):
            labels = read_labels(_as_text(items[label], file, label), label, self.no_value, tally)
            items = items.set_column(items.schema.get_field_index(label), str(label), labels)
        return items

    def _with_absent_roles(self, items: pa.Table, file: Location) -> pa.Table:
        """Items with empty columns for roles that other files have a column for, and this one lacks."""
        for role in (*LABELS, Role.IMAGE_URI):
            column = self._roles.column_of(role)
            if role not in items.schema.names and column in self.columns:
                items = items.append_column(str(role), pa.nulls(len(items), pa.string()))
                self.notices.add(
                    f"{file} has no column {column!r}, which other files have; its rows are read without {role}"
                )
        return items


def _folder(location: Location, files: Sequence[Location]) -> Location:
    """The folder of a manifest, or the manifest itself where it is a folder."""
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
