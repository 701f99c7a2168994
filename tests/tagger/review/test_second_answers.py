"""A share of the items is answered twice, by two people who do not see each other's answer."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.review.store.records import Change, Filter
from tagger.review.store.review import ReviewStore
from tagger.schemas.tables.decision import Verdict
from tests.review_server import ReviewServer
from tests.tagger.review.queue_rows import accepted
from tests.written_runs import write_run

TSHIRTS, SHIRTS = ("Apparel", "Tshirts"), ("Apparel", "Shirts")


def test_somebody_else_is_asked_about_a_share_and_the_first_answer_stands(store: ReviewStore) -> None:
    second = store.second_answers
    second.share = 0.5
    items = store.claims.next("ann", Filter(), 40)
    store.decide("ann", "Ann", [accepted(item.position) for item in items])
    assert (second.waiting("Ann"), second.next("Ann")) == (0, None), "it was her own answer"
    waiting = second.waiting("Bob")
    assert 10 < waiting < 30
    asked = second.next("Bob")
    assert asked
    change = Change(asked.position, Verdict.CORRECTED, *TSHIRTS)
    assert second.answer("Bob", change)
    assert not second.answer("Cleo", change), "two answers are enough"
    assert not second.answer("Ann", change)
    assert second.waiting("Bob") == waiting - 1
    assert second.pairs() == [(f"{asked.master} / {asked.article}", "Apparel / Tshirts")]
    assert store.history(asked.position)[-1].decided_by == "Ann"


def test_what_waits_and_what_is_no_part_of_the_share_gets_no_second_answer(store: ReviewStore) -> None:
    second = store.second_answers
    second.share = 1.0
    assert second.waiting("Bob") == 0
    store.decide("ann", "Ann", [accepted(1)])
    second.share = 0.0
    assert second.waiting("Bob") == 0
    assert not second.answer("Bob", accepted(1))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    run = write_run(tmp_path / "shop", [(SHIRTS, {SHIRTS: 0.6, TSHIRTS: 0.3})] * 4, {SHIRTS: 9, TSHIRTS: 9})
    with ReviewServer(run, "--second-answers", "1") as started:
        yield started


@pytest.mark.slow
def test_the_people_page_says_how_well_people_agree(server: ReviewServer) -> None:
    ann, bob = server.client(), server.client("Bob", "reviewer")
    for _ in range(4):
        ann.open("/queue")
        ann.answer("a")
    assert "4 decided items wait for a second answer" in bob.open("/")
    assert "second answer" not in ann.open("/")
    for key in ("1", "1", "1", "2"):
        page = bob.open("/second")
        main = page[page.index("<main") : page.index("</main>")]
        assert "%" not in main and "Ann" not in main, "neither the tag nor the first answer"
        address = re.search(r'action="(/second/\d+)"', page)
        button = re.search(rf'value="(leaf:\d+)" data-key="{key}"', page)
        assert address and button
        bob.post(address[1], say=button[1], csrf=bob.field("csrf"))
        assert "The first answer stands" in bob.page
    assert "Nothing waits for a second answer" in bob.open("/second")
    page = ann.open("/people")
    assert "3 of 4 items answered twice got the same answer." in page
    assert "kappa" in page
