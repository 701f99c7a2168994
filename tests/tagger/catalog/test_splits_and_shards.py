from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalog import ITEM
from tagger.catalog import shards as shards_module
from tagger.catalog.selection import Selection, tagged
from tagger.catalog.shards import read_shard, shard_of, stage
from tagger.catalog.splits import as_times, chronological, connected, stratified
from tagger.storage import Location
from tests.builders import catalog_of

SHARES = {"val": 0.1, "test": 0.1, "control": 0.05}


def test_every_leaf_gives_its_share_to_every_side() -> None:
    leaves = [n % 7 for n in range(1400)]
    side = stratified([str(n) for n in range(1400)], leaves, SHARES, seed=1)
    for leaf in range(7):
        counts = Counter(s for s, owner in zip(side, leaves, strict=True) if owner == leaf)
        assert counts == {"train": 150, "val": 20, "test": 20, "control": 10}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=120), st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_split_does_not_depend_on_the_order_of_items(leaves: list[int], seed: int, random: object) -> None:
    ids = [f"item-{n}" for n in range(len(leaves))]
    order = list(range(len(ids)))
    random.shuffle(order)  # type: ignore[attr-defined]
    plain = dict(zip(ids, stratified(ids, leaves, SHARES, seed), strict=True))
    shuffled = stratified([ids[i] for i in order], [leaves[i] for i in order], SHARES, seed)
    assert plain == dict(zip([ids[i] for i in order], shuffled, strict=True))


def test_another_seed_gives_another_split() -> None:
    ids = [str(n) for n in range(500)]
    assert (stratified(ids, [0] * 500, SHARES, 1) != stratified(ids, [0] * 500, SHARES, 2)).mean() > 0.2


def test_a_group_stays_on_one_side_and_sides_keep_their_size() -> None:
    ids = [f"item-{n}" for n in range(900)]
    leaves = [n % 3 for n in range(900)]
    groups = [n // 6 for n in range(900)]  # six items in a row, two of each leaf
    side = stratified(ids, leaves, SHARES, 5, groups)
    assert all(len(set(side[g : g + 6])) == 1 for g in range(0, 900, 6))
    counts = Counter(side)
    assert {name: counts[name] for name in SHARES} == pytest.approx({"val": 90, "test": 90, "control": 45}, abs=9)
    mixed = [n // 4 if n < 200 else n for n in range(900)]  # no side has more than its share of the large groups
    side = stratified(ids, [0] * 900, SHARES, 5, mixed)
    assert np.mean(side[:200] == "train") == pytest.approx(0.75, abs=0.12)
    alone = stratified(ids, leaves, SHARES, 5, range(900))
    assert (alone == stratified(ids, leaves, SHARES, 5)).all()


def test_items_are_connected_over_any_column_and_blanks_connect_nothing() -> None:
    digests = ["a", "a", "b", None, "", "c", None]
    products = ["1", "2", "2", "3", "4", None, "3"]
    found = connected([digests, products])
    assert found[0] == found[1] == found[2]
    assert found[3] == found[6]
    assert len({found[0], found[3], found[4], found[5]}) == 4


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(2007, 2018), min_size=20, max_size=200), st.integers(0, 9))
def test_no_item_is_newer_than_one_of_a_later_side(years: list[int], seed: int) -> None:
    ids = [str(n) for n in range(len(years))]
    side = chronological(ids, [str(y) for y in years], SHARES, seed)
    newest = float("-inf")
    for name in ("train", "val", "test", "control"):
        own = [y for y, s in zip(years, side, strict=True) if s == name]
        assert not own or min(own) >= newest
        newest = max([newest, *own])
    assert Counter(side)["test"] == round(0.1 * len(years))


def test_items_without_a_readable_time_train() -> None:
    times = [*(str(2000 + n) for n in range(18)), None, "soon"]
    side = chronological([str(n) for n in range(20)], times, {"val": 0.2, "test": 0.2}, 0)
    assert side[-2:].tolist() == ["train", "train"]
    assert set(side[14:18]) == {"test"}


def test_times_are_years_or_dates() -> None:
    found = as_times(["2012", "2012-07-02", "2013.0", "", None, "soon"])
    assert found[:3] == pytest.approx([2012, 2012.5, 2013], abs=0.01)
    assert np.isnan(found[3:]).all()


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    rows = [f"{n},{'Apparel' if n % 2 else ''},{'Tshirts' if n % 2 else ''}" for n in range(1000)]
    (tmp_path / "m.csv").write_text("\n".join(["id,masterCategory,articleType", *rows, "5,again,x", "6"]) + "\n")
    (tmp_path / "img").mkdir()
    return tmp_path


def staged_rows(work: Location, count: int) -> list[pa.Table]:
    return [read_shard(shard_of(work, n)) for n in range(count)]


def test_shards_hold_every_item_once_in_order_and_rejects_lie_beside(catalogue: Path) -> None:
    manifest, store = catalog_of(catalogue / "m.csv", f"{catalogue}/img/{{id}}.jpg")
    work = Location(str(catalogue / "work"))
    staged = stage(manifest, store, work, work / "rejects", part_rows=300)
    tables = staged_rows(work, staged.shards)
    assert all(t.schema.equals(ITEM) for t in tables)
    assert [r for t in tables for r in t["id"].to_pylist()] == [str(n) for n in range(1000)]
    assert max(len(t) for t in tables) <= 300
    assert (staged.rows, staged.items, staged.rejects) == (1002, 1000, 2)
    assert staged.reject_reasons == {"duplicate_id": 1, "too_few_fields": 1}
    assert sum(len(read_shard(f)) for f in (work / "rejects").files()) == 2


def test_rows_that_are_not_wanted_are_counted_as_skipped(catalogue: Path) -> None:
    manifest, store = catalog_of(catalogue / "m.csv", f"{catalogue}/img/{{id}}.jpg")
    work = Location(str(catalogue / "work"))
    staged = stage(manifest, store, work, work / "rejects", 300, Selection([("tagged", tagged)]))
    assert (staged.items, staged.skipped, staged.skip_reasons) == (500, 500, {"tagged": 500})
    assert staged.rows == staged.items + staged.skipped + staged.rejects


def test_staging_again_reads_nothing_again(catalogue: Path) -> None:
    manifest, store = catalog_of(catalogue / "m.csv", f"{catalogue}/img/{{id}}.jpg")
    work = Location(str(catalogue / "work"))
    first = stage(manifest, store, work, work / "rejects", 300)
    (catalogue / "m.csv").unlink()
    assert stage(manifest, store, work, work / "rejects", 300) == first


@pytest.mark.parametrize("part_rows", [10, 64, 999])
def test_a_stream_longer_than_the_look_ahead_is_cut_into_full_shards(
    catalogue: Path, part_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "_MIN_ROWS", 1)
    monkeypatch.setattr("tagger.catalog.manifest.BATCH_ROWS", 37)
    manifest, store = catalog_of(catalogue / "m.csv", f"{catalogue}/img/{{id}}.jpg")
    work = Location(str(catalogue / "work"))
    staged = stage(manifest, store, work, work / "rejects", part_rows)
    sizes = np.array([len(t) for t in staged_rows(work, staged.shards)])
    assert sizes.sum() == 1000
    assert sizes.max() <= part_rows
    if part_rows == 10:
        assert (sizes[:-1] <= 10).all()
        assert (sizes == 10).sum() >= 90
