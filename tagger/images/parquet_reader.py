"""Reads a column of a Parquet file row by row, as far as the file is undamaged."""

from typing import Any

import numpy as np
import pyarrow as pa

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.io.parquet import open_parquet

_BATCH_ROWS = 256


class ColumnReader:
    """A column that is read forwards; going back reads its row group again. After an error the reader is unusable.

    Raises InputError when the file is not Parquet, or has no such column.
    """

    def __init__(self, location: Location, column: str, batch_rows: int = _BATCH_ROWS) -> None:
        self._file = open_parquet(location)
        if column not in self._file.schema_arrow.names:
            raise InputError(f"there is no column {column!r}")
        self._column = column
        self._batch_rows = batch_rows
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._batches: Any = None
        self._group = -1
        self._first = self._end = 0
        self._batch: pa.Array = pa.array([], pa.binary())

    def group_of(self, row: int) -> tuple[int, int]:
        """The first row of a row's group, and the first row after the group."""
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        return int(self._starts[group]), int(self._starts[group + 1])

    def read(self, row: int) -> pa.Scalar | None:
        """A row's value; None beyond the last row. Raises OSError or ArrowException when the file is damaged there."""
        if row >= self._starts[-1]:
            return None
        self._seek(row)
        return self._batch[row - self._first]

    def _seek(self, row: int) -> None:
        if self._first <= row < self._end:
            return
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        if row < self._first or group != self._group:
            self._group = group
            self._batches = self._file.iter_batches(self._batch_rows, row_groups=[group], columns=[self._column])
            self._end = int(self._starts[group])
        while row >= self._end:
            batch = next(self._batches, None)
            if batch is None:
                raise OSError(f"row group {group} ends before its row {row - int(self._starts[group])}")
            self._batch = batch.column(0)
            self._first, self._end = self._end, self._end + len(self._batch)


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
