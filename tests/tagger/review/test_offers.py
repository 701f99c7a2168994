"""After an answer, items that look like the answered one are offered the same class, as precisely as labels show."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from tagger.review.store.leaves import LeafCounts, Leaves
from tagger.review.store.records import Change, Filter, QueuedItem
from tagger.review.web.disputes import count_look_alikes
from tagger.review.web.look_alikes import LookAlikes
from tagger.review.web.offers import Offers
from tagger.schemas.tables.decision import Verdict
from tests.review_server import ReviewServer
from tests.tagger.review.alike_queue import AlikeQueue, alike_queue
from tests.tagger.review.in_process import Page, csrf, make_empty_store
from tests.tagger.review.learning.drawn import PAIRS
from tests.tagger.review.vector_run import write_vector_run
from tests.written_runs import write_run

LEAVES = Leaves(PAIRS, LeafCounts([9] * len(PAIRS), [True] * len(PAIRS)))


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[AlikeQueue]:
    store = make_empty_store(tmp_path)
    yield alike_queue(store, tmp_path)
    store.close()


def ready(queue: AlikeQueue, target: float = 0.9) -> Offers:
    offers = Offers(queue.store, queue.index, LEAVES, target)
    offers.prepare()
    return offers


def answered(queue: AlikeQueue, position: int, change: Change | None = None) -> QueuedItem:
    queue.store.decide("ann", "Ann", [change or queue.right(position)])
    return queue.store.items([position])[0]


def test_what_looks_like_the_answer_is_offered_its_class_and_nothing_else(queue: AlikeQueue) -> None:
    offers = ready(queue)
    item = answered(queue, 1)
    offer = offers.of(item)
    assert offer is not None
    assert (offer.leaf.master, offer.leaf.article) == queue.truth[1]
    assert set(offer.positions) <= set(queue.of_class(queue.truth[1])) - {1}
    assert len(offer.positions) > 20
    assert offer.measured.at_least >= 0.9
    first = offer.positions[0]
    answered(queue, first)
    again = offers.of(item)
    assert again is not None and first not in again.positions, "it is decided"


def test_a_wrong_answer_the_category_alone_and_what_waits_are_offered_to_nothing(queue: AlikeQueue) -> None:
    offers = ready(queue)
    assert offers.of(queue.store.items([1])[0]) is None, "nobody has answered"
    wrong = next(pair for pair in PAIRS if pair != queue.truth[1])
    assert offers.of(answered(queue, 1, Change(1, Verdict.CORRECTED, *wrong))) is None
    assert offers.of(answered(queue, 2, Change(2, Verdict.MASTER_ONLY, "Apparel", None))) is None
    assert offers.of(answered(queue, 3, Change(3, Verdict.UNUSABLE, None, None))) is None


def test_before_it_is_measured_or_where_labels_show_too_little_nothing_is_offered(queue: AlikeQueue) -> None:
    item = answered(queue, 1)
    assert Offers(queue.store, queue.index, LEAVES, 0.9).of(item) is None
    assert ready(queue, 0.9999).of(item) is None, "400 labelled items cannot show that"


def test_what_was_declined_is_not_offered_again_with_that_class(queue: AlikeQueue) -> None:
    offers = ready(queue)
    item = answered(queue, 1)
    offer = offers.of(item)
    assert offer is not None
    offers.count(offer, offer.positions[2:], offer.positions[:2])
    again = offers.of(item)
    assert again is not None and not set(offer.positions[:2]) & set(again.positions)
    assert (offers.shown, offers.taken) == (len(offer.positions), len(offer.positions) - 2)


@pytest.fixture
def page(queue: AlikeQueue, tmp_path: Path) -> Page:
    return Page(queue.store, tmp_path, pairs=PAIRS, offers=ready(queue))


def answer(browser: TestClient, queue: AlikeQueue, position: int) -> dict[str, str]:
    """Give the right answer as the script does; return what came back."""
    number = PAIRS.index(queue.truth[position])
    form = {"say": f"leaf:{number}", "csrf": csrf(browser), "expected": ""}
    said = browser.post(f"/items/{position}/decision", data=form, headers={"accept": "application/json"})
    assert said.status_code == 200
    content: dict[str, str] = said.json()
    return content


def test_one_key_press_gives_all_but_the_marked_ones_the_class(queue: AlikeQueue, page: Page) -> None:
    browser = page.browser()
    offer = answer(browser, queue, 1)["offer"]
    address = re.search(r'href="(/alike/1)"', offer)
    assert address and "more like it" in offer
    shown = browser.get("/alike/1").text
    assert f"Are these {queue.truth[1][1]}, too?" in shown
    assert "pairs of labelled items" in shown and "Those that wait are harder" in shown
    positions = re.findall(r'name="wrong" value="(\d+)"', shown)
    form = {"csrf": csrf(browser, "/alike/1"), "leaf": PAIRS.index(queue.truth[1]), "shown": ",".join(positions)}
    assert browser.post("/alike/1", data={**form, "wrong": positions[0]}).status_code == 200
    decided = {p for p in queue.truth if queue.store.items([p])[0].current is not None}
    assert decided == {1, *map(int, positions[1:])}
    assert f"Of {len(positions)} that were offered so far, {len(positions) - 1} got the class" in _next(browser, queue)
    assert queue.store.undo("nobody", "Nobody") is None
    waiting = queue.store.counts.waiting(Filter())
    browser.post("/undo", data={"csrf": csrf(browser), "view": "queue"})
    assert queue.store.counts.waiting(Filter()) == waiting + 1, "the answer after it"
    browser.post("/undo", data={"csrf": csrf(browser), "view": "queue"})
    assert queue.store.counts.waiting(Filter()) == waiting + len(positions), "and all of the key press at once"


def _next(browser: TestClient, queue: AlikeQueue) -> str:
    """The page of the next offer."""
    waiting = (p for p in queue.truth if queue.store.items([p])[0].current is None and queue.truth[p] != queue.truth[1])
    position = next(waiting)
    assert answer(browser, queue, position)["offer"]
    return browser.get(f"/alike/{position}").text


def test_what_was_not_offered_or_has_another_answer_now_is_refused(queue: AlikeQueue, page: Page) -> None:
    browser = page.browser()
    answer(browser, queue, 1)
    other = next(p for p in queue.truth if queue.truth[p] != queue.truth[1])
    form = {"csrf": csrf(browser), "leaf": PAIRS.index(queue.truth[1])}
    browser.post("/alike/1", data={**form, "shown": f"{other}"})
    assert queue.store.items([other])[0].current is None, "it does not look like it"
    assert browser.post("/alike/1", data={**form, "leaf": 99, "shown": "2"}).status_code == 409
    assert browser.post("/alike/99999", data={**form, "shown": "2"}).status_code == 404
    assert browser.post("/alike/1", data={"csrf": "forged", "leaf": 0, "shown": "2"}).status_code == 403
    reader = page.browser("Rita", "reader")
    assert "you are a reader here" in reader.get("/alike/1").text
    assert reader.post("/alike/1", data={"csrf": csrf(reader), "leaf": 0, "shown": "2"}).status_code == 403


def test_items_that_a_colleague_has_open_are_not_shown(queue: AlikeQueue, page: Page) -> None:
    ann, bob = page.browser(), page.browser("Bob", "reviewer")
    answer(ann, queue, 1)
    mine = set(re.findall(r'name="wrong" value="(\d+)"', ann.get("/alike/1").text))
    assert mine
    assert "No similar items are waiting" in bob.get("/alike/1").text
    ann.post("/release", data={"csrf": csrf(ann, "/")})
    assert set(re.findall(r'name="wrong" value="(\d+)"', bob.get("/alike/1").text)) == mine


def test_items_on_which_similar_ones_disagree_come_first(queue: AlikeQueue) -> None:
    """All are predicted as the first class; similar items know better."""
    count_look_alikes(queue.store, LookAlikes(queue.index), Event())
    order = [item.position for item in queue.store.claims.look("s", Filter(), len(queue.truth))]
    disputed = [queue.truth[position] != PAIRS[0] for position in order]
    assert disputed == sorted(disputed, reverse=True)
    assert 100 < sum(disputed) < 200
    queue.store.count_witness({order[0]: PAIRS[0][1]})
    count_look_alikes(queue.store, LookAlikes(queue.index), Event())
    assert queue.store.claims.look("s", Filter(), 1)[0].position != order[0], "it is counted once"


@pytest.mark.slow
def test_labels_of_the_index_can_be_chosen_though_the_model_has_not_learnt_them(tmp_path: Path) -> None:
    """The shop's manifest has no labels, and the model knows the first two classes."""
    first, second = PAIRS[:2]
    run = write_run(tmp_path / "shop", [(first, {first: 0.4, second: 0.3})] * 3, {})
    _, index = write_vector_run(tmp_path / "other")
    for flags, expected in (([], set(PAIRS[:2])), (["--index", str(index)], set(PAIRS))):
        with ReviewServer(run, "--database", str(tmp_path / f"{len(flags)}.sqlite"), *flags) as server:
            leaves = server.client().http.get("/leaves.json").json()
            assert {(master, article) for master, article, *_ in leaves} == expected
    labelled = write_run(tmp_path / "labelled", [(first, {first: 0.4})] * 3, {first: 9})
    with ReviewServer(labelled, "--index", str(index)) as server:
        rows = server.client().http.get("/leaves.json").json()
        items = {(master, article): n for master, article, _, n, *_ in rows}
        assert items[first] > 100 and items[PAIRS[3]] > 100, "not rare, though this manifest has nine, or none"


