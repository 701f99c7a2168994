from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.dataset.splits import as_times, chronological, connected, stratified
from tagger.errors import InputError
from tagger.io.location import Location
from tagger.manifest.no_value import NoValue
from tagger.manifest.selection import Selection, tagged
from tagger.runs.staging import read_shard, shard_of, stage
from tagger.schemas.tables.item import ITEM
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


@pytest.mark.parametrize("size", range(2, 16))
def test_small_leaves_give_every_side_its_share_over_the_catalogue(size: int) -> None:
    leaves = [n // size for n in range(200 * size)]
    side = stratified([f"item-{n}" for n in range(len(leaves))], leaves, SHARES, seed=0)
    counts = Counter(side)
    for name, share in SHARES.items():
        assert counts[name] == pytest.approx(share * len(leaves), abs=1)
    trained = {leaf for s, leaf in zip(side, leaves, strict=True) if s == "train"}
    assert len(trained) == 200, "every leaf keeps an item to train on"


@pytest.mark.parametrize(("leaf_items", "group_items"), [(10, 2), (10, 5), (50, 2), (20, 4)])
def test_leaves_in_groups_are_not_starved(leaf_items: int, group_items: int) -> None:
    ids = [f"item-{n}" for n in range(100 * leaf_items)]
    side = stratified(ids, [n // leaf_items for n in range(len(ids))], SHARES, 0, np.arange(len(ids)) // group_items)
    counts = Counter(side)
    for name, share in SHARES.items():
        assert counts[name] == pytest.approx(share * len(ids), abs=group_items)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 30), min_size=1, max_size=60), st.integers(0, 99))
def test_sides_are_about_their_share_whatever_the_leaves(sizes: list[int], seed: int) -> None:
    leaves = np.repeat(np.arange(len(sizes)), sizes)
    side = stratified([f"item-{n}" for n in range(len(leaves))], leaves.tolist(), SHARES, seed)
    for name, share in SHARES.items():
        assert (side == name).sum() == pytest.approx(share * len(leaves), abs=1.5)
        for leaf, size in enumerate(sizes):
            assert (side[leaves == leaf] == name).sum() <= share * size + 1.5
    assert all((side[leaves == leaf] == "train").any() for leaf in range(len(sizes)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), min_size=1, max_size=150),
    st.integers(0, 99),
    st.randoms(use_true_random=False),
)
def test_groups_stay_whole_in_any_order_of_items(items: list[tuple[int, int]], seed: int, random: object) -> None:
    leaves, groups = [leaf for leaf, _ in items], [group for _, group in items]
    ids = [f"item-{n}" for n in range(len(items))]
    side = stratified(ids, leaves, SHARES, seed, groups)
    assert set(side) <= {"train", *SHARES}
    assert all(len({s for s, g in zip(side, groups, strict=True) if g == group}) == 1 for group in groups)
    order = list(range(len(ids)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = stratified([ids[i] for i in order], [leaves[i] for i in order], SHARES, seed, [groups[i] for i in order])
    assert side[order].tolist() == again.tolist()


def test_a_picture_that_thousands_of_items_share_trains_and_takes_no_side_from_the_others() -> None:
    ids = [f"item-{n}" for n in range(10_000)]
    groups = np.where(np.arange(10_000) < 3000, 0, np.arange(10_000))
    side = stratified(ids, [n % 70 for n in range(10_000)], SHARES, 0, groups)
    assert set(side[:3000]) == {"train"}
    assert Counter(side) == {"train": 7500, "val": 1000, "test": 1000, "control": 500}


def test_a_leaf_that_grows_moves_few_items_of_others() -> None:
    leaves = [n // 12 for n in range(1200)]
    ids = [f"item-{n}" for n in range(1200)]
    before = stratified(ids, leaves, SHARES, 0)
    after = stratified([*ids, "new"], [*leaves, 7], SHARES, 0)[:1200]
    others = np.array(leaves) != 7
    assert (before[others] != after[others]).mean() < 0.04
    assert (stratified(ids, [99 - leaf for leaf in leaves], SHARES, 0) == before).all(), "a leaf's number says nothing"


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
    side = chronological(ids, np.array(years, float), SHARES, seed)
    newest = float("-inf")
    for name in ("train", "val", "test", "control"):
        own = [y for y, s in zip(years, side, strict=True) if s == name]
        assert not own or min(own) >= newest
        newest = max([newest, *own])
    assert Counter(side)["test"] == round(0.1 * len(years))


def test_items_without_a_time_train() -> None:
    ids = [str(n) for n in range(20)]
    times = as_times(ids, [*(str(2000 + n) for n in range(18)), None, "N/A"], "year")
    side = chronological(ids, times, {"val": 0.2, "test": 0.2}, 0)
    assert side[-2:].tolist() == ["train", "train"]
    assert set(side[14:18]) == {"test"}


def test_times_are_years_or_dates() -> None:
    cells = ["2012", "2012-07-02", "2013.0", "", None, "#N/A", "k.A."]
    times = as_times(list("abcdefg"), cells, "year", NoValue(["k.a."]))
    assert times[:3] == pytest.approx([2012, 2012.5, 2013], abs=0.01)
    assert np.isnan(times[3:]).all()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["27.11.2026", "01.01.2024"],
            r"not one cell of created is a number or an ISO date, such as '27.11.2026' \(id a",
        ),
        (["2026", "soon", ""], r"1 of 2 cells of created are neither a number nor an ISO date, such as 'soon' \(id b"),
        (["2026-02-30"], "not one cell"),
        (["inf", "2012"], "1 of 2 cells"),
        (["1,5", "11/01/2026", "2026-W48", "2026-11-27 noon"], "not one cell"),
        (["", None, "NaN"], "not one cell of created has a value"),
        (["20261101", "2026-11-02"], "dates such as '2026-11-02' beside numbers such as '20261101'"),
    ],
)
def test_times_that_have_no_order_are_refused_with_an_example(cells: list[str | None], message: str) -> None:
    with pytest.raises(InputError, match=f"--time-by created: .*{message}"):
        as_times(list("abcdef")[: len(cells)], cells, "created")


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
    staged = stage(manifest, store, work, work / "rejects", 300, Selection([("labelled", tagged)]))
    assert (staged.items, staged.skipped, staged.skip_reasons) == (500, 500, {"labelled": 500})
    assert staged.rows == staged.items + staged.skipped + staged.rejects


def test_staging_again_reads_nothing_again(catalogue: Path) -> None:
    manifest, store = catalog_of(catalogue / "m.csv", f"{catalogue}/img/{{id}}.jpg")
    work = Location(str(catalogue / "work"))
    first = stage(manifest, store, work, work / "rejects", 300)
    (catalogue / "m.csv").unlink()
    assert stage(manifest, store, work, work / "rejects", 300) == first
