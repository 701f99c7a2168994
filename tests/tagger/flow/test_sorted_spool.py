"""Rows come back in the order of their keys, from memory and from the disk alike."""

from contextlib import closing

import numpy as np
import pyarrow as pa
import pytest

from tagger.flow.sorted_spool import SortedSpool


@pytest.mark.parametrize(("rows", "keys"), [(0, 1), (1, 1), (1000, 3), (1000, 10**9), (300_000, 300_000)])
def test_rows_come_back_in_the_order_of_their_keys_and_equal_ones_as_they_came(rows: int, keys: int) -> None:
    rng = np.random.default_rng(rows)
    drawn = rng.integers(-1, keys, rows)
    with closing(SortedSpool(keys)) as spool:
        for start in range(0, rows, 8192):
            piece = drawn[start : start + 8192]
            spool.append(pa.table({"n": np.arange(start, start + len(piece))}), piece)
        found = [n for table in spool.tables() for n in table["n"].to_pylist()]
    assert found == np.argsort(drawn, kind="stable").tolist()


def test_columns_that_come_later_are_null_before() -> None:
    with closing(SortedSpool(10)) as spool:
        spool.append(pa.table({"n": [1]}), np.array([3]))
        spool.append(pa.table({"n": [2], "title": ["shirt"]}), np.array([2]))
        tables = list(spool.tables())
    rows = [row for table in tables for row in table.to_pylist()]
    assert [(row["n"], row.get("title")) for row in rows] == [(2, "shirt"), (1, None)]
