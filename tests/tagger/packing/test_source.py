"""Which images of a folder are packed, and in which order."""

from pathlib import Path

import pytest

from tagger.errors import InputError, UsageError
from tagger.packing.source import FolderSource
from tagger.schemas.configs.pack import PackConfig
from tests.conftest import S3Server


def listed(images: object, **options: object) -> tuple[FolderSource, list[str]]:
    config = PackConfig(images=str(images), out="unused", **options)  # type: ignore[arg-type]
    notices: list[str] = []
    return FolderSource.open(config, notices.append), notices


def items_of(source: FolderSource, begin: int = 0) -> list[tuple[str, str]]:
    return [(item, *refs) for batch in source.batches(begin) for item, refs in zip(*batch, strict=True)]  # type: ignore[misc]


def test_the_images_of_a_folder_are_items_by_name_and_other_files_are_named(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.b.PNG", "B.jpg", "é.jpg", "notes.txt", "raw.heic", ".jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "below.jpg").mkdir()
    source, notices = listed(tmp_path)
    assert items_of(source) == [
        ("B", f"{tmp_path}/B.jpg"), ("a.b", f"{tmp_path}/a.b.PNG"), ("b", f"{tmp_path}/b.jpg"),
        ("é", f"{tmp_path}/é.jpg"),
    ]  # fmt: skip
    assert items_of(source, 3) == [("é", f"{tmp_path}/é.jpg")]
    assert source.total == 4
    assert any(".heic (1)" in text for text in notices)
    assert notices[-1].startswith(f"--images {tmp_path}: 3 files are not packed")


def test_the_fingerprint_of_a_folder_changes_with_its_names(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    before = listed(tmp_path)[0].fingerprint()
    assert listed(tmp_path)[0].fingerprint() == before
    (tmp_path / "b.jpg").write_bytes(b"")
    assert listed(tmp_path)[0].fingerprint() != before


def test_two_files_of_one_id_are_refused_without_a_manifest(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.jpg.jpg", "a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"1 id has several files, such as a\.jpg and a\.png; give --manifest"):
        listed(tmp_path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("{id}.jpg", "needs --manifest"),
        ("column:photo", "needs --manifest"),
        ("https://shop.example/photos/", "needs --manifest"),
        ("missing", "no folder"),
        ("*.jpg", "need --manifest"),
        ("empty", "no image files"),
        ("nested", r"\{column\}/\{id\}\.jpg.*with --manifest"),
        ("shards", "holds Parquet files already"),
    ],
)
def test_what_is_no_folder_of_images_needs_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str, message: str
) -> None:
    for name in ("empty/readme.md", "nested/2024/a.jpg", "shards/images.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        listed(images)


@pytest.mark.slow
def test_a_prefix_with_more_names_than_a_store_lists_is_listed_to_its_end(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.images.s3._PAGE", 3)
    monkeypatch.setattr("tagger.images.s3._MAX_NAMES", 4)
    uris = [s3.put(f"listed/{n:02}.jpg", b"x") for n in range(11)]
    s3.put("listed/below/12.jpg", b"x")
    s3.put("listed/notes.txt", b"x")
    source, notices = listed(f"s3://{s3.bucket}/listed/", s3_endpoint=s3.endpoint)
    assert items_of(source) == [(f"{n:02}", uri) for n, uri in enumerate(uris)]
    assert [text.partition(": ")[2][:11] for text in notices] == ["1 file is n"]
    assert list(source.store.fetch([uris[3]])) == [b"x"]
