"""Paths and addresses as people have them in their tables."""

import unicodedata
from pathlib import Path

import pytest

from tagger.errors import ImageError
from tagger.images.cells import split_cell
from tagger.images.several import locate_all
from tagger.schemas.tables.prediction import ErrorCode
from tests.builders import catalog_of, first_batch
from tests.conftest import S3Server


def fetched(folder: Path, cells: list[str], **options: object) -> list[object]:
    """What a column of cells gives: a file's bytes as text, or an error."""
    (folder / "m.tsv").write_text("\n".join(["id\turl", *(f"{n}\t{cell}" for n, cell in enumerate(cells))]) + "\n")
    manifest, store = catalog_of(folder / "m.tsv", "column:url", **options)
    refs = [ref or "" for ref in store.locate(first_batch(manifest))]
    return [a if isinstance(a, ImageError) else a.decode() for a in store.fetch(refs)]


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(Path(name).stem)


def test_every_form_of_a_path_below_the_root_is_found(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    put(shop, *(f"img/{n}.jpg" for n in range(9)), "img/sp ace.jpg")
    cells = [
        "img/0.jpg", "./img/1.jpg", "../shop/img/2.jpg", f"file://{shop}/img/3.jpg", "img\\4.jpg", "img//5.jpg",
        f"file://localhost{shop}/img/6.jpg", f"{shop}/img/7.jpg", "file://../shop/img/8.jpg", f"file:{shop}/img/0.jpg",
        "img/sp%20ace.jpg", f"file://{shop}/img/sp%20ace.jpg", "img\\sp%20ace.jpg",
    ]  # fmt: skip
    answers = fetched(shop, cells, images_root=str(shop))
    assert answers == [*"012345678", "0", "sp ace", "sp ace", "sp ace"]


def test_a_file_that_is_called_so_wins_over_the_decoded_form(tmp_path: Path) -> None:
    put(tmp_path, "a%20b.jpg", "a b.jpg")
    assert fetched(tmp_path, ["a%20b.jpg", "a b.jpg"]) == ["a%20b", "a b"]


def test_composed_and_decomposed_names_are_the_same(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))
    put(tmp_path, f"a/{composed}.jpg", f"b/{decomposed}.jpg")
    answers = fetched(tmp_path, [f"a/{decomposed}.jpg", f"b/{composed}.jpg"])
    assert answers == [composed, decomposed]


@pytest.mark.parametrize(
    "cell", ["../secret.jpg", "%2e%2e/secret.jpg", "..\\secret.jpg", "img/..%2f..%2fsecret.jpg", "file:///etc/passwd"]
)
def test_no_form_leads_out_of_the_root(tmp_path: Path, cell: str) -> None:
    put(tmp_path, "secret.jpg", "shop/img/1.jpg")
    (answer,) = fetched(tmp_path / "shop", [cell])
    assert isinstance(answer, ImageError)
    assert answer.code == ErrorCode.OUTSIDE_STORE
    assert "--images-root" in answer.message


