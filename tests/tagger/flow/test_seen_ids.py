"""Ids are told apart exactly, however many there are and wherever they lie."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.flow.id_rows import IdRows
from tagger.flow.seen_ids import SeenIds
from tagger.flow.spilled import SpilledRows

IDS = st.lists(st.one_of(st.text(max_size=3), st.integers(0, 40).map(str)), max_size=60)
KIB = st.sampled_from([0, 1, 64])
"""0 spills after the first rows of a batch."""


@given(st.lists(IDS, max_size=6), KIB)
def test_it_answers_as_a_dictionary_does(batches: list[list[str]], memory_kib: int) -> None:
    seen: SeenIds[int] = SeenIds(memory_kib)
    first: dict[str, int] = {}
    row = 0
    for ids in batches:
        expected = {}
        for i, item in enumerate(ids):
            if item in first:
                expected[i] = first[item]
            first.setdefault(item, row + i)
        assert seen.add(ids, range(row, row + len(ids))) == expected
        row += len(ids)
    asked = [*first, "never added"]
    assert seen.get(asked) == [first.get(item) for item in asked]


@given(st.lists(st.tuples(st.integers(0, 99).map(str), st.text(max_size=200)), max_size=99), KIB)
def test_texts_and_bytes_come_back_as_they_were(pairs: list[tuple[str, str]], memory_kib: int) -> None:
    texts: SeenIds[str] = SeenIds(memory_kib)
    blobs: SeenIds[bytes] = SeenIds(memory_kib)
    ids = [item for item, _ in pairs]
    texts.add(ids, [text for _, text in pairs])
    blobs.add(ids, [text.encode() for _, text in pairs])
    first = dict(reversed(pairs))
    assert texts.get(ids) == [first[item] for item in ids]
    assert blobs.get(ids) == [first[item].encode() for item in ids]


@pytest.mark.parametrize("memory_kib", [0, 65536])
def test_many_ids_keep_their_first_values_while_the_table_grows(memory_kib: int) -> None:
    """More than the first table holds, so that it is made anew with the hashes on the disk and in memory."""
    numbers = random.Random(0).sample(range(10**9), 40_000)
    ids = [f"sku {number}" for number in numbers]
    seen: SeenIds[int] = SeenIds(memory_kib)
    for start in range(0, len(ids), 3_000):
        assert not seen.add(ids[start : start + 3_000], numbers[start : start + 3_000])
    assert seen.get(ids) == numbers
    assert seen.get([f"other {number}" for number in numbers]) == [None] * len(numbers)
    assert seen.add(ids, [0] * len(ids)) == dict(enumerate(numbers))


def test_ids_are_numbered_as_they_are_first_seen() -> None:
    rows = IdRows()
    numbers, is_new = rows.add(["b", "a", "b"])
    assert (numbers.tolist(), is_new.tolist()) == ([0, 1, 0], [True, True, False])
    numbers, is_new = rows.add(["c", "a", "c"])
    assert (numbers.tolist(), is_new.tolist()) == ([2, 1, 2], [True, False, False])
    assert (len(rows), rows.numbers(["c", "d"]).tolist()) == (3, [2, -1])


def test_two_maps_do_not_hash_alike() -> None:
    """Whoever knows the hashes of one run's ids could otherwise write ids that the next one takes for equal."""
    hashes = {IdRows()._hashed(["id"]).tobytes() for _ in range(9)}
    assert len(hashes) == 9


def test_part_of_a_hash_is_no_reason_to_take_two_ids_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody finds such ids within the time of a test, so that the hashes are made for it."""
    made = {"a": (5, 7), "same slot and tag": (5, 8), "same step": (6, 7)}

    def hashed(_: IdRows, ids: list[str]) -> np.ndarray:
        return np.array([made[item] for item in ids], [("slot", np.uint64), ("step", np.uint64)])

    monkeypatch.setattr(IdRows, "_hashed", hashed)
    rows = IdRows()
    for number, item in enumerate(made):
        assert rows.add([item])[0].tolist() == [number]
    assert rows.numbers(list(made)).tolist() == [0, 1, 2]


@given(st.lists(st.integers(0, 3000), max_size=5), st.data())
def test_rows_are_the_same_in_memory_and_on_the_disk(sizes: list[int], data: st.DataObject) -> None:
    rows = SpilledRows(np.dtype(np.int64), 0)
    expected = np.arange(sum(sizes), dtype=np.int64) * 7
    done = 0
    for size in sizes:
        rows.append(expected[done : done + size])
        done += size
    assert np.array_equal(np.concatenate([expected[:0], *rows.chunks()]), expected)
    start = data.draw(st.integers(0, len(expected)))
    stop = data.draw(st.integers(start, len(expected)))
    assert np.array_equal(rows.slice(start, stop), expected[start:stop])
    taken = np.array(
        data.draw(st.lists(st.integers(0, max(0, len(expected) - 1)), max_size=9 * bool(len(expected)))), int
    )
    assert np.array_equal(rows.take(taken), expected[taken])
