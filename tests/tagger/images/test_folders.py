"""A folder or prefix without a pattern: which images it has, what else lies there, and what to say instead."""

import os
from pathlib import Path

import pytest

from tagger.errors import ImageError, UsageError
from tagger.images.files import FolderImages
from tagger.schemas.tables.prediction import ErrorCode
from tests.builders import catalog_of, encoded, first_batch, picture
from tests.conftest import S3Server

SUFFIXES = [".jpg", ".JPG", ".jpeg", ".Jpg", ".JPEG", ".jfif", ".jpe", ".png", ".PNG", ".webp", ".avif", ".tif"]
ITEMS = [f"{n}" for n in range(len(SUFFIXES))]


def manifest(folder: Path, ids: list[str], columns: str = "", values: str = "") -> Path:
    file = folder / "m.csv"
    file.write_text("\n".join([f"id{columns}", *(f"{item}{values}" for item in ids)]) + "\n")
    return file


def test_a_folder_and_a_prefix_find_the_same_images_whatever_their_suffixes(s3: S3Server, tmp_path: Path) -> None:
    folder, prefix = tmp_path / "img", f"s3://{s3.bucket}/mixed"
    folder.mkdir()
    for item, suffix in zip(ITEMS, SUFFIXES, strict=True):
        (folder / f"{item}{suffix}").write_bytes(item.encode())
        s3.put(f"mixed/{item}{suffix}", item.encode())
        s3.put(f"mixed/cache/{item}_64.webp", b"thumbnail")
        s3.put(f"mixed/cache/{item}_128.webp", b"thumbnail")
    file = manifest(tmp_path, [*ITEMS, "none"])
    for images in (str(folder), prefix):
        rows, store = catalog_of(file, images, s3_endpoint=s3.endpoint)
        refs = [ref or "" for ref in store.locate(first_batch(rows))]
        answers = list(store.fetch(refs))
        assert answers[:-1] == [item.encode() for item in ITEMS]
        assert isinstance(answers[-1], ImageError)
        assert answers[-1].code == ErrorCode.NOT_FOUND
        expected = [f"{images}/{item}{suffix}" for item, suffix in zip(ITEMS, SUFFIXES, strict=True)]
        assert refs[:-1] == expected, "references name the objects as they are"
        (notice,) = rows.notices.texts
        assert notice.startswith(f"--images {images}: images are taken by {{id}}.")
        assert "{id}.jfif (1)" in notice


def test_a_page_of_other_suffixes_does_not_decide_and_late_objects_are_found(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.images.s3._PAGE", 3)
    for name in ("a1.png", "a2.png", "a3.png", "a4.png", "z0.jpg"):
        s3.put(f"many/{name}", name.encode())
    file, prefix = manifest(tmp_path, ["z0", "a1", "late"]), f"s3://{s3.bucket}/many"
    rows, store = catalog_of(file, prefix, s3_endpoint=s3.endpoint)
    refs = [ref or "" for ref in store.locate(first_batch(rows))]
    s3.put("many/late.jpg", b"late")
    assert list(store.fetch(refs)) == [b"z0.jpg", b"a1.png", b"late"]
    monkeypatch.setattr("tagger.images.s3._MAX_NAMES", 3)
    rows, _ = catalog_of(file, prefix, s3_endpoint=s3.endpoint)
    assert rows.notices.texts[0].endswith("images are taken by {id}.png (3); only the first 3 files were listed")


def test_kinds_that_are_not_read_are_said(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.heic", "3.HEIC", "Thumbs.db"):
        (tmp_path / name).write_bytes(encoded(picture()))
    rows, _ = catalog_of(manifest(tmp_path, ["1", "2", "3"]), tmp_path)
    assert rows.notices.texts == [f"--images {tmp_path}: files of these kinds are not read: .heic (2)"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["Shirts/1.jpg"],
            "Shirts/1.jpg lies below it; name a pattern over columns, such as --images '{}/{{type}}/{{id}}.jpg'",
        ),
        (["2020/Shirts/x.png"], "2020/Shirts/x.png lies below it; .* '{}/{{column}}/{{column}}/{{id}}.png'"),
        (["1.heic"], ".heic files are not read: convert them"),
        (["1"], "give --images '{}/{{id}}'"),
        (["readme.txt"], "name a pattern, such as {}/{{year}}/{{id}}.jpg"),
    ],
)
def test_a_folder_without_images_says_what_to_do(tmp_path: Path, names: list[str], words: str) -> None:
    folder = tmp_path / "img"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    expected = words.format(folder).replace("{", r"\{").replace("}", r"\}")
    with pytest.raises(UsageError, match=expected):
        catalog_of(manifest(tmp_path, ["1"], ",type", ",Shirts"), folder)


def test_a_prefix_with_images_in_folders_says_what_to_do(s3: S3Server, tmp_path: Path) -> None:
    s3.put("nested/Shirts/1.jpg", b"x")
    prefix = f"s3://{s3.bucket}/nested"
    with pytest.raises(
        UsageError, match=rf"name a pattern over columns, such as --images '{prefix}/\{{type\}}/\{{id\}}"
    ):
        catalog_of(manifest(tmp_path, ["1"], ",type", ",Shirts"), prefix, s3_endpoint=s3.endpoint)


