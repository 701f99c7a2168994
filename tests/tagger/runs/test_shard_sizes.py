"""Shards are cut so that workers finish together."""

import heapq
import random
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.runs.shard_sizes import cut
from tagger.schemas.tables.item import ITEM

PART_ROWS = 8192
_RATE = 750.0


def stream(rows: int, batch: int = PART_ROWS) -> Iterator[pa.Table]:
    """Items by ITEM with numbers as ids, in batches."""
    for first in range(0, rows, batch):
        ids = pa.array(map(str, range(first, min(rows, first + batch))), pa.string())
        yield pa.table({f.name: ids if f.name == "id" else pa.nulls(len(ids), f.type) for f in ITEM}, schema=ITEM)


def sizes(rows: int, workers: int, expected: int | None, part_rows: int = PART_ROWS) -> list[int]:
    return [len(shard) for shard in cut(stream(rows), part_rows, workers, expected)]


def busy_share(shards: list[int], workers: int) -> float:
    """Share of the time that workers are busy, until the last one ends; their speeds differ by 10%."""
    speeds = random.Random(0)
    free = [(0.0, speeds.gauss(_RATE, 0.1 * _RATE)) for _ in range(workers)]
    ends, work = 0.0, 0.0
    heapq.heapify(free)
    for rows in shards:
        start, speed = heapq.heappop(free)
        ends, work = max(ends, start + rows / speed), work + rows / speed
        heapq.heappush(free, (start + rows / speed, speed))
    return work / (ends * workers)


@given(st.integers(0, 3000), st.integers(1, 500), st.integers(1, 64), st.integers(1, 50), st.booleans())
def test_every_item_is_in_one_shard_in_order(rows: int, part_rows: int, batch: int, workers: int, known: bool) -> None:
    shards = list(cut(stream(rows, batch), part_rows, workers, rows if known else None))
    assert [item for shard in shards for item in shard["id"].to_pylist()] == list(map(str, range(rows)))
    assert all(0 < len(shard) <= part_rows for shard in shards)


@pytest.mark.parametrize(
    ("rows", "expected"), [(280, [280]), (383, [383]), (384, [256, 128]), (900, [256, 256, 256, 132])]
)
def test_a_few_rows_more_are_no_shard_of_their_own(rows: int, expected: list[int]) -> None:
    assert sizes(rows, 1, None) == sizes(rows, 1, rows) == expected


@pytest.mark.parametrize(("rows", "workers"), [(100_000, 2), (1_000_000, 16), (1_000_000, 256), (1_000_000, 1023)])
def test_workers_are_busy_to_the_end_whatever_their_number(rows: int, workers: int) -> None:
    assert busy_share(sizes(rows, workers, rows), workers) >= 0.8


def test_shards_are_full_as_long_as_there_is_work_for_all() -> None:
    shards = sizes(1_000_000, 16, 1_000_000)
    assert shards[:40] == [PART_ROWS] * 40
    assert sizes(1_000_000, 16, None)[:100] == [PART_ROWS] * 100
    assert len(shards) < 400


def test_rows_that_were_expected_and_did_not_come_are_no_reason_for_large_shards_at_the_end() -> None:
    shards = sizes(100_000, 16, 50_000_000)
    assert max(shards[-20:]) < 1000
