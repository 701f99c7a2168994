"""Items with several images in Parquet files that number them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.images.several import locate_all
from tests.builders import catalog_of, first_batch

COLUMNS = ("id", "imageNumber", "image")


def shard(path: Path, *rows: tuple[str, int, bytes]) -> None:
    pq.write_table(pa.table({name: [row[n] for row in rows] for n, name in enumerate(COLUMNS)}), path)


def images_of(folder: Path, ids: str, **options: object) -> list[list[object]]:
    (folder / "items.csv").write_text("id\n" + "".join(f"{item}\n" for item in ids))
    manifest, store = catalog_of(folder / "items.csv", folder / "*.parquet", **options)
    return [list(store.fetch(refs)) for refs in locate_all(store, first_batch(manifest))]


def test_an_item_has_an_image_for_each_number_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    shard(tmp_path / "0.parquet", ("a", 1, b"a1"), ("b", 2, b"b2"), ("c", 1, b"c1"), ("b", 1, b"b1"))
    shard(tmp_path / "1.parquet", ("b", 3, b"b3"), ("c", 1, b"another c1"))
    assert images_of(tmp_path, "abc") == [[b"a1"], [b"b1", b"b2", b"b3"], [b"c1"]]
    assert images_of(tmp_path, "cb", images_per_item=2) == [[b"c1"], [b"b1", b"b2"]]


def test_an_item_whose_first_image_is_missing_begins_with_the_next(tmp_path: Path) -> None:
    shard(tmp_path / "0.parquet", ("a", 2, b"a2"), ("a", 4, b"a4"))
    assert images_of(tmp_path, "a") == [[b"a2", b"a4"]]


def test_without_numbers_the_first_row_of_an_id_is_its_image(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b", "a"], "image": [b"a1", b"b1", b"a2"]}), tmp_path / "0.parquet")
    assert images_of(tmp_path, "ab") == [[b"a1"], [b"b1"]]
