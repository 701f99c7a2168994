"""Rows that wait in temporary files until they are read in the order of keys."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tagger.flow.table_spool import TableSpool

_BUCKETS = 64
_ROWS_AT_ONCE = 8192
_KEY = "key of the row"


class SortedSpool:
    """Tables whose rows are given back in the order of their keys; a bucket of keys at a time is in memory.

    Args:
        keys: The keys are smaller than this.
    """

    def __init__(self, keys: int) -> None:
        self._width = -(-max(keys, 1) // _BUCKETS)
        self._waiting: list[list[pa.Table]] = [[] for _ in range(_BUCKETS)]
        self._spools = [TableSpool() for _ in range(_BUCKETS)]

    def append(self, table: pa.Table, keys: np.ndarray) -> None:
        """Append rows with their keys, int64 [N]; negative ones come first. Raises WriteError when the disk is full."""
        buckets = np.maximum(keys, 0) // self._width
        keyed = table.append_column(_KEY, pa.array(keys))
        for bucket in np.unique(buckets).tolist():
            self._waiting[bucket].append(keyed.filter(pa.array(buckets == bucket)))
            if sum(map(len, self._waiting[bucket])) >= _ROWS_AT_ONCE:
                self._spools[bucket].append(_joined(self._waiting[bucket]))
                self._waiting[bucket] = []

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows in the order of their keys, equal ones as they came, after the last was appended."""
        for spool, waiting in zip(self._spools, self._waiting, strict=True):
            pieces = [*spool.tables(), *waiting]
            spool.close()
            if pieces:
                table = _joined(pieces)
                order = np.argsort(table[_KEY].to_numpy(), kind="stable")
                yield table.drop_columns(_KEY).take(pa.array(order))

    def close(self) -> None:
        """Delete the files."""
        for spool in self._spools:
            spool.close()


def _joined(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="default").combine_chunks()
