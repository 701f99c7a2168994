"""Lists of a bucket tell which images are unchanged, and never cost much."""

from collections.abc import Iterator

import pytest

from tagger.errors import UsageError
from tagger.images.listing import ListedStore, Listing
from tagger.images.s3 import S3Images
from tagger.schemas.configs.check import CheckConfig
from tests.conftest import S3Server


class Pages:
    """A store of many images, a thousand in a list; the lists are counted."""

    def __init__(self, lists: int, fails_at: int | None = None) -> None:
        self.lists, self.fails_at, self.read = lists, fails_at, 0

    def listed(self) -> Iterator[list[tuple[str, str]]]:
        for number in range(self.lists):
            if number == self.fails_at:
                raise UsageError("s3://shop/img/ cannot be listed: AccessDenied")
            self.read += 1
            yield [(f"s3://shop/img/{number * 1000 + n}.jpg", f'"{n}"') for n in range(1000)]


def refs(*numbers: int) -> list[str]:
    return [f"s3://shop/img/{n}.jpg" for n in numbers]


def test_an_image_is_unchanged_where_the_list_has_its_etag() -> None:
    found = Listing(Pages(3), 1000).is_unchanged([*refs(5, 6, 7, 2001), None], ['"5"', '"5"', None, '"1"', '"1"'])
    assert found.tolist() == [True, False, False, True, False]


def test_nothing_is_listed_for_images_that_must_be_read() -> None:
    store = Pages(3)
    assert not Listing(store, 1000).is_unchanged(refs(1, 2), [None, None]).any()
    assert store.read == 0


def test_a_bucket_with_many_more_objects_than_the_run_costs_a_hundredth_of_its_requests() -> None:
    store = Pages(100)
    listing = Listing(store, 500)
    assert listing.is_unchanged(refs(1, 99_001), ['"1"', '"1"']).tolist() == [True, False]
    assert (store.read, listing.images) == (5, 5000)


def test_a_bucket_that_cannot_be_listed_leaves_the_images_to_be_asked_about() -> None:
    store = Pages(3, fails_at=1)
    listing = Listing(store, 10_000)
    assert listing.is_unchanged(refs(1, 1001), ['"1"', '"1"']).tolist() == [True, False]
    assert listing.problem == "s3://shop/img/ cannot be listed: AccessDenied"


def test_a_prefix_is_listed_with_its_etags_and_an_address_without_one_is_not(s3: S3Server) -> None:
    uris = [s3.put(f"listing/{n}.jpg", bytes([n])) for n in range(3)]
    s3.put("elsewhere/9.jpg", b"9")
    options = CheckConfig(manifest="m.csv", s3_endpoint=s3.endpoint)
    store = S3Images.of_pattern(f"s3://{s3.bucket}/listing/{{id}}.jpg", options)
    assert isinstance(store, ListedStore)
    (images,) = store.listed()
    assert [ref for ref, _ in images] == uris
    (revision,) = store.revisions(uris[:1], [images[0][1]])
    assert revision.etag == images[0][1]
    with pytest.raises(ValueError, match="nothing was downloaded"):
        revision.content()
    assert list(S3Images(options).listed()) == []


def test_a_bucket_that_is_not_there_is_named(s3: S3Server) -> None:
    store = S3Images.of_pattern("s3://nowhere-at-all/x/{id}.jpg", CheckConfig(manifest="m", s3_endpoint=s3.endpoint))
    with pytest.raises(UsageError, match=r"s3://nowhere-at-all/x/ cannot be listed"):
        list(store.listed())
