"""Images over http that their server has not changed are not downloaded again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.errors import ImageError
from tagger.images.revisions import Revision, Unchanged, valid_etag
from tagger.images.stores import ImageStore, fetch_revisions
from tagger.schemas.tables.prediction import ErrorCode
from tests.builders import catalog_of, encoded, first_batch, picture
from tests.image_server import HOSTILE_ETAGS, ImageServer, serving

JPEG = encoded(picture())


@pytest.fixture
def site() -> Iterator[ImageServer]:
    with serving(JPEG) as server:
        yield server


def store_of(site: ImageServer, folder: Path, cells: list[str]) -> tuple[ImageStore, list[str | None]]:
    """A column of paths and addresses, and its references."""
    (folder / "m.tsv").write_text("\n".join(["id\timageUri", *(f"{n}\t{cell}" for n, cell in enumerate(cells))]) + "\n")
    manifest, store = catalog_of(folder / "m.tsv", allow_http=True, allow_private_hosts=["127.0.0.1"])
    return store, store.locate(first_batch(manifest))


def asked_twice(site: ImageServer, folder: Path, path: str) -> tuple[Revision, Revision]:
    """What the server says of an image, and what it says when it is asked by the ETag that it gave."""
    store, refs = store_of(site, folder, [site.url(path)])
    (first,) = fetch_revisions(store, refs, [None])
    (second,) = fetch_revisions(store, refs, [first.etag])
    return first, second


@pytest.mark.parametrize("kind", ["tagged", "weak", "movedtagged"])
def test_an_image_that_is_still_that_of_its_etag_is_not_downloaded(
    site: ImageServer, tmp_path: Path, kind: str
) -> None:
    first, second = asked_twice(site, tmp_path, f"{kind}/1.jpg")
    assert first.content() == JPEG
    assert first.etag
    assert second == Revision(Unchanged.UNCHANGED, first.etag)
    assert site.sent.total() == 1
    hops = len(site.conditions) // 2
    assert site.conditions == [None] * hops + [first.etag] * hops
    with pytest.raises(ValueError, match="nothing was downloaded"):
        second.content()


def test_an_image_with_another_etag_is_downloaded(site: ImageServer, tmp_path: Path) -> None:
    store, refs = store_of(site, tmp_path, [site.url("tagged/1.jpg")])
    (before,) = fetch_revisions(store, refs, [None])
    site.image = encoded(picture(seed=1))
    (after,) = fetch_revisions(store, refs, [before.etag])
    assert after.data == site.image
    assert after.etag != before.etag


def test_a_server_that_ignores_the_condition_sends_the_image(site: ImageServer, tmp_path: Path) -> None:
    assert asked_twice(site, tmp_path, "ok/1.jpg") == (Revision(JPEG, '"1"'),) * 2
    assert site.conditions == [None, '"1"']


@pytest.mark.parametrize("number", range(len(HOSTILE_ETAGS)))
def test_an_etag_that_is_none_or_very_long_is_not_kept(site: ImageServer, tmp_path: Path, number: int) -> None:
    assert asked_twice(site, tmp_path, f"hostile/{number}") == (Revision(JPEG), Revision(JPEG))
    assert site.conditions == [None, None]


def test_the_longest_etag_and_none_at_all() -> None:
    assert valid_etag('"' + "x" * 254 + '"')
    assert valid_etag('W/"!#~"') == 'W/"!#~"'
    assert valid_etag(None) is None
    assert valid_etag('"a"\r\nHost: x') is None


def test_an_answer_that_nothing_has_changed_is_an_error_where_nobody_asked(site: ImageServer, tmp_path: Path) -> None:
    store, refs = store_of(site, tmp_path, [site.url("unmodified/1.jpg")])
    (unasked,) = fetch_revisions(store, refs, [None])
    assert isinstance(unasked.data, ImageError)
    assert (unasked.data.code, "the server answered 304" in unasked.data.message) == (ErrorCode.STORE_ERROR, True)
    assert next(fetch_revisions(store, refs, ['"a"'])) == Revision(Unchanged.UNCHANGED, '"a"')


def test_files_addresses_and_rows_without_an_image_come_in_order(site: ImageServer, tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"a file")
    cells = [site.url("tagged/1.jpg"), "1.jpg", "", site.url("missing/1.jpg"), site.url("tagged/2.jpg")]
    store, refs = store_of(site, tmp_path, cells)
    first = list(fetch_revisions(store, refs, [None] * 5))
    assert [r.data.code if isinstance(r.data, ImageError) else r.data for r in first] == [
        JPEG, b"a file", ErrorCode.NO_IMAGE, ErrorCode.NOT_FOUND, JPEG
    ]  # fmt: skip
    assert [bool(r.etag) for r in first] == [True, False, False, False, True]
    again = list(fetch_revisions(store, refs, [r.etag for r in first]))
    assert [r.data is Unchanged.UNCHANGED for r in again] == [True, False, False, False, True]


def test_a_store_without_validators_reads_every_image(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img/1.jpg").write_bytes(b"a file")
    (tmp_path / "m.csv").write_text("id\n1\n2\n")
    manifest, store = catalog_of(tmp_path / "m.csv", tmp_path / "img")
    refs = [*store.locate(first_batch(manifest)), None]
    contents = [r.content() for r in fetch_revisions(store, refs, ['"a"', None, None])]
    assert [a.code if isinstance(a, ImageError) else a for a in contents] == [
        b"a file", ErrorCode.NOT_FOUND, ErrorCode.NO_IMAGE
    ]  # fmt: skip
