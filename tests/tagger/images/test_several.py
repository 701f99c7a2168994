"""Stores that find several images of an item: numbered files and objects, lists in a cell or in a column."""

import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.errors import UsageError
from tagger.images.several import locate_all
from tests.builders import catalog_of, first_batch
from tests.conftest import S3Server


def found(manifest: Path, images: str, **options: object) -> list[list[str]]:
    """The names of each item's images, after their folder."""
    rows, store = catalog_of(manifest, images, **options)
    batch = first_batch(rows)
    refs_of_items = locate_all(store, batch)
    assert store.locate(batch) == [refs[0] if refs else None for refs in refs_of_items]
    return [[Path(ref).name for ref in refs] for refs in refs_of_items]


def shop(folder: Path, ids: list[str], *files: str) -> Path:
    (folder / "img").mkdir()
    for name in files:
        (folder / "img" / name).parent.mkdir(exist_ok=True)
        (folder / "img" / name).write_bytes(b"x")
    (folder / "m.csv").write_text("\n".join(["id", *ids]) + "\n")
    return folder / "m.csv"


def test_numbers_begin_where_a_shop_begins_them_and_end_at_a_gap(tmp_path: Path) -> None:
    files = ["a.jpg", "a_2.jpg", "a_3.jpg", "b_0.jpg", "b_1.jpg", "c_01.jpg", "c_02.jpg", "d.jpg", "d_1.jpg", "d_4.jpg"]
    manifest = shop(tmp_path, ["a", "b", "c", "d", "e"], *files)
    assert found(manifest, f"{tmp_path}/img/{{id}}_{{n}}.jpg") == [
        ["a.jpg", "a_2.jpg", "a_3.jpg"], ["b_0.jpg", "b_1.jpg"], ["c_01.jpg", "c_02.jpg"], ["d.jpg", "d_1.jpg"],
        ["e.jpg"],
    ]  # fmt: skip


def test_a_number_may_be_the_whole_name(tmp_path: Path) -> None:
    manifest = shop(tmp_path, ["a", "b"], "a/1.jpg", "a/2.jpg", "b/0.jpg")
    assert found(manifest, f"{tmp_path}/img/{{id}}/{{n}}.jpg") == [["1.jpg", "2.jpg"], ["0.jpg"]]


def test_no_more_images_are_found_than_asked(tmp_path: Path) -> None:
    manifest = shop(tmp_path, ["a"], "a.jpg", "a_2.jpg", "a_3.jpg")
    pattern = f"{tmp_path}/img/{{id}}_{{n}}.jpg"
    assert found(manifest, pattern, images_per_item=2) == [["a.jpg", "a_2.jpg"]]
    assert found(manifest, pattern, images_per_item=1) == [["a.jpg"]]
    (tmp_path / "cells.csv").write_text("id,url\na,img/a.jpg;img/a_2.jpg;img/a_3.jpg\n")
    assert found(tmp_path / "cells.csv", "column:url", images_per_item=2) == [["a.jpg", "a_2.jpg"]]


def test_a_column_n_is_no_number(tmp_path: Path) -> None:
    shop(tmp_path, [], "a_7.jpg", "a_8.jpg")
    (tmp_path / "m.csv").write_text("id,n\na,7\n")
    assert found(tmp_path / "m.csv", f"{tmp_path}/img/{{id}}_{{n}}.jpg") == [["a_7.jpg"]]


def test_a_list_column_of_paths_is_several_images(tmp_path: Path) -> None:
    shop(tmp_path, [], "a.jpg")
    lists = pa.array([["img/a.jpg", "img/b.jpg", "img/a.jpg"], [None, " "], None, ["img/c.jpg"]], pa.list_(pa.string()))
    pq.write_table(pa.table({"id": ["1", "2", "3", "4"], "urls": lists}), tmp_path / "m.parquet")
    assert found(tmp_path / "m.parquet", "column:urls") == [["a.jpg", "b.jpg"], [], [], ["c.jpg"]]


def test_workers_read_numbered_files_by_their_references(tmp_path: Path) -> None:
    manifest, store = catalog_of(shop(tmp_path, ["a"], "a.jpg", "a_2.jpg"), f"{tmp_path}/img/{{id}}_{{n}}.jpg")
    batch = first_batch(manifest)
    (refs,) = locate_all(store, batch)
    assert list(pickle.loads(pickle.dumps(store)).fetch(refs)) == [b"x", b"x"]


def test_numbered_objects_of_a_bucket_are_found(s3: S3Server, tmp_path: Path) -> None:
    for name in ("a.jpg", "a_2.jpg", "b_1.jpg"):
        s3.put(f"numbered/{name}", b"x")
    (tmp_path / "m.csv").write_text("id\na\nb\n")
    pattern = f"s3://{s3.bucket}/numbered/{{id}}_{{n}}.jpg"
    assert found(tmp_path / "m.csv", pattern, s3_endpoint=s3.endpoint) == [["a.jpg", "a_2.jpg"], ["b_1.jpg"]]
    with pytest.raises(UsageError, match="belong into the name"):
        found(tmp_path / "m.csv", f"s3://{s3.bucket}/{{id}}/{{n}}.jpg", s3_endpoint=s3.endpoint)


def test_numbers_over_http_are_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id\na\n")
    with pytest.raises(UsageError, match="--images column:NAME"):
        found(tmp_path / "m.csv", "https://cdn.shop.example/{id}_{n}.jpg", allow_http=True)


def test_a_folder_with_numbered_files_says_which_pattern_looks_at_all(tmp_path: Path) -> None:
    manifest, _ = catalog_of(
        shop(tmp_path, ["a"], *(f"{stem}{n}.jpg" for stem in "abc" for n in ("", "-2"))), f"{tmp_path}/img"
    )
    assert any(f"--images '{tmp_path}/img/{{id}}-{{n}}.jpg' looks at all of them" in t for t in manifest.notices.texts)
