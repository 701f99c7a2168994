"""Rows that share an id: images of one item where --item-column says so, repetitions otherwise."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from tagger.images.several import locate_all
from tagger.io.location import Location
from tagger.manifest.batch import Batch
from tagger.manifest.manifest import Manifest
from tagger.manifest.selection import Before
from tagger.schemas.configs.options import ManifestFormat
from tests.builders import catalog_of

SHOPIFY = """\
Handle,Title,Image Src,articleType,masterCategory
red-shirt,Red shirt,a.jpg,Shirts,Apparel
red-shirt,,a_back.jpg,,
red-shirt,,a.jpg,,
blue-shoe,Blue shoe,b.jpg,Shoes,Footwear
,Nobody's,x.jpg,,
blue-shoe,,b_side.jpg,Sandals,Footwear
sock,Sock,,Socks,Apparel
sock,,c.jpg,Socks,Apparel
red-shirt,Late,a_late.jpg,,
red-shirt,Late,a_later.jpg,,
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def read(manifest: Manifest) -> list[Batch]:
    return list(manifest.batches())


def images_of(path: Path, **options: object) -> tuple[dict[str, list[str]], Manifest]:
    """The names of each item's images."""
    manifest, store = catalog_of(path, "column:Image Src", item_column="Handle", **options)
    found = {}
    for batch in read(manifest):
        for item, refs in zip(batch.items["id"].to_pylist(), locate_all(store, batch), strict=True):
            found[item] = [Path(ref).name for ref in refs]
    return found, manifest


def test_rows_of_one_item_are_its_images_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    found, manifest = images_of(write(tmp_path / "m.csv", SHOPIFY))
    assert found == {"red-shirt": ["a.jpg", "a_back.jpg"], "blue-shoe": ["b.jpg", "b_side.jpg"], "sock": ["c.jpg"]}
    tally = manifest.tally
    assert (tally.rows, tally.further, dict(tally.rejects)) == (10, 4, {"blank_id": 1, "duplicate_id": 2})
    (batch,) = read(manifest)
    assert batch.rows.tolist() == [1, 4, 7]
    assert batch.column("Title").to_pylist() == ["Red shirt", "Blue shoe", "Sock"]  # type: ignore[union-attr]
    assert batch.column("articleType").to_pylist() == ["Shirts", "Shoes", "Socks"]  # type: ignore[union-attr]
    messages = batch.rejects["message"].to_pylist()
    assert messages[1:] == ["id 'red-shirt' was read before, at row 1; rows of one item must follow each other"] * 2
    assert batch.rejects["line"].to_pylist() == [6, 10, 11]
    assert manifest.notices.texts == [
        "--item-column Handle: 1 item has rows with another label than the first, such as blue-shoe; the first row of "
        "each counts"
    ]


def test_of_an_item_no_more_images_count_than_asked(tmp_path: Path) -> None:
    text = "Handle,Image Src\na,1.jpg;2.jpg\na,3.jpg;4.jpg\nb,5.jpg\n"
    found, _ = images_of(write(tmp_path / "m.csv", text), images_per_item=3)
    assert found == {"a": ["1.jpg", "2.jpg", "3.jpg"], "b": ["5.jpg"]}


@pytest.mark.parametrize("at_once", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_item_may_go_on_in_the_next_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, suffix: str
) -> None:
    monkeypatch.setattr("tagger.manifest.manifest.BATCH_ROWS", at_once)
    rows = [
        (item, f"{item}_{n}.jpg") for item, images in (("a", 3), ("b", 1), ("c", 5), ("d", 1)) for n in range(images)
    ]
    path = tmp_path / f"m.{suffix}"
    if suffix == "csv":
        write(path, "Handle,Image Src\n" + "".join(f"{item},{image}\n" for item, image in rows))
    else:
        pq.write_table(pa.table({"Handle": [i for i, _ in rows], "Image Src": [u for _, u in rows]}), path)
    found, manifest = images_of(path)
    assert found == {item: [image for i, image in rows if i == item] for item in "abcd"}
    assert (manifest.tally.rows, manifest.tally.further, manifest.tally.rejected) == (10, 6, 0)


def test_image_bytes_of_further_rows_are_found_by_their_rows(tmp_path: Path) -> None:
    table = pa.table({"sku": ["a", "a", "b"], "image": [b"first", b"second", b"third"]})
    pq.write_table(table, tmp_path / "m.parquet")
    manifest, store = catalog_of(tmp_path / "m.parquet", item_column="sku")
    (batch,) = read(manifest)
    assert [list(store.fetch(refs)) for refs in locate_all(store, batch)] == [[b"first", b"second"], [b"third"]]


def test_without_the_flag_repeated_ids_are_rejected_and_the_way_out_is_said(tmp_path: Path) -> None:
    text = "id,imageUri\n" + "".join(f"{item},{item}{n}.jpg\n" for item in "abc" for n in (1, 2))
    manifest = Manifest(Location(str(write(tmp_path / "m.csv", text))), ManifestFormat())
    read(manifest)
    assert dict(manifest.tally.rejects) == {"duplicate_id": 3}
    assert manifest.notices.texts == [
        "3 of 6 rows repeat the id of the row before them, and are rejected; where such rows are images of one item, "
        "--item-column COLUMN joins them"
    ]


def test_an_item_with_a_new_image_is_not_old(tmp_path: Path) -> None:
    text = "sku,added\na,2026-01-01\na,2026-06-01\nb,2026-01-01\nb,\nc,2026-06-01\nc,2026-01-01\n"
    manifest = Manifest(Location(str(write(tmp_path / "m.csv", text))), ManifestFormat(item_column="sku"))
    (batch,) = read(manifest)
    rule = Before("added", "2026-03-01", manifest.columns)
    assert rule(batch).tolist() == [False, True, False]
    assert rule.without_value == 0


def test_the_items_column_is_the_ids(tmp_path: Path) -> None:
    assert ManifestFormat(item_column="sku").column == {"id": "sku"}
    with pytest.raises(ValidationError, match="--item-column sku names the column of the ids; leave --column id=x out"):
        ManifestFormat(item_column="sku", column={"id": "x"})
