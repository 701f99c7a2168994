"""Who gets in, under which name, and what the page answers to those who ask oddly; without a browser."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.review.store import database
from tagger.review.store.records import Filter
from tagger.review.store.review import ReviewStore
from tagger.review.web.sessions import clean_text
from tests.tagger.review.in_process import TOKEN, Page, csrf, heading, make_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewStore]:
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_S", 0.05)
    made = make_store(tmp_path)
    yield made
    made.close()


def test_guesses_are_counted_slowed_and_told_without_the_token(store: ReviewStore, tmp_path: Path) -> None:
    page = Page(store, tmp_path, TOKEN)
    guesser = page.stranger()
    statuses = [guesser.post("/sign-in", data={"token": f"guess-number-{n}"}).status_code for n in range(5)]
    assert statuses == [403, 403, 403, 429, 429]
    assert "Too many wrong tokens" in guesser.post("/sign-in", data={"token": TOKEN}).text
    assert guesser.get("/queue", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 401
    assert len(page.lines) == 3 and "wrong token from testclient (number 3)" in page.lines[2]
    assert not any("guess-number" in line or TOKEN in line for line in page.lines)
    bearer = Page(store, tmp_path, TOKEN)
    for _ in range(5):
        assert bearer.stranger().get("/queue", headers={"authorization": "Bearer guessed"}).status_code == 401
    assert len(bearer.lines) == 3, "both doors count"


def test_who_knows_the_token_gets_in_and_who_shows_none_is_no_guesser(store: ReviewStore, tmp_path: Path) -> None:
    page = Page(store, tmp_path, TOKEN)
    for _ in range(9):
        assert page.stranger().get("/queue").status_code == 401
    lead = page.stranger()
    answer = lead.post("/sign-in", data={"token": TOKEN, "who": "Bob"}, follow_redirects=False)
    assert (answer.status_code, page.lines) == (303, [])
    assert "<summary>Ann</summary>" in lead.get("/people").text, "under no name of one's own choice"
    assert page.stranger().get("/people", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    ("given", "name"),
    [("Ann", "Ann"), ("  Ann \t Lee ", "Ann Lee"), ("\u202eAnn", "Ann"), ("A\x00n\x1bn\u200b", "Ann"),
     ("\u2066\u2069", ""), ("Zoe\u0301", "Zo\u00e9")],
)  # fmt: skip
def test_a_name_has_nothing_that_is_not_seen(given: str, name: str) -> None:
    assert clean_text(given) == name


def test_nobody_gives_themselves_another_name(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser("Berta", "reviewer")
    answer = browser.post("/name", data={"csrf": csrf(browser), "who": "Ann", "language": "de"})
    assert "<summary>Berta</summary>" in answer.text and '<html lang="de">' in answer.text
    assert browser.post("/name", data={"csrf": csrf(browser), "language": "tlh"}).status_code == 422


def test_only_a_change_of_the_session_sends_its_cookie(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser()
    token = csrf(browser)
    assert "set-cookie" not in browser.get("/leaves.json").headers, "it might overwrite a newer one"
    german = browser.post("/name", data={"csrf": token, "language": "de"}, follow_redirects=False)
    assert german.headers["set-cookie"].startswith("tagger_review_")
    assert all(flag in german.headers["set-cookie"].lower() for flag in ("httponly", "samesite=lax", "max-age"))


def test_who_has_signed_out_is_out_also_after_a_restart(store: ReviewStore, tmp_path: Path) -> None:
    page = Page(store, tmp_path, TOKEN)
    browser = page.stranger()
    browser.post("/sign-in", data={"token": TOKEN})
    kept = dict(browser.cookies)
    assert browser.post("/sign-out", data={"csrf": "forged"}).status_code == 403
    assert heading(browser.post("/sign-out", data={"csrf": csrf(browser)}).text) == "You are signed out."
    assert not browser.cookies
    for again in (page, Page(store, tmp_path, TOKEN)):
        thief = again.stranger()
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
    assert "no label for this item" in heading(
        browser.post("/items/1/decision", data={"csrf": token, "say": "keep"}).text
    )
    grid = {"csrf": token, "shown": "1,2", "say": "leaf:1"}
    assert heading(browser.post("/grid", data=grid).text) == "Mark the items first."
    assert "cannot be used" in heading(browser.get("/images/2").text)


def test_a_monitor_sees_that_the_page_is_up_and_takes_nothing(store: ReviewStore, tmp_path: Path) -> None:
    browser = Page(store, tmp_path).browser()
    csrf(browser)
    for address in ("/", "/queue", "/grid", "/items/3", "/static/review.js", "/sign-in"):
        assert browser.head(address).status_code == 200, address
    assert browser.head("/nowhere").status_code == 404
    stranger = Page(store, tmp_path).stranger()
    assert stranger.head("/queue").status_code == 401 and not stranger.cookies
    assert stranger.head("/sign-in").status_code == 200
    assert [i.position for i in store.claims.next("other", Filter(), 8)] == [2, 3, 4, 5, 6, 7, 8], (
        "one is open, as before"
    )


def test_a_host_may_be_written_with_its_root(store: ReviewStore, tmp_path: Path) -> None:
    page = Page(store, tmp_path)
    assert page.stranger("localhost.").get("/sign-in").status_code == 200
    assert page.stranger("evil.example").get("/sign-in").status_code == 421
