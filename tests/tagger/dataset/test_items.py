from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.dataset.decoding import DecodeShard
from tagger.dataset.items import LabelledItems
from tagger.dataset.split_rule import SplitRule
from tagger.dataset.splits import SPLITS
from tagger.dataset.usable import USABLE, CheckShard, UsableRows
from tagger.demo.drawn_catalogue import Drawn
from tagger.errors import InputError
from tagger.io.location import Location
from tagger.runs.staging import read_shard
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.documents.taxonomy import Taxonomy
from tagger.schemas.tables.item import ITEM
from tests.builders import catalog_of

RULE = SplitRule("stratified", {"val": 0.2, "test": 0.2, "control": 0.1}, seed=0)


def rows(*labels: tuple[str | None, str | None, int]) -> pa.Table:
    found = [(m, a) for m, a, n in labels for _ in range(n)]
    ids = [f"i{n}" for n in range(len(found))]
    columns = {
        "id": ids,
        "row": range(len(ids)),
        "masterCategory": [m for m, _ in found],
        "articleType": [a for _, a in found],
        "imageRef": ids,
    }
    empty = {name: pa.nulls(len(ids), ITEM.field(name).type) for name in ITEM.names if name not in columns}
    return pa.table({**{name: pa.array(list(c)) for name, c in columns.items()}, **empty}).select(ITEM.names).cast(ITEM)


def test_each_image_of_an_item_is_decoded_on_the_side_of_its_item(tmp_path: Path) -> None:
    table = rows(("A", "x", 20), ("B", "y", 20))
    further = [[f"{item}-b", f"{item}-c"] if item in ("i3", "i30") else None for item in table["id"].to_pylist()]
    at = ITEM.get_field_index("furtherImageRefs")
    items = LabelledItems.select(
        table.set_column(at, ITEM.field(at), pa.array(further, ITEM.field(at).type)), {}, 5, RULE
    )
    shards = items.write_shards(Location(str(tmp_path)), SPLITS)
    written = pd.concat(read_shard(s).to_pandas().assign(split=side) for side, found in shards.items() for s in found)
    side_of = dict(zip(items.frame["id"], items.frame["split"], strict=True))
    assert len(written) == 44
    assert (written["split"] == written["id"].map(side_of)).all()
    assert written.loc[written["id"] == "i3", ["imageRef", "number"]].to_numpy().tolist() == [
        ["i3", 0], ["i3-b", 1], ["i3-c", 2]
    ]  # fmt: skip


def test_small_leaves_are_left_out_and_named() -> None:
    table = rows(("A", "x", 20), ("A", "y", 9), ("B", "x", 10), ("B", "z", 1), (None, "x", 5), ("A", None, 5))
    found = LabelledItems.select(table, {}, 10, RULE)
    assert list(found.taxonomy.index) == [("A", "x"), ("B", "x")]
    assert [(leaf.master_category, leaf.article_type, leaf.items) for leaf in found.left_out] == [
        ("A", "y", 9),
        ("B", "z", 1),
    ]
    assert found.split_items() == {"train": 15, "val": 6, "test": 6, "control": 3}


def test_merged_labels_count_together() -> None:
    table = rows(("Home", "x", 6), ("Free Items", "x", 6), ("B", "y", 12))
    found = LabelledItems.select(table, {"Home": "Free Items"}, 10, RULE)
    assert list(found.taxonomy.index) == [("B", "y"), ("Free Items", "x")]
    assert found.taxonomy.merged("Home") == "Free Items"


