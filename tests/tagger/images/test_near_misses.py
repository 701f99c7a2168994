"""What a command says when images are not where the catalogue says."""

import unicodedata
from pathlib import Path

import pytest

from tagger.images.near_misses import near_misses
from tests.builders import catalog_of, first_batch
from tests.conftest import S3Server


def misses(folder: Path, ids: list[str], files: list[str], pattern: str = "{id}.jpg") -> list[str]:
    """The explanations for ids that a pattern does not find among files."""
    for name in files:
        path = folder / "img" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    point = any(i.endswith(".0") for i in ids)
    rows = [f"{i}\t" for i in [*ids, *["*"] * point]]  # ids that are not all like 15970.0 stay as they are
    (folder / "m.tsv").write_text("\n".join(["id\tx", *rows]) + "\n")
    manifest, store = catalog_of(folder / "m.tsv", f"{folder}/img/{pattern}")
    refs = [ref for ref in store.locate(first_batch(manifest)) if ref and "*" not in ref]
    return near_misses(store, refs)


@pytest.mark.parametrize(
    ("item", "file", "words"),
    [
        ("1", "1.png", "no 1.jpg, but 1.png is there: another suffix (1 of the 1 looked at)"),
        ("A", "a.jpg", "no A.jpg, but a.jpg is there: upper and lower case differ"),
        ("15970.0", "15970.jpg", "no 15970.0.jpg, but 15970.jpg is there: the id ends in .0"),
        ("15970", "15970.0.jpg", "no 15970.jpg, but 15970.0.jpg is there: the id ends in .0"),
        ("1.jpg", "1.jpg", "no 1.jpg.jpg, but 1.jpg is there: the id ends in a suffix already"),
        ("12", "00012.jpg", "no 12.jpg, but 00012.jpg is there: leading zeros differ"),
        ("0", "Shirts/0.jpg", "no 0.jpg, but Shirts/0.jpg is there: it is in another folder"),
        ("Shirts/0", "0.jpg", "no Shirts/0.jpg, but 0.jpg is there: it is in another folder"),
        ("a b", "ab.jpg", "no a b.jpg, but ab.jpg is there: the spaces differ"),
        ("sp ace", "sp%20ace.jpg", "no sp ace.jpg, but sp%20ace.jpg is there: the path is percent-encoded"),
        ("01", "x/1.PNG", "no 01.jpg, but x/1.PNG is there: written differently"),
        ("7", "y.jpg", "nothing is like 7.jpg; it holds y.jpg"),
    ],
)
def test_the_file_that_is_probably_meant_is_named(tmp_path: Path, item: str, file: str, words: str) -> None:
    (line,) = misses(tmp_path, [item], [file])
    assert words in line
    assert line.startswith(f"In {tmp_path}/img/: ")


def test_each_kind_of_difference_is_one_line_with_its_count_the_most_frequent_first(tmp_path: Path) -> None:
    lines = misses(tmp_path, ["X", "1", "2", "3", "nope"], ["1.png", "2.png", "3.png", "x.jpg"])
    assert ["another suffix (3 of the 5 looked at)" in line for line in lines] == [True, False]
    assert "no X.jpg, but x.jpg is there" in lines[1]


def test_a_link_that_leads_nowhere_is_named_with_its_target(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img/1.jpg").symlink_to("../blobs/abc")
    assert misses(tmp_path, ["1"], []) == [f"{tmp_path}/img/1.jpg is a link to ../blobs/abc, which does not exist"]


def test_a_folder_that_is_not_there_is_looked_for_above(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img/0.jpg").write_bytes(b"x")
    (tmp_path / "m.csv").write_text("id,imageUri\n0,imgs/0.jpg\n")
    manifest, store = catalog_of(tmp_path / "m.csv")
    (line,) = near_misses(store, [ref for ref in store.locate(first_batch(manifest)) if ref])
    assert line.startswith(f"In {tmp_path}/: no imgs/0.jpg, but img/0.jpg is there: it is in another folder")


def test_objects_of_a_bucket_are_compared_alike(s3: S3Server, tmp_path: Path) -> None:
    s3.put("near/1.png", b"x")
    (tmp_path / "m.csv").write_text("id\n1\n")
    manifest, store = catalog_of(tmp_path / "m.csv", f"s3://{s3.bucket}/near/{{id}}.jpg", s3_endpoint=s3.endpoint)
    (line,) = near_misses(store, [ref for ref in store.locate(first_batch(manifest)) if ref])
    assert line.startswith(f"In s3://{s3.bucket}/near/: no 1.jpg, but 1.png is there: another suffix")


def test_a_store_that_cannot_be_listed_gives_no_line() -> None:
    assert near_misses(object(), ["1"]) == []


def test_unicode_forms_are_no_near_miss_but_found(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))
    for item, file in ((composed, decomposed), (decomposed, composed)):
        folder = tmp_path / item
        misses(folder, [item], [f"{file}.jpg"])
        manifest, store = catalog_of(folder / "m.tsv", f"{folder}/img/{{id}}.jpg")
        assert store.locate(first_batch(manifest)) == [f"{folder}/img/{file}.jpg"]
