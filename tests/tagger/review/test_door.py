"""Who gets in, under which name, and what the page answers to those who ask oddly; without a browser."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tagger.review.store import tables
from tagger.review.store.claims import ReviewStore
from tagger.review.store.leaves import LeafCounts, Leaves
from tagger.review.store.records import Filter
from tagger.review.store.tables import open_database
from tagger.review.web.app import review_app
from tagger.review.web.origins import OriginPolicy
from tagger.review.web.pages import Review
from tagger.review.web.pictures import Pictures
from tagger.review.web.sessions import Sessions, clean_name
from tests.builders import catalog_of
from tests.tagger.review.test_store import LEAF_PAIRS, row

TOKEN = "a-token-of-some-length"
HOSTS = frozenset({"testserver", "localhost"})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewStore]:
    monkeypatch.setattr(tables, "_BUSY_TIMEOUT_S", 0.05)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/1.jpg").touch()
    (tmp_path / "m.csv").write_text("id\n1\n")
    made = ReviewStore(open_database(str(tmp_path / "r.sqlite"), "--database"), "run")
    made.fill((row(n) for n in range(1, 9)), LEAF_PAIRS)
    yield made
    made.close()


class Page:
    """The page, and what it said on the terminal."""

    def __init__(self, store: ReviewStore, folder: Path, token: str | None = None) -> None:
        self.lines: list[str] = []
        _, images = catalog_of(folder / "m.csv", folder / "images")
        leaves = Leaves(LEAF_PAIRS, LeafCounts.of(LEAF_PAIRS, {}, None))
        review = Review("run", store, Pictures(images, 1000), leaves, None)
        sessions = Sessions("secret", "run", token, "Ann", store.settings.ended_sessions(), self.lines.append)
        self._app = review_app(review, sessions, OriginPolicy(HOSTS, None), 1000, self.lines.append)

    def browser(self, host: str = "testserver") -> TestClient:
        return TestClient(self._app, f"http://{host}", raise_server_exceptions=False)


def heading(text: str) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", text, re.S)
    assert found, text
    return found[1]


def csrf(browser: TestClient, address: str = "/queue") -> str:
    found = re.search(r'name="csrf" value="([^"]*)"', browser.get(address).text)
    assert found
    return found[1]


def test_guesses_are_counted_slowed_and_told_without_the_token(store: ReviewStore, tmp_path: Path) -> None:
    page = Page(store, tmp_path, TOKEN)
    guesser = page.browser()
    statuses = [guesser.post("/sign-in", data={"token": f"guess-number-{n}"}).status_code for n in range(5)]
    assert statuses == [403, 403, 403, 429, 429]
    assert "Too many wrong tokens" in guesser.post("/sign-in", data={"token": TOKEN}).text
    assert guesser.get("/queue", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 401
    assert len(page.lines) == 3 and "wrong token from testclient (number 3)" in page.lines[2]
    assert not any("guess-number" in line or TOKEN in line for line in page.lines)
    bearer = Page(store, tmp_path, TOKEN)
    for _ in range(5):
        assert bearer.browser().get("/queue", headers={"authorization": "Bearer guessed"}).status_code == 401
    assert len(bearer.lines) == 3, "both doors count"


def test_who_knows_the_token_gets_in_and_who_shows_none_is_no_guesser(store: ReviewStore, tmp_path: Path) -> None:
    page = Page(store, tmp_path, TOKEN)
    for _ in range(9):
        assert page.browser().get("/queue").status_code == 401
    answer = page.browser().post("/sign-in", data={"token": TOKEN, "who": "Bob"}, follow_redirects=False)
    assert (answer.status_code, page.lines) == (303, [])


@pytest.mark.parametrize(
    ("given", "name"),
    [("Ann", "Ann"), ("  Ann \t Lee ", "Ann Lee"), ("\u202eAnn", "Ann"), ("A\x00n\x1bn\u200b", "Ann"),
     ("\u2066\u2069", ""), ("Zoe\u0301", "Zo\u00e9")],
)  # fmt: skip
def test_a_name_has_nothing_that_is_not_seen(given: str, name: str) -> None:
    assert clean_name(given) == name


def test_a_name_of_nothing_visible_changes_nothing(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser()
    browser.post("/name", data={"csrf": csrf(browser), "who": "Be\u202erta"})
    assert "<summary>Berta</summary>" in browser.get("/queue").text
    browser.post("/name", data={"csrf": csrf(browser), "who": "\u202e"})
    assert "<summary>Berta</summary>" in browser.get("/queue").text
    assert "1 to 60 characters" in heading(browser.post("/name", data={"csrf": csrf(browser), "who": "x" * 61}).text)


def test_only_a_change_of_the_session_sends_its_cookie(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser()
    token = csrf(browser)
    assert "set-cookie" not in browser.get("/leaves.json").headers, "it might overwrite a newer one"
    renamed = browser.post("/name", data={"csrf": token, "who": "Berta"}, follow_redirects=False)
    assert renamed.headers["set-cookie"].startswith("tagger_review_")
    assert all(flag in renamed.headers["set-cookie"].lower() for flag in ("httponly", "samesite=lax", "max-age"))


def test_who_has_signed_out_is_out_also_after_a_restart(store: ReviewStore, tmp_path: Path) -> None:
    page = Page(store, tmp_path, TOKEN)
    browser = page.browser()
    browser.post("/sign-in", data={"token": TOKEN})
    kept = dict(browser.cookies)
    assert browser.post("/sign-out", data={"csrf": "forged"}).status_code == 403
    assert heading(browser.post("/sign-out", data={"csrf": csrf(browser)}).text) == "You are signed out."
    assert not browser.cookies
    for again in (page, Page(store, tmp_path, TOKEN)):
        thief = again.browser()
        thief.cookies.update(kept)
        assert thief.get("/queue").status_code == 401


def test_a_busy_database_is_told_in_plain_words_and_one_line(store: ReviewStore, tmp_path: Path) -> None:
    page = Page(store, tmp_path)
    browser = page.browser()
    form = {"csrf": csrf(browser), "say": "master"}
    blocker = sqlite3.connect(tmp_path / "r.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    answer = browser.post("/items/1/decision", data=form)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert heading(answer.text).startswith("The database is busy, so nothing was saved just now.")
    assert page.lines == ["POST /items/1/decision: the database did not answer: database is locked"]
    blocker.execute("ROLLBACK")
    assert browser.post("/items/1/decision", data=form).status_code == 200
    blocker.close()


def test_what_makes_no_sense_is_answered_in_words(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser()
    assert heading(browser.get("/queue?least=abc").text) == "Confidences are numbers from 0 to 100."
    assert heading(browser.get("/nowhere").text) == "There is no such page."
    token = csrf(browser)
    assert heading(browser.post("/try", data={"csrf": token, "image": ""}).text) == "Choose an image file first."
    nothing = {"csrf": token, "say": "chosen", "chosen": ""}
    assert heading(browser.post("/items/1/decision", data=nothing).text) == "Choose a class first."
    assert "Only an audit" in heading(browser.post("/items/1/decision", data={"csrf": token, "say": "keep"}).text)
    grid = {"csrf": token, "shown": "1,2", "say": "leaf:1"}
    assert heading(browser.post("/grid", data=grid).text) == "Mark the items first."
    assert "No image" in heading(browser.get("/images/2").text)


def test_a_monitor_sees_that_the_page_is_up_and_takes_nothing(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser()
    csrf(browser)
    store.end_session("nobody")
    for address in ("/", "/queue", "/grid", "/items/3", "/static/review.js", "/sign-in"):
        assert browser.head(address).status_code == 200, address
    assert browser.head("/nowhere").status_code == 404
    stranger = Page(store, tmp_path).browser()
    assert stranger.head("/queue").status_code == 200 and not stranger.cookies
    assert [i.position for i in store.next("other", Filter(), 8)] == [4, 5, 6, 7, 8], "three are open, as before"
    assert Page(store, tmp_path, TOKEN).browser().head("/queue").status_code == 401


def test_a_host_may_be_written_with_its_root(store: ReviewStore, tmp_path: Path) -> None:
    page = Page(store, tmp_path)
    assert page.browser("localhost.").get("/sign-in").status_code == 200
    assert page.browser("evil.example").get("/sign-in").status_code == 421