def test_the_fingerprint_follows_the_labels_and_not_the_order() -> None:
    table = rows(("A", "x", 10), ("B", "y", 10))
    same = table.take(pa.array(range(19, -1, -1)))
    other = rows(("A", "x", 10), ("C", "y", 10))
    prints = [LabelledItems.select(t, {}, 5, RULE).fingerprint() for t in (table, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_thinning_out_makes_a_long_tail_of_the_train_items_alone() -> None:
    whole = LabelledItems.select(rows(("A", "x", 160), ("B", "y", 100), ("C", "z", 80)), {}, 10, RULE)
    thinned = whole.thinned(4, seed=1)
    before, after = (Counter(zip(i.frame["split"], i.frame["leaf"], strict=True)) for i in (whole, thinned))
    assert [before["train", leaf] for leaf in range(3)] == [80, 50, 40]
    assert [after["train", leaf] for leaf in range(3)] == [80, 25, 10]
    assert {key: n for key, n in after.items() if key[0] != "train"} == {
        key: n for key, n in before.items() if key[0] != "train"
    }


def test_few_train_items_leave_the_other_sides_as_they_are() -> None:
    whole = LabelledItems.select(rows(("A", "x", 160), ("B", "y", 100)), {}, 10, RULE)
    few = whole.with_few_train(30, seed=1)
    assert few.split_items() == {**whole.split_items(), "train": 30}
    assert few.frame["leaf"].nunique() == 2
    pd.testing.assert_frame_equal(few.frame, whole.with_few_train(30, seed=1).frame)
    assert whole.with_few_train(10_000, seed=1).split_items() == whole.split_items()


def test_too_few_items_are_told_with_the_largest_leaves() -> None:
    with pytest.raises(InputError, match=r"--min-items 50: fewer than two leaves.*A/x 20"):
        LabelledItems.select(rows(("A", "x", 20), ("B", "y", 3)), {}, 50, RULE)


def test_leaves_without_an_item_to_train_on_are_left_out() -> None:
    table = rows(("A", "old", 30), ("B", "old", 30), ("C", "new", 8))
    years = ["2019"] * 3 + ["2010"] * 27 + ["2017"] * 3 + ["2010"] * 27 + ["2018"] * 8
    table = table.append_column("column:year", pa.array(years))
    rule = SplitRule("time", {"val": 0.1, "test": 0.1}, seed=0, time_by="year")
    found = LabelledItems.select(table, {}, 5, rule)
    assert list(found.taxonomy.index) == [("A", "old"), ("B", "old")]
    assert [(leaf.article_type, leaf.items) for leaf in found.left_out] == [("new", 8)]
    assert set(found.frame["time"]) == {"2010", "2017", "2019"}
    assert set(found.frame["leaf"]) == {0, 1}


def test_items_of_one_product_or_one_image_stay_together() -> None:
    table = rows(("A", "x", 40), ("B", "y", 40))
    table = table.append_column("column:product", pa.array([str(n // 4) for n in range(80)]))
    table = table.append_column("digest", pa.array([f"d{n // 2}" if n % 2 else None for n in range(80)]))
    rule = SplitRule("group", RULE.shares, seed=0, group_by=("digest", "product"))
    sides = LabelledItems.select(table, {}, 5, rule).frame.set_index("id")["split"]
    assert all(sides[[f"i{n}" for n in range(g, g + 4)]].nunique() == 1 for g in range(0, 80, 4))
    assert set(sides) == {"train", "val", "test", "control"}


def test_a_split_that_was_made_before_is_taken_as_it_is() -> None:
    table = rows(("A", "x", 20), ("B", "y", 20), ("C", "z", 20))
    first = LabelledItems.select(table, {}, 5, RULE)
    sides = dict(zip(first.frame["id"], first.frame["split"], strict=True))
    del sides["i0"]
    taxonomy = Taxonomy(leaves=first.taxonomy.leaves[:2])
    found = LabelledItems.of_split(table, taxonomy, sides, time_by="")
    assert set(found.frame["id"]) == {f"i{n}" for n in range(1, 40)}
    assert all(sides[i] == s for i, s in zip(found.frame["id"], found.frame["split"], strict=True))


def test_images_that_fail_are_left_out_and_written_down(drawn: Drawn, tmp_path: Path) -> None:
    _, store = catalog_of(drawn.manifest, drawn.images)
    ids = [drawn.missing[0], drawn.truncated[0], "10020", "10021"]
    refs = [f"{drawn.images}/{i}.jpg" for i in ids]
    shard = Location(str(tmp_path / "val/shard-00000.parquet"))
    shard.parent.mkdir()
    columns = {"id": ids, "imageRef": refs, "time": [None] * 4, "leaf": [0, 1, 2, 3], "number": [0] * 4}
    pq.write_table(pa.table(columns), shard.path)
    preprocessing = Preprocessing(height=48, width=36, fit="pad", resize="area")
    decode = DecodeShard(store, preprocessing, 10_000_000, Location(str(tmp_path / "failures")))
    (batch,) = decode({"item": [shard]})
    assert batch["id"].tolist() == ["10020", "10021"]
    assert batch["leaf"].tolist() == [2, 3]
    assert batch["image"].shape == (2, 48, 36, 3)
    assert batch["image"].dtype == np.uint8
    failed = pq.read_table(tmp_path / "failures").to_pylist()
    assert [(f["id"], f["split"], f["imageRef"], f["errorCode"]) for f in failed] == [
        (drawn.missing[0], "val", refs[0], "not_found"),
        (drawn.truncated[0], "val", refs[1], "truncated"),
    ]


def reviewed_rows(own: pa.Table, *effects: tuple[str, str, str | None, str | None]) -> pa.Table:
    """Rows after a review: effect, id, and the labels that were decided."""
    table = own.to_pandas()
    before = table[["masterCategory", "articleType"]].copy()
    table["column:tagger:reviewed"] = None
    for effect, item, master, article in effects:
        here = table["id"] == item
        table.loc[here, ["masterCategory", "articleType", "column:tagger:reviewed"]] = [master, article, effect]
    table["column:tagger:masterCategory"], table["column:tagger:articleType"] = before.to_numpy(object).T
    return pa.Table.from_pandas(table, preserve_index=False)


def test_a_review_moves_no_item_to_another_side() -> None:
    own = rows(("A", "x", 40), ("B", "y", 40), (None, None, 10))
    alone = LabelledItems.select(own, {}, 5, RULE).frame.set_index("id")["split"]
    effects = [
        *(("changed", f"i{n}", "B", "y") for n in range(10)),
        *(("removed", f"i{n}", "A", None) for n in range(10, 20)),
        *(("confirmed", f"i{n}", "A", "x") for n in range(20, 30)),
        *(("new", f"i{n}", "B", "y") for n in range(80, 90)),
    ]
    found = LabelledItems.select(reviewed_rows(own, *effects), {}, 5, RULE).frame.set_index("id")
    left = [item for item in alone.index if item not in {f"i{n}" for n in range(10, 20)}]
    assert found.loc[left, "split"].equals(alone[left])
    assert set(found.index) == {*left, *(f"i{n}" for n in range(80, 90))}
    assert set(found.loc[[f"i{n}" for n in range(80, 90)], "split"]) == {"train"}
    assert found["reviewed"].sum() == 30
    assert {"val", "test", "control"} <= set(found.loc[found["reviewed"], "split"]), "items of other sides stay there"


def test_a_new_label_whose_product_is_on_another_side_is_left_out() -> None:
    own = rows(("A", "x", 40), ("B", "y", 40), (None, None, 80))
    own = own.append_column("column:product", pa.array([str(n % 80) for n in range(160)]))
    rule = SplitRule("group", RULE.shares, seed=0, group_by=("product",))
    effects = [("new", f"i{n}", "A", "x") for n in range(80, 160)]
    found = LabelledItems.select(reviewed_rows(own, *effects), {}, 5, rule).frame.set_index("id")["split"]
    for n in range(80):
        before = found[f"i{n}"]
        assert (f"i{n + 80}" in found.index) == (before == "train"), "its twin measures, or trains with it"


def test_reviewed_items_that_train_count_as_often_as_is_asked(tmp_path: Path) -> None:
    own = rows(("A", "x", 20), ("B", "y", 20))
    reviewed = reviewed_rows(own, *(("confirmed", f"i{n}", "A", "x") for n in range(20)))
    found = LabelledItems.select(reviewed, {}, 5, RULE).repeated(3)
    shards = found.write_shards(Location(str(tmp_path)))
    train = found.frame[found.frame["split"] == "train"]
    seen = pq.read_table(shards["train"][0].path)["id"].to_pylist()
    assert sorted(seen) == sorted([*train["id"], *train.loc[train["reviewed"], "id"].tolist() * 2])
    assert len(pq.read_table(shards["val"][0].path)) == (found.frame["split"] == "val").sum()
    assert found.split_items() == LabelledItems.select(own, {}, 5, RULE).split_items(), "the counts are of items"


def test_a_check_keeps_what_can_be_decoded_without_pixels_and_reads_nothing_twice(drawn: Drawn, tmp_path: Path) -> None:
    _, store = catalog_of(drawn.manifest, drawn.images)
    ids = [drawn.missing[0], "10020", drawn.truncated[0], "10021"]
    shard = Location(str(tmp_path / "train/shard-00000.parquet"))
    shard.parent.mkdir()
    refs = [f"{drawn.images}/{i}.jpg" for i in ids]
    columns = {"id": ids, "imageRef": refs, "time": ["1", None, "2", "3"], "leaf": range(4), "number": [0] * 4}
    pq.write_table(pa.table(columns), shard.path)
    preprocessing = Preprocessing(height=48, width=36, fit="pad", resize="area")
    decode = DecodeShard(store, preprocessing, 10_000_000, Location(str(tmp_path / "failures")))
    (batch,) = decode({"item": [shard]})
    assert [counts["rows"].tolist() for counts in CheckShard(decode)({"item": [shard]})] == [[2]]
    usable = UsableRows.of([shard])
    table = usable.columns(*USABLE.names)
    for name in USABLE.names:
        assert table[name].to_pylist() == batch[name].tolist()
    assert len(pq.read_table(tmp_path / "failures")) == 2
    (tmp_path / "failures/train-shard-00000.parquet").unlink()
    assert [counts["rows"].tolist() for counts in CheckShard(decode)({"item": [shard]})] == [[2]]
    assert not list((tmp_path / "failures").iterdir()), "no image was read again"
