"""Reads a column of a Parquet file row by row, as far as the file is undamaged."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.io.parquet import open_parquet

_BATCH_ROWS = 256


class ColumnReader:
    """A column that is read forwards; going back reads its row group again. After an error the reader is unusable.

    Raises InputError or OSError when the file is not Parquet, or has no such column.
    """

    def __init__(self, location: Location, column: str, batch_rows: int = _BATCH_ROWS) -> None:
        self._source = location.open_random()
        self._file = open_parquet(location, self._source)
        if column not in self._file.schema_arrow.names:
            raise InputError(f"there is no column {column!r}")
        self._column = column
        paths = [self._file.schema.column(leaf).path for leaf in range(len(self._file.schema))]
        self._leaves = [n for n, path in enumerate(paths) if path == column or path.startswith(f"{column}.")]
        self._batch_rows = batch_rows
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._loaded: tuple[int, Sequence[pa.RecordBatch]] = (-1, ())
        """A row group that was read ahead."""
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._group = -1
        self._first = self._end = 0
        self._batch: pa.Array = pa.array([], pa.binary())

    def group_of(self, row: int) -> tuple[int, int]:
        """The first row of a row's group, and the first row after the group."""
        group = self.group_number(row)
        return int(self._starts[group]), int(self._starts[group + 1])

    def group_number(self, row: int) -> int:
        """The number of a row's group; beyond the last row, that of no group."""
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def group_bytes(self, group: int) -> int:
        """Size of the column in a group, bytes; 0 for no group."""
        if group >= self._file.num_row_groups:
            return 0
        chunks = self._file.metadata.row_group(group)
        return sum(int(chunks.column(leaf).total_uncompressed_size) for leaf in self._leaves)

    def is_next(self, row: int) -> bool:
        """Whether a row is in the group that is being read, and not before the present batch."""
        return self._group == self.group_number(row) and row >= self._first

    def load(self, group: int, most_bytes: int) -> list[pa.RecordBatch]:
        """Read a whole group, for `use`; nothing where its values take more memory, as repeated ones may do.

        Several threads may do so. Raises OSError or ArrowException.
        """
        file = pq.ParquetFile(self._source, metadata=self._file.metadata)
        batches, size = list[pa.RecordBatch](), 0
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[self._column], use_threads=False):
            size += batch.nbytes
            if size > most_bytes:
                return []
            batches.append(batch)
        return batches

    def use(self, group: int, batches: Sequence[pa.RecordBatch]) -> None:
        """Take a group that was loaded for the next reads of it."""
        self._loaded = group, batches

    def read(self, row: int) -> pa.Scalar | None:
        """A row's value; None beyond the last row. Raises OSError or ArrowException when the file is damaged there."""
        if row >= self._starts[-1]:
            return None
        self._seek(row)
        return self._batch[row - self._first]

    def _seek(self, row: int) -> None:
        if self._first <= row < self._end:
            return
        group = self.group_number(row)
        if row < self._first or group != self._group:
            self._group = group
            self._batches = self._batches_of(group)
            self._end = int(self._starts[group])
        while row >= self._end:
            batch = next(self._batches, None)
            if batch is None:
                raise OSError(f"row group {group} ends before its row {row - int(self._starts[group])}")
            self._batch = batch.column(0)
            self._first, self._end = self._end, self._end + len(self._batch)

    def _batches_of(self, group: int) -> Iterator[pa.RecordBatch]:
        if group == self._loaded[0]:
            return iter(self._loaded[1])
        batches: Iterator[pa.RecordBatch] = self._file.iter_batches(
            self._batch_rows, row_groups=[group], columns=[self._column]
        )
        return batches


def first_unreadable(location: Location, column: str, row: int) -> int:
    """The first unreadable row of a row's group; the group's end when all rows can be read.

    Arrow cannot skip a damaged page, so all later rows of the group are lost with it.
    """
    reader = ColumnReader(location, column, batch_rows=1)
    first, end = reader.group_of(row)
    for candidate in range(first, end):
        try:
            reader.read(candidate)
        except (pa.ArrowException, OSError):
            return candidate
    return end
