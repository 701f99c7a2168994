"""Answers without waiting: the next item is there at once, however slow the server, and no answer is lost."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from starlette.types import ASGIApp, Receive, Scope, Send

from tagger.review.store.database import open_database
from tagger.review.store.leaves import LeafCounts, Leaves
from tagger.review.store.records import Filter
from tagger.review.store.review import ReviewStore
from tagger.review.web.app import review_app
from tagger.review.web.invitations import Invitations
from tagger.review.web.item_view import Review
from tagger.review.web.origins import LOOPBACK, OriginPolicy
from tagger.review.web.pictures import Pictures
from tagger.review.web.sessions import Sessions
from tests.builders import catalog_of, encoded, picture
from tests.review_server import Reviewer, cookies_of
from tests.tagger.review.queue_rows import LEAF_PAIRS, accepted, row

pytestmark = pytest.mark.browser
ITEMS = 60
_HELD = "SELECT count(*) FROM review_queue WHERE claimed_until > 0"


class Slow:
    """An application that waits before it takes a form, and may be made to fail."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.delay_s = 0.0
        self.status: int | None = None
        """Of all answers to forms, where the server cannot do its work."""
        self.posts: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            await asyncio.sleep(self.delay_s)
            if self.status:
                await send({"type": "http.response.start", "status": self.status, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            self.posts.append(scope["path"])
        await self.app(scope, receive, send)


class Served:
    """A review on loopback, in this process."""

    def __init__(self, folder: Path) -> None:
        images = folder / "images"
        images.mkdir(exist_ok=True)
        for number in range(1, ITEMS + 1):
            (images / f"{number}.jpg").write_bytes(encoded(picture(seed=number)))
        self.store = ReviewStore(open_database(str(folder / "r.sqlite"), "--database"), "instant")
        rows = [{**row(n), "image_ref": str(images / f"{n}.jpg"), "images": None} for n in range(1, ITEMS + 1)]
        rows[58]["title"] = "Steel Watch"
        self.store.fill(rows, LEAF_PAIRS)
        (folder / "m.csv").write_text("id\n1\n")
        _, images_store = catalog_of(folder / "m.csv", images)
        leaves = Leaves(LEAF_PAIRS, LeafCounts([5, 5], [True, True]))
        review = Review("shop", self.store, Pictures(images_store, 10**8), leaves, None)
        sessions = Sessions(self.store, "secret", None, "Ann")
        self.invitations = Invitations(self.store.people, "secret")
        origins = OriginPolicy(frozenset(LOOPBACK), None)
        self.slow = Slow(review_app(review, sessions, self.invitations, origins, 10**6))
        self.port = 0

    @contextmanager
    def running(self) -> Iterator[str]:
        server = uvicorn.Server(uvicorn.Config(self.slow, port=self.port, log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        self.port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{self.port}"
        server.should_exit = True
        thread.join()

    def page(self, browser: Browser, **options: object) -> Page:
        """A page of a browser in which Ann has used an invitation."""
        client = Reviewer(f"http://127.0.0.1:{self.port}")
        client.join(self.invitations.make(None, "Ann", "lead"))
        page = browser.new_page(base_url=str(client.http.base_url), **options)  # type: ignore[arg-type]
        page.context.add_cookies(cookies_of(client))
        client.http.close()
        return page

    def decided(self) -> int:
        return self.store.counts.progress("Ann").decided


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    review = Served(tmp_path)
    yield review
    review.store.close()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    with served.running():
        opened = served.page(browser)
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.goto("/queue?order=catalogue")
        yield opened
        opened.close(run_before_unload=False)
        assert not problems


def position(page: Page) -> int:
    return int(page.locator("form.item").get_attribute("data-position") or 0)


def ahead(page: Page) -> None:
    """Wait until items are fetched ahead."""
    page.wait_for_load_state("networkidle")


def test_the_next_item_is_there_at_once_while_the_server_takes_half_a_second(page: Page, served: Served) -> None:
    ahead(page)
    served.slow.delay_s = 0.5
    began = time.monotonic()
    first = position(page)
    took = page.evaluate(
        """() => {
            const began = performance.now();
            document.querySelector('[data-key~="a"]').click();
            return performance.now() - began;
        }"""
    )
    assert position(page) == first + 1
    assert took < 50, f"{took} ms until the next item was shown"
    expect(page.locator("#saving")).to_have_text("Saving 1…")
    expect(page.locator("#progress b").first).to_have_text("1")
    assert time.monotonic() - began > 0.4
    expect(page.locator("#saving")).to_be_hidden()
    expect(page.locator("[data-saved]")).to_have_text("Shirts (Apparel) accepted.")


def test_four_keys_within_a_quarter_of_a_second_are_four_decisions(page: Page, served: Served) -> None:
    served.slow.delay_s = 0.5  # also of what is fetched ahead: nothing is, when the keys come
    for _ in range(4):
        page.keyboard.press("a")
        time.sleep(0.06)
    expect(page.locator("#progress b").first).to_have_text("4", timeout=20_000)
    assert [len(served.store.history(n)) for n in range(1, 6)] == [1, 1, 1, 1, 0]


def test_sixty_decisions_a_minute_are_made_by_keyboard_with_a_slow_server(page: Page, served: Served) -> None:
    served.slow.delay_s = 0.5
    began = time.monotonic()
    for count in range(20):
        page.keyboard.press("a")
        expect(page.locator("form.item")).to_have_attribute("data-position", str(count + 2), timeout=20_000)
    expect(page.locator("#progress b").first).to_have_text("20", timeout=30_000)
    per_minute = 20 / (time.monotonic() - began) * 60
    assert served.decided() == 20
    assert per_minute >= 60, f"{per_minute:.0f} decisions a minute"


def test_nothing_is_lost_when_the_server_goes_away_in_the_middle(page: Page, served: Served) -> None:
    ahead(page)
    served.slow.status = 503
    for _ in range(3):
        page.keyboard.press("a")
    expect(page.locator("#saving")).to_contain_text("3 not saved yet")
    assert served.decided() == 0
    page.reload()  # the answers are kept in the browser
    served.slow.status = None
    expect(page.locator("#progress b").first).to_have_text("3", timeout=20_000)
    assert [len(served.store.history(n)) for n in (1, 2, 3)] == [1, 1, 1]


def test_an_answer_that_is_refused_is_said_with_a_way_back(page: Page, served: Served) -> None:
    ahead(page)
    with served.store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE review_queue SET claimed_by = 'bob' WHERE position = 1")
    served.store.decide("bob", "Bob", [accepted(1)])
    page.keyboard.press("a")
    page.keyboard.press("a")
    expect(page.get_by_role("alert")).to_contain_text("Title 1: Not saved: Bob just decided this item.")
    expect(page.locator("#progress b").first).to_have_text("2")
    page.get_by_role("link", name="Open the item").click()
    expect(page.locator(".banner")).to_have_text("Decided: Shirts (Apparel) accepted, by Bob")


def test_an_answer_that_breaks_the_server_does_not_hold_up_the_others(page: Page, served: Served) -> None:
    ahead(page)
    served.slow.status = 500
    page.keyboard.press("a")
    page.keyboard.press("a")
    expect(page.get_by_role("alert")).to_contain_text("Title 1: Not saved: HTTP 500", timeout=30_000)
    served.slow.status = None
    expect(page.locator("#progress b").first).to_have_text("1", timeout=20_000)
    assert [len(served.store.history(n)) for n in (1, 2)] == [0, 1]


def test_undo_is_at_once_and_follows_the_answers_in_order(page: Page, served: Served) -> None:
    ahead(page)
    served.slow.delay_s = 0.3
    page.keyboard.press("a")
    page.keyboard.press("x")
    page.keyboard.press("u")
    assert position(page) == 2, "shown before the server has said anything"
    page.keyboard.press("m")
    assert position(page) == 3
    expect(page.locator("#saving")).to_be_hidden(timeout=20_000)
    said = [[entry.verdict for entry in served.store.history(n)] for n in (1, 2, 3)]
    assert said == [["accepted"], ["unusable", "undone", "master_only"], []]
    page.reload()
    page.keyboard.press("u")  # of an answer that this page has not seen
    expect(page.locator("form.item")).to_have_attribute("data-position", "2")


def test_the_last_answers_are_pictures_that_open_again(page: Page, served: Served) -> None:
    ahead(page)
    for key in ("a", "m", "x", "s"):
        page.keyboard.press(key)
    links = page.locator("#recent a")
    expect(links).to_have_count(4)
    expect(links.first).to_have_attribute("title", "Title 4: Skipped")
    expect(links.nth(2)).to_have_attribute("title", "Title 2: Only the category: Accessories")
    page.keyboard.press("u")
    expect(links).to_have_count(3)
    links.nth(1).click()
    expect(page.locator("form.item")).to_have_attribute("data-position", "2")
    expect(page.locator(".banner")).to_contain_text("Only the category: Accessories, by Ann")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("2")  # there is no such key here: the item has one class
    page.keyboard.press("x")
    expect(links.first).to_have_attribute("title", "Title 2: Marked as unusable")
    expect(links).to_have_count(3)


def test_a_page_that_closes_leaves_nothing_claimed(browser: Browser, page: Page, served: Served) -> None:
    ahead(page)
    assert [i.position for i in served.store.claims.next("bob", Filter(order="catalogue"))] != [1]
    served.store.claims.release("bob")
    page.goto("/try")
    for _ in range(100):
        if [i.position for i in served.store.claims.next("bob", Filter(order="catalogue"))] == [1]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the page kept its items")


@pytest.mark.parametrize("address", ["/queue?order=catalogue", "/grid?order=catalogue"])
def test_a_page_that_stays_open_keeps_its_items(page: Page, served: Served, address: str) -> None:
    page.clock.install()
    page.goto(address)
    ahead(page)
    with served.store._engine.begin() as connection:
        held = connection.exec_driver_sql(_HELD).scalar_one()
        connection.exec_driver_sql("UPDATE review_queue SET claimed_until = 0")
    assert held
    page.clock.fast_forward(31_000)
    for _ in range(100):
        with served.store._engine.begin() as connection:
            if connection.exec_driver_sql(_HELD).scalar_one() == held:
                break
        time.sleep(0.05)
    else:
        pytest.fail("its claims have ended")


def test_the_catalogues_label_is_one_key(page: Page, served: Served) -> None:
    with served.store._engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE review_queue SET known_article = 'Watches', known_master = 'Accessories' WHERE position = 1"
        )
    page.goto("/items/1")
    expect(page.locator(".witnesses.disagree")).to_contain_text("Watches")
    page.keyboard.press("k")
    expect(page.locator("#progress b").first).to_have_text("1")
    (entry,) = served.store.history(1)
    assert (entry.verdict, entry.master, entry.article) == ("corrected", "Accessories", "Watches")


def test_buttons_stay_where_they_are_from_item_to_item(page: Page, served: Served) -> None:
    with served.store._engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE review_queue SET title = '{'A very long title ' * 12}' WHERE position = 2")
    page.set_viewport_size({"width": 1366, "height": 620})
    page.goto("/queue?order=catalogue")
    ahead(page)
    places = []
    for _ in range(3):
        boxes = [
            page.locator(part).first.bounding_box() for part in (".actions .main", ".witness", "button.alternative")
        ]
        places.append([(round(box["x"]), round(box["y"])) for box in boxes if box])
        page.keyboard.press("s")
    assert places[0] == places[1] == places[2]
    main = page.locator(".actions .main").bounding_box()
    assert main and main["y"] + main["height"] <= 620


def test_the_page_speaks_german_to_a_german_browser(browser: Browser, page: Page, served: Served) -> None:
    german = served.page(browser, locale="de-AT")
    german.goto("/queue")
    expect(german.locator("html")).to_have_attribute("lang", "de")
    expect(german.get_by_role("link", name="Warteschlange")).to_be_visible()
    german.locator(".who summary").click()
    german.get_by_label("Sprache").select_option("en")
    german.get_by_role("button", name="Speichern").click()
    expect(german.locator("html")).to_have_attribute("lang", "en")
    german.close()


def test_in_the_grid_a_key_marks_all_or_none_or_what_titles_object_to(page: Page) -> None:
    page.goto("/grid?master=Apparel&article=Shirts")
    boxes, marked = page.locator(".card input"), page.locator(".card input:checked")
    for card in page.locator(".card").all():
        card.scroll_into_view_if_needed()
    expect(page.locator("[data-rest]")).to_contain_text(f"Accept {boxes.count()} as")
    page.keyboard.press("t")
    expect(marked).to_have_count(1)
    expect(marked).to_have_attribute("value", "59")
    expect(page.locator("[data-rest]")).to_contain_text(f"Accept the other {boxes.count() - 1} as")
    page.keyboard.press("i")
    expect(marked).to_have_count(boxes.count() - 1)
    page.keyboard.press("v")
    expect(marked).to_have_count(boxes.count())
    page.keyboard.press("i")
    expect(marked).to_have_count(0)