def test_what_is_not_read_names_its_path_or_scheme(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg")
    data = "data:image/png;base64," + "A" * 5000
    answers = fetched(tmp_path, ["IMG/1.JPG", "gs://b/1.jpg", data, "C:\\pics\\1.jpg", "1.jpg"])
    errors = [a for a in answers if isinstance(a, ImageError)]
    assert [error.code for error in errors] == [
        ErrorCode.NOT_FOUND, ErrorCode.UNSUPPORTED_URI, ErrorCode.UNSUPPORTED_URI, ErrorCode.NOT_FOUND
    ]  # fmt: skip
    assert f"there is no file {tmp_path}/IMG/1.JPG" in errors[0].message
    assert "gs is none of file, s3, http and https" in errors[1].message
    assert len(errors[2].message) < 500
    assert "C:\\pics\\1.jpg" in errors[3].message


@pytest.mark.parametrize(
    ("cell", "images"),
    [
        ("a.jpg,b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg; b.PNG ;", ["a.jpg", "b.PNG"]),
        ("a b.jpg|c.webp", ["a b.jpg", "c.webp"]),
        ("https://x.de/1, https://x.de/2?v=1,2", ["https://x.de/1", "https://x.de/2?v=1,2"]),
        ("//x.de/1.jpg|//x.de/2.jpg", ["//x.de/1.jpg", "//x.de/2.jpg"]),
        ("https://x.de/1.jpg https://x.de/2.jpg", ["https://x.de/1.jpg", "https://x.de/2.jpg"]),
        ("s3://b/1.jpg;s3://b/2.jpg", ["s3://b/1.jpg", "s3://b/2.jpg"]),
        ('["a.jpg", "b.jpg"]', ["a.jpg", "b.jpg"]),
        ("['https://x.de/1.jpg']", ["https://x.de/1.jpg"]),
        ("a,b.jpg", ["a,b.jpg"]),
        ("se;mi.jpg", ["se;mi.jpg"]),
        ("there,1.jpg,2.jpg", ["there,1.jpg,2.jpg"]),
        ("there.jpg,too.jpg", ["there.jpg,too.jpg"]),
        ("https://x.de/w_300,h_200/a.jpg", ["https://x.de/w_300,h_200/a.jpg"]),
        ("https://x.de/a.jpg?crop=1,2", ["https://x.de/a.jpg?crop=1,2"]),
        ("[draft] 1.jpg", ["[draft] 1.jpg"]),
        ("[not a list]", ["[not a list]"]),
        ("sp ace.jpg", ["sp ace.jpg"]),
    ],
)
def test_a_cell_is_one_image_or_several(cell: str, images: list[str]) -> None:
    assert split_cell(cell, lambda path: path.startswith("there")) == images


def test_of_several_images_in_a_cell_the_first_stands_for_the_item_and_the_others_follow(tmp_path: Path) -> None:
    put(tmp_path, "img/0.jpg", "img/1.jpg", "img/a,b.jpg", "img/c.jpg,d.jpg")
    cells = ["img/0.jpg;img/1.jpg", "img/1.jpg|img/0.jpg", "img/a,b.jpg", "img/c.jpg,d.jpg"]
    assert fetched(tmp_path, cells) == ["0", "1", "a,b", "c.jpg,d"]
    manifest, store = catalog_of(tmp_path / "m.tsv", "column:url")
    names = [[Path(ref).name for ref in refs] for refs in locate_all(store, first_batch(manifest))]
    assert names == [["0.jpg", "1.jpg"], ["1.jpg", "0.jpg"], ["a,b.jpg"], ["c.jpg,d.jpg"]]
    assert not manifest.notices.texts


def test_forms_of_addresses_of_a_bucket_are_found(s3: S3Server, tmp_path: Path) -> None:
    for key in ("sp ace.jpg", "tilde.jpg", "x//y.jpg", "gr%.jpg"):
        s3.put(f"forms/{key}", key.encode())
    base = f"://{s3.bucket}/forms/"
    cells = [
        f"s3{base}sp%20ace.jpg",
        f"S3{base}tilde.jpg",
        f"s3a{base}tilde.jpg",
        f"s3{base}x//y.jpg",
        f"s3{base}gr%.jpg",
    ]
    answers = fetched(tmp_path, cells, s3_endpoint=s3.endpoint)
    assert answers == ["sp ace.jpg", "tilde.jpg", "tilde.jpg", "x//y.jpg", "gr%.jpg"]
    below = fetched(
        tmp_path, ["./tilde.jpg", "../forms/tilde.jpg", "../other.jpg", "no.jpg"], s3_endpoint=s3.endpoint,
        images_root=f"s3{base}",
    )  # fmt: skip
    assert below[:2] == ["tilde.jpg", "tilde.jpg"]
    assert [e.code for e in below[2:] if isinstance(e, ImageError)] == [ErrorCode.OUTSIDE_STORE, ErrorCode.NOT_FOUND]
    assert isinstance(below[3], ImageError)
    assert f"there is no object s3{base}no.jpg" in below[3].message
