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
from tagger.catalog.splits import stratified
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