@pytest.mark.parametrize(
    ("images", "words"),
    [("*.jpg", r"such as .*/img/\{id\}.jpg"), ("*/{id}.jpg", r"such as .*/img/\{column\}/\{id\}.jpg")],
)
def test_wildcards_are_answered_with_a_pattern(tmp_path: Path, images: str, words: str) -> None:
    (tmp_path / "img/a").mkdir(parents=True)
    (tmp_path / "img/0.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match=words):
        catalog_of(manifest(tmp_path, ["0"]), f"{tmp_path}/img/{images}")


def test_links_that_point_outside_are_read_on_request_and_named_otherwise(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/abc").write_bytes(b"linked")
    (tmp_path / "img").mkdir()
    (tmp_path / "img/1.jpg").symlink_to("../blobs/abc")
    file = manifest(tmp_path, ["1"])
    (tmp_path / "img/u.csv").write_text("id,imageUri\n1,1.jpg\n")
    for table, images in (
        (file, tmp_path / "img"),
        (file, f"{tmp_path}/img/{{id}}.jpg"),
        (tmp_path / "img/u.csv", None),
    ):
        rows, store = catalog_of(table, images)
        refs = [ref or "" for ref in store.locate(first_batch(rows))]
        (answer,) = store.fetch(refs)
        assert isinstance(answer, ImageError)
        assert answer.code == ErrorCode.OUTSIDE_STORE
        assert f"{tmp_path}/blobs/abc" in answer.message
        assert "--follow-links" in answer.message
        _, following = catalog_of(table, images, follow_links=True)
        assert list(following.fetch(refs)) == [b"linked"]


def test_an_id_column_beside_the_mapped_one_is_named_with_its_pattern(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img/7.jpg").write_bytes(b"x")
    (tmp_path / "m.csv").write_text("id,sku\n7,A-7\n")
    rows, _ = catalog_of(tmp_path / "m.csv", f"{tmp_path}/img/{{id}}.jpg", column={"id": "sku"})
    (notice,) = rows.notices.texts
    assert "{id} is the column sku; the manifest's own column id is {id_original}" in notice
    rows, store = catalog_of(tmp_path / "m.csv", f"{tmp_path}/img/{{id_original}}.jpg", column={"id": "sku"})
    assert rows.notices.texts == []
    assert store.locate(first_batch(rows)) == [f"{tmp_path}/img/7.jpg"]


def test_paths_that_may_be_spelled_otherwise_are_found_among_those_that_may_not(tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "a").mkdir(parents=True)
    ids = ["plain", "with space", "percent%20sign", "u\u0308ber", "a\\b", "%2fx", "missing%41"]
    for name in ("plain", "with space", "percent sign", "\u00fcber", "a/b"):
        (images / f"{name}.jpg").write_bytes(b"")
    rows = "\n".join(f'"{item}"' for item in ids)
    (tmp_path / "m.csv").write_text(f"id\n{rows}\n", encoding="utf-8")
    manifest_, store = catalog_of(tmp_path / "m.csv", f"{images}/{{id}}.jpg")
    batch = first_batch(manifest_)
    found = [str(ref).removeprefix(f"{images}/") for ref in store.locate(batch)]
    assert found[:5] == ["plain.jpg", "with space.jpg", "percent sign.jpg", "\u00fcber.jpg", "a/b.jpg"]
    assert found[5:] == ["%2fx.jpg", "missing%41.jpg"], "one that does not exist is named as it is written"


def test_the_real_path_of_a_folder_is_asked_once_for_the_files_of_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes half the time of reading a small file."""
    (tmp_path / "img/a").mkdir(parents=True)
    for name in ("1", "2", "3"):
        (tmp_path / f"img/a/{name}.jpg").write_bytes(name.encode())
    (tmp_path / "img/a/4.jpg").symlink_to("../../outside.jpg")
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    store = FolderImages(str(tmp_path / "img"), ["{id}.jpg"], 100)
    refs = [f"{tmp_path}/img/a/{name}.jpg" for name in ("1", "2", "3", "4")]
    asked: list[str] = []
    real_path = os.path.realpath

    def counted(path: str) -> str:
        asked.append(path)
        return real_path(path)

    monkeypatch.setattr(os.path, "realpath", counted)
    *files, linked = store.fetch(refs)
    assert files == [b"1", b"2", b"3"]
    assert isinstance(linked, ImageError)
    assert asked.count(f"{tmp_path}/img/a") == 1
    assert len(asked) <= 3, "the folder, the link and the root"
    (tmp_path / "img/b").mkdir()
    (tmp_path / "img/b/1.jpg").write_bytes(b"inside")
    assert list(store.fetch([f"{tmp_path}/img/b/1.jpg"])) == [b"inside"]
    (tmp_path / "img/b/1.jpg").unlink()
    (tmp_path / "img/b").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.jpg").write_bytes(b"outside")
    (tmp_path / "img/b").symlink_to("../elsewhere")
    assert isinstance(next(iter(store.fetch([f"{tmp_path}/img/b/1.jpg"]))), ImageError), "it was not kept"
