"""The grid begins where most is right, and what is chosen in it is no filter of the queue."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.review.store.records import Filter
from tagger.review.store.review import ReviewStore
from tests.tagger.review.in_process import Page, csrf, make_empty_store, make_store
from tests.tagger.review.queue_rows import LEAF_PAIRS, row


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReviewStore]:
    made = make_store(tmp_path)
    yield made
    made.close()


def test_the_grid_begins_with_the_most_certain(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser()
    assert 'name="shown" value="7,5,3,1"' in browser.get("/grid?article=Shirts&master=Apparel").text
    assert 'name="shown" value="1,3,5,7"' in browser.get("/grid?article=Shirts&master=Apparel&order=uncertain").text


def test_the_class_of_the_grid_is_no_filter_of_the_queue(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser()
    plain = browser.get("/grid?article=Shirts&master=Apparel").text
    assert '<a href="/queue">' in plain
    assert "badge" not in plain.split("</summary>")[1], "nobody has set a filter"
    filtered = browser.get("/grid?article=Shirts&master=Apparel&reason=low_confidence").text
    assert '<a href="/queue?reason=low_confidence">' in filtered and "badge" in filtered


def test_the_queue_of_a_new_review_is_unfiltered(store: ReviewStore) -> None:
    assert Filter().order == "disputed"


def test_a_cluster_alone_is_accepted_as_far_as_it_was_shown(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser()
    address = "/grid?article=Shirts&master=Apparel"
    form = {"csrf": csrf(browser, address), "shown": "7,5,3,1", "wrong": "5"}
    assert browser.post(address, data={**form, "say": "only:8,2"}).status_code == 422, "these were not shown"
    assert browser.post(address, data={**form, "say": "only:7,5"}).status_code == 200
    assert [item.position for item in store.items([1, 3, 5, 7]) if item.current] == [7]
    assert next(iter(store.items([5]))).refused, "what is marked is not accepted with the others"


def test_a_card_says_what_its_title_names_and_a_number_key_takes_it(tmp_path: Path) -> None:
    store = make_empty_store(tmp_path)
    titles = ["Steel Watch", "Steel Watch", "Blue shirt", "Thing"]
    shirts = {"master": "Apparel", "article": "Shirts", "article_confidence": 0.5}
    rows = [{**row(n), **shirts, "title": title} for n, title in enumerate(titles, 1)]
    store.fill(rows, [*LEAF_PAIRS, ("Apparel", "Tops")])
    shown = Page(store, tmp_path).browser().get("/grid").text
    store.close()
    assert shown.count("Title: Watches") == 2
    assert "Title: Shirts" not in shown, "it is what the model says, too"
    first = re.search(r'data-key="1">([^<]+)<', shown)
    assert first and first[1].strip() == "Watches"
