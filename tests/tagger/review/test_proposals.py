"""Classes that people miss are proposed, wait with their items, and are accepted, merged or declined."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tagger.review.store.records import ConflictError, Filter, Search
from tagger.review.store.review import ReviewStore
from tests.review_server import Reviewer, ReviewServer
from tests.tagger.review.queue_rows import LEAF_PAIRS, accepted, row
from tests.written_runs import write_run

ALL = Filter(order="catalogue")
JUMPSUITS, SHIRTS, TSHIRTS = ("Apparel", "Jumpsuits"), ("Apparel", "Shirts"), ("Apparel", "Tshirts")


def propose(store: ReviewStore, position: int, name: str = "Jumpsuits", session: str = "ann") -> None:
    store.proposals.propose(session, session.capitalize(), position, ("Apparel", name))


def next_of(store: ReviewStore) -> int:
    return store.claims.next("bob", ALL)[0].position


def test_items_of_a_proposal_wait_together_and_nobody_gets_them(store: ReviewStore) -> None:
    propose(store, 1)
    propose(store, 2, "JUMPSUITS", "bob")
    (proposal,) = store.proposals.open()
    assert (proposal.article, proposal.items, proposal.pictures) == ("Jumpsuits", 2, (1, 2))
    assert proposal.proposed_by == "Ann"
    assert next_of(store) == 3
    assert [i.position for i in store.finder.find(Search(ALL, "proposed"), 9)] == [1, 2]
    assert not store.has_decisions()


def test_an_accepted_class_decides_its_items_and_undo_takes_that_back(store: ReviewStore) -> None:
    propose(store, 1)
    propose(store, 2)
    key = store.proposals.open()[0].key
    assert store.proposals.settle("lea", "Lea", key, JUMPSUITS) == 2
    assert store.proposals.settle("lea", "Lea", key, SHIRTS) is None, "somebody was first"
    assert (store.proposals.open(), store.proposals.accepted()) == ([], [JUMPSUITS])
    assert [(e.verdict, e.article, e.decided_by) for e in store.history(1)] == [
        ("proposed", "Jumpsuits", "Ann"), ("corrected", "Jumpsuits", "Lea"),
    ]  # fmt: skip
    assert store.undo("lea", "Lea") == [1, 2]
    assert store.counts.progress("Lea").decided == 0
    store.claims.release("lea")
    assert next_of(store) == 1


def test_a_proposal_is_merged_into_a_class_or_sent_back(store: ReviewStore) -> None:
    (before,) = store.items([1])
    propose(store, 1)
    store.proposals.settle("lea", "Lea", store.proposals.open()[0].key, (before.master, before.article))
    assert store.history(1)[-1].verdict == "accepted", "it is what the model had said"
    propose(store, 2)
    store.proposals.settle("lea", "Lea", store.proposals.open()[0].key, None)
    assert (next_of(store), store.proposals.accepted()) == (2, [])


def test_undo_takes_a_proposal_back_and_what_is_open_elsewhere_gets_none(store: ReviewStore) -> None:
    propose(store, 1)
    assert store.undo("ann", "Ann") == [1]
    assert store.proposals.open() == []
    store.claims.release("ann")
    assert next_of(store) == 1
    with pytest.raises(ConflictError):
        propose(store, 1)
    store.decide("bob", "Bob", [accepted(1)])
    with pytest.raises(ConflictError):
        propose(store, 1)


def test_copies_in_the_quality_sample_or_with_a_proposal_are_not_decided_with_an_item(fresh: ReviewStore) -> None:
    rows = [{**row(n), "picture": "one"} for n in range(1, 5)]
    rows[1]["reasons"] = ["qa_sample"]
    fresh.fill(rows, LEAF_PAIRS)
    propose(fresh, 3)
    (item,) = fresh.items([1])
    assert [copy.position for copy in fresh.waiting_copies(item)] == [4]
    assert fresh.copies(item, 9).others == 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    run = write_run(tmp_path / "shop", [(SHIRTS, {SHIRTS: 0.6, TSHIRTS: 0.3})] * 6, {SHIRTS: 9, TSHIRTS: 9})
    with ReviewServer(run) as started:
        yield started


def post(reviewer: Reviewer, name: str) -> int:
    reviewer.open("/queue")
    fields = {"proposed": name, "proposed_master": "Apparel", "csrf": reviewer.field("csrf")}
    return reviewer.post(f"/items/{reviewer.position}/propose", **fields).status_code


@pytest.mark.slow
def test_an_accepted_class_can_be_chosen_from_then_on_also_after_a_restart(tmp_path: Path) -> None:
    run = write_run(tmp_path / "shop", [(SHIRTS, {SHIRTS: 0.6})] * 6, {SHIRTS: 9, TSHIRTS: 9})
    with ReviewServer(run) as server:
        reviewer = server.client()
        assert (post(reviewer, ""), post(reviewer, "tshirts")) == (422, 422), "it is no new class"
        assert post(reviewer, "Jumpsuits") == 200
        page = reviewer.open("/proposals")
        assert "One class is proposed" in page
        key = re.search(r'name="key" value="([^"]*)"', page)
        assert key
        fields = {"key": key[1], "how": "accepted", "csrf": reviewer.field("csrf")}
        assert reviewer.post("/proposals", **fields).status_code == 200
        assert reviewer.post("/proposals", **fields).status_code == 409
        leaves = reviewer.http.get("/leaves.json").json()
        assert leaves[-1][:2] == ["Apparel", "Jumpsuits"]
        assert "Jumpsuits (Apparel)</th><td>1</td><td>1</td>" in reviewer.open("/summary")
    with ReviewServer(run) as server:
        assert server.client().http.get("/leaves.json").json() == leaves


@pytest.mark.browser
def test_a_class_is_proposed_and_an_item_flagged_by_keyboard_alone(browser: Browser, server: ReviewServer) -> None:
    page = server.page(browser)
    page.goto("/queue")
    page.keyboard.press("p")
    page.keyboard.type("Jumpsuits")
    page.keyboard.press("Enter")
    expect(page.locator("[data-saved]")).to_contain_text("Jumpsuits (Apparel) proposed")
    page.keyboard.press("f")
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_be_focused()
    page.keyboard.type("two products?")
    page.keyboard.press("Enter")
    expect(page.locator("[data-saved]")).to_contain_text("Flagged")
    page.goto("/items?state=flagged")
    expect(page.locator(".found h1")).to_have_text("1 item")
    for width, scheme in ((390, "light"), (1366, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto("/proposals")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    page.locator("select[name=into]").select_option(label="Tshirts (Apparel)")
    page.get_by_role("button", name="Merge into this class").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No class is proposed")
    page.close()
