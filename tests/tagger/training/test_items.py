from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.bundle import Preprocessing
from schemas.catalog import ITEM
from tagger.catalog.synthetic import Drawn
from tagger.errors import InputError
from tagger.storage import Location
from tagger.training.items import DecodeShard, LabelledItems
from tests.builders import catalog_of

SHARES = {"val": 0.2, "test": 0.2, "control": 0.1}


def rows(*labels: tuple[str | None, str | None, int]) -> pa.Table:
    found = [(m, a) for m, a, n in labels for _ in range(n)]
    ids = [f"i{n}" for n in range(len(found))]
    columns = [ids, range(len(ids)), [m for m, _ in found], [a for _, a in found], ids, [None] * len(ids)]
    return pa.table([pa.array(list(c)) for c in columns], names=ITEM.names).cast(ITEM)


def test_small_leaves_are_left_out_and_named() -> None:
    table = rows(("A", "x", 20), ("A", "y", 9), ("B", "x", 10), ("B", "z", 1), (None, "x", 5), ("A", None, 5))
    found = LabelledItems.select(table, {}, 10, SHARES, seed=0)
    assert list(found.taxonomy.index) == [("A", "x"), ("B", "x")]
    assert [(leaf.master_category, leaf.article_type, leaf.items) for leaf in found.left_out] == [
        ("A", "y", 9),
        ("B", "z", 1),
    ]
    assert found.split_items() == {"train": 15, "val": 6, "test": 6, "control": 3}


def test_merged_labels_count_together() -> None:
    table = rows(("Home", "x", 6), ("Free Items", "x", 6), ("B", "y", 12))
    found = LabelledItems.select(table, {"Home": "Free Items"}, 10, SHARES, seed=0)
    assert list(found.taxonomy.index) == [("B", "y"), ("Free Items", "x")]
    assert found.taxonomy.merged("Home") == "Free Items"


def test_the_fingerprint_follows_the_labels_and_not_the_order() -> None:
    table = rows(("A", "x", 10), ("B", "y", 10))
    same = table.take(pa.array(range(19, -1, -1)))
    other = rows(("A", "x", 10), ("C", "y", 10))
    prints = [LabelledItems.select(t, {}, 5, SHARES, seed=0).fingerprint() for t in (table, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_too_few_items_are_told_with_the_largest_leaves() -> None:
    with pytest.raises(InputError, match=r"--min-items 50: fewer than two leaves.*A/x 20"):
        LabelledItems.select(rows(("A", "x", 20), ("B", "y", 3)), {}, 50, SHARES, seed=0)


def test_images_that_fail_are_left_out_and_written_down(drawn: Drawn, tmp_path: Path) -> None:
    _, store = catalog_of(drawn.manifest, drawn.images)
    ids = [drawn.missing[0], drawn.truncated[0], "10020", "10021"]
    refs = [f"{drawn.images}/{i}.jpg" for i in ids]
    shard = Location(str(tmp_path / "val/shard-00000.parquet"))
    shard.parent.mkdir()
    pq.write_table(pa.table({"id": ids, "imageRef": refs, "leaf": [0, 1, 2, 3]}), shard.path)
    preprocessing = Preprocessing(height=48, width=36, fit="pad", resize="area")
    decode = DecodeShard(store, preprocessing, 10_000_000, Location(str(tmp_path / "failures")))
    (batch,) = decode({"item": [shard]})
    assert batch["id"].tolist() == ["10020", "10021"]
    assert batch["leaf"].tolist() == [2, 3]
    assert (batch["image"].shape, batch["image"].dtype) == ((2, 48, 36, 3), np.uint8)
    failed = pq.read_table(tmp_path / "failures").to_pylist()
    assert [(f["id"], f["split"], f["errorCode"]) for f in failed] == [
        (drawn.missing[0], "val", "not_found"),
        (drawn.truncated[0], "val", "truncated"),
    ]
