"""Splits a stream of items into shards so that workers finish together: large ones first, then smaller ones.

Guided self-scheduling: each shard is a share of the rows that are left (Polychronopoulos and Kuck 1987).
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from tagger.schemas.tables.item import ITEM

_MIN_ROWS = 256
_LOOK_AHEAD = 3
"""Parts that are read before one is cut off, so that the end of a stream of unknown length is known in time."""
_SHARDS_A_WORKER = 4
_LEAST_SHARDS = 8
"""Into which the last rows are split, whatever the number of workers."""


def cut_ranges(items: Sequence[int], part_rows: int, workers: int) -> list[list[int]]:
    """The sizes of the shards of each range, of at most `part_rows`; no shard has items of two ranges.

    Args:
        items: Of each range.
        part_rows: Most rows in a shard.
        workers: How many share the shards, as far as is known.
    """
    left, shards = sum(items), max(_LEAST_SHARDS, _SHARDS_A_WORKER * workers)
    sizes: list[list[int]] = []
    for of_range in items:
        sizes.append([])
        while of_range:
            rows = max(_MIN_ROWS, -(-left // shards))
            if of_range - rows < _MIN_ROWS // 2:
                rows = of_range  # so few rows are not worth the start of a worker of their own
            rows = min(part_rows, rows)
            sizes[-1].append(rows)
            of_range, left = of_range - rows, left - rows
    return sizes


def cut(tables: Iterator[pa.Table], part_rows: int, workers: int, expected_rows: int | None) -> Iterator[pa.Table]:
    """Yield the rows of a stream in shards of at most `part_rows`.

    Args:
        tables: By ITEM.
        part_rows: Most rows in a shard.
        workers: How many share the shards, as far as is known.
        expected_rows: Rows of the stream, or more; None if unknown, then only the last rows are split among workers.
    """
    shards = max(_LEAST_SHARDS, _SHARDS_A_WORKER * workers)
    waiting, done = ITEM.empty_table(), 0
    for table in tables:
        waiting = pa.concat_tables([waiting, table], promote_options="default")
        while len(waiting) >= _LOOK_AHEAD * part_rows:
            left = part_rows * shards if expected_rows is None else max(expected_rows - done, len(waiting))
            rows = min(part_rows, max(_MIN_ROWS, left // shards))
            yield waiting.slice(0, rows)
            waiting, done = waiting.slice(rows), done + rows
    while len(waiting):
        rows = max(_MIN_ROWS, -(-len(waiting) // shards))
        if len(waiting) - rows < _MIN_ROWS // 2:
            rows = len(waiting)  # so few rows are not worth the start of a worker of their own
        rows = min(part_rows, rows)
        yield waiting.slice(0, rows)
        waiting = waiting.slice(rows)