@pytest.mark.slow
def test_ctrl_c_ends_the_page_while_work_goes_on_behind_it(tmp_path: Path) -> None:
    """Twice, as impatient people press it."""
    run, index = write_vector_run(tmp_path, items=1500)
    with ReviewServer(run, "--index", str(index)) as server:
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        server.process.send_signal(signal.SIGINT)
        server.process.communicate(timeout=60)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1366])
def test_the_key_o_leads_to_similar_items_and_back_to_the_queue(
    browser: Browser, tmp_path: Path, scheme: str, width: int
) -> None:
    run, index = write_vector_run(tmp_path)
    with ReviewServer(run, "--index", str(index)) as server:
        page = server.page(browser, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto("/queue")
        offer = page.locator("[data-saved] .offer")
        for _ in range(20):
            page.keyboard.press("d")
            page.wait_for_load_state("networkidle")
            if offer.count():
                break
        expect(offer).to_contain_text("more like it")
        page.keyboard.press("o")
        expect(page.get_by_role("heading", level=1)).to_contain_text("too?")
        page.wait_for_load_state("networkidle")  # with its colours and pictures
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert not found, [node["html"] + node["failureSummary"] for each in found for node in each["nodes"]]
        cards = page.locator(".card input")
        for card in page.locator(".card").all():
            card.scroll_into_view_if_needed()
        expect(page.locator("[data-rest]")).to_contain_text(f"Set {cards.count()} to")
        before = int(page.locator("#progress b").inner_text())
        shown = cards.count()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("x")
        expect(page.locator("[data-rest]")).to_contain_text(f"Set the other {shown - 1} to")
        page.keyboard.press("a")
        page.wait_for_url("**/queue**")
        expect(page.locator("#progress b")).to_have_text(str(before + shown - 1))
        assert not problems
        page.close()
