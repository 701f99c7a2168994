"""Invitations, roles and sessions as the page has them: what is not meant for somebody is refused."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from tagger.review.store.records import Filter
from tagger.review.store.review import ReviewStore
from tagger.review.web.invitations import INVITED_S, START_S, Invitations
from tagger.review.web.people_page import browser_label
from tests.tagger.review.in_process import TOKEN, Page, csrf, heading, make_store
from tests.tagger.review.queue_rows import accepted

POSTS = ("/people", "/people/link", "/people/role", "/people/withdraw", "/people/remove")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReviewStore]:
    made = make_store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def page(store: ReviewStore, tmp_path: Path) -> Page:
    return Page(store, tmp_path)


def post(browser: TestClient, address: str, **fields: object) -> httpx2.Response:
    return browser.post(address, data={"csrf": csrf(browser, "/people"), **fields}, follow_redirects=False)


def role_of(store: ReviewStore, name: str) -> str:
    return next(person.role for person in store.people.everyone() if person.name == name)


def test_a_link_is_looked_at_as_often_as_one_likes_and_used_once(page: Page) -> None:
    link = page.invitations.make(None, "Berta", "reviewer")
    chat, berta, thief = page.stranger(), page.stranger(), page.stranger()
    for _ in range(3):
        assert "Begin as Berta" in chat.get(link).text
    assert chat.get("/queue").status_code == 401, "who has only looked is not in"
    assert berta.post(link, follow_redirects=False).headers["location"] == "/"
    assert "<summary>Berta</summary>" in berta.get("/queue").text
    for answer in (thief.get(link), thief.post(link)):
        assert answer.status_code == 410
        assert heading(answer.text).startswith("This invitation was used, withdrawn, or replaced by a newer one.")
    assert thief.get("/queue").status_code == 401
    assert berta.get(link, follow_redirects=False).headers["location"] == "/", "she is in already"


def test_a_link_ends_after_three_days_and_the_printed_one_after_an_hour(page: Page) -> None:
    links = {START_S: page.invitations.make(None, "Ann", "lead", START_S)}
    links[INVITED_S] = page.invitations.make(None, "Berta", "reviewer")
    began = page.now
    for seconds, link in links.items():
        page.now = began + seconds
        assert "Begin as" in page.stranger().get(link).text
        page.now = began + seconds + 2
        for answer in (page.stranger().get(link), page.stranger().post(link)):
            assert (answer.status_code, heading(answer.text)[:30]) == (410, "This invitation is too old. As")


def test_a_forged_link_and_that_of_another_run_are_refused(page: Page, tmp_path: Path) -> None:
    link = page.invitations.make(None, "Berta", "reviewer")
    (tmp_path / "other").mkdir()
    other = make_store(tmp_path / "other", "another-run")
    foreign = [
        Invitations(other.people, "secret").make(None, "Berta", "lead"),
        Invitations(page.store.people, "guessed").make(None, "Berta", "lead"),
    ]
    other.close()
    for bad in (link[:-1], f"{link}x", "/invitation/nonsense", "/invitation/a.b.c", *foreign):
        for answer in (page.stranger().get(bad), page.stranger().post(bad)):
            assert answer.status_code == 403, bad
            assert heading(answer.text).startswith("This page did not make this invitation, or the link is incomplete.")
    assert page.stranger().post(link, headers={"origin": "http://evil.example"}).status_code == 403
    assert page.stranger().get("/invitation/").status_code == 404


def test_a_lead_invites_withdraws_and_invites_again(page: Page) -> None:
    ann = page.browser()
    shown = post(ann, "/people", name="  Ber\u202eta ", role="reader").text
    assert "Send this link to Berta" in shown
    first = shown.split('id="link" value="http://testserver')[1].split('"')[0]
    assert "Begin as Berta" in page.stranger().get(first).text
    post(ann, "/people/withdraw", name="Berta")
    assert page.stranger().post(first).status_code == 410
    second = post(ann, "/people/link", name="Berta").text.split('id="link" value="http://testserver')[1].split('"')[0]
    third = post(ann, "/people/link", name="Berta").text.split('id="link" value="http://testserver')[1].split('"')[0]
    assert page.stranger().post(second).status_code == 410
    berta = page.stranger()
    assert berta.post(third, follow_redirects=False).status_code == 303
    assert role_of(page.store, "Berta") == "reader"
    assert post(ann, "/people", name="\u202e", role="reader").status_code == 422
    assert post(ann, "/people", name="x" * 61, role="reader").status_code == 422
    assert post(ann, "/people", name="Carl", role="king").status_code == 422
    assert post(ann, "/people/link", name="Nobody").status_code == 404
    taken = post(ann, "/people", name="BERTA", role="reader")
    assert (taken.status_code, "Berta is in this review already" in taken.text) == (409, True)


@pytest.mark.parametrize("role", ["reviewer", "reader"])
def test_who_is_no_lead_changes_nothing_about_people(page: Page, role: str) -> None:
    page.browser()
    berta = page.browser("Berta", role)  # type: ignore[arg-type]
    for address in POSTS:
        fields = {"name": "Berta", "role": "lead", "expected": role}
        answer = post(berta, address, **fields)
        assert (answer.status_code, heading(answer.text)) == (403, "Only a lead can do that."), address
    assert role_of(page.store, "Berta") == role
    seen = berta.get("/people").text
    assert "Your browsers" in seen and "Ann" not in seen and 'href="/people" aria-current' not in seen
    (anns,) = (session for session in page.store.sessions.open() if session.person == "Ann")
    assert post(berta, "/people/sessions", handle=anns.handle).status_code == 404
    assert page.store.sessions.find(anns.key)


def test_a_reader_sees_everything_and_decides_nothing(page: Page) -> None:
    reader = page.browser("Rita", "reader")
    for address in ("/queue", "/grid", "/items", "/items/3", "/try"):
        answer = reader.get(address)
        assert answer.status_code == 200, address
        if address in ("/queue", "/grid", "/items/3"):
            assert "You can look, but not decide" in answer.text and "data-view=" not in answer.text
    assert page.store.claims.opened() == [], "nobody waits for who only looks"
    token = csrf(reader)
    said = {"csrf": token, "say": "master", "note": "x", "shown": "1,2", "count": "3"}
    for address in (
        "/items/1/decision", "/items/1/skip", "/items/1/flag", "/grid", "/undo", "/skipped", "/ahead",
    ):  # fmt: skip
        answer = reader.post(address, data=said)
        assert (answer.status_code, heading(answer.text)[:22]) == (403, "Readers cannot decide."), address
    assert list(page.store.summary.log()) == []
    page.browser()
    page.store.people.change_role("Ann", "Rita", "reviewer", "reader")
    assert reader.post("/items/1/decision", data=said).status_code == 200, "from the next request on"
    assert [entry.decided_by for entry in page.store.history(1)] == ["Rita"]


def test_a_role_changes_under_the_one_that_was_shown_alone(page: Page) -> None:
    ann, bob = page.browser(), page.browser("Bob", "lead")
    page.browser("Cleo", "reviewer")
    assert post(ann, "/people/role", name="Cleo", role="reader", expected="reviewer").status_code == 303
    late = post(bob, "/people/role", name="Cleo", role="lead", expected="reviewer")
    assert (late.status_code, "Someone else has just changed the role of Cleo" in late.text) == (409, True)
    assert role_of(page.store, "Cleo") == "reader"
    assert post(ann, "/people/role", name="Bob", role="reader", expected="lead").status_code == 303
    refused = post(bob, "/people/role", name="Ann", role="reader", expected="lead")
    assert (refused.status_code, role_of(page.store, "Ann")) == (403, "lead")
    for address in ("/people/role", "/people/remove"):
        last = post(ann, address, name="Ann", role="reader", expected="lead")
        assert (last.status_code, "Ann is the only lead" in last.text) == (409, True)
    assert role_of(page.store, "Ann") == "lead"


def test_a_session_that_a_lead_ends_is_out_at_its_next_request_and_its_item_is_free(page: Page) -> None:
    ann, berta = page.browser(), page.browser("Berta", "reviewer")
    token = csrf(berta)
    (opened,) = page.store.claims.opened()
    shown = ann.get("/people").text
    assert "One item open" in shown and f'href="/items/{opened.position}"' in shown
    (session,) = (session for session in page.store.sessions.open() if session.person == "Berta")
    assert session.key not in shown, "nobody gets it by looking"
    assert post(ann, "/people/sessions", handle=session.handle).headers["location"] == "/people"
    assert berta.post("/items/1/decision", data={"csrf": token, "say": "master"}).status_code == 401
    assert berta.get("/queue").status_code == 401
    assert page.store.claims.opened() == []
    assert page.store.claims.next("ann", Filter())[0].position == opened.position
    assert post(ann, "/people/sessions", handle=session.handle).status_code == 404


def test_who_is_taken_out_is_out_at_once(page: Page) -> None:
    ann, berta = page.browser(), page.browser("Berta", "reviewer")
    berta.get("/queue")
    assert post(ann, "/people/remove", name="Berta").status_code == 303
    assert berta.get("/queue").status_code == 401 and page.store.claims.opened() == []


def test_one_ends_own_sessions_elsewhere_and_here(page: Page) -> None:
    there = page.browser("Berta", "reviewer")
    (first,) = page.store.sessions.open()
    here = page.browser("Berta", "reviewer")
    (second,) = (session for session in page.store.sessions.open() if session.key != first.key)
    assert here.get("/people").text.count("End session") == 2
    post(here, "/people/sessions", handle=first.handle)
    assert (there.get("/people").status_code, here.get("/people").status_code) == (401, 200)
    assert heading(post(here, "/people/sessions", handle=second.handle).text) == "You are signed out."
    assert here.get("/people").status_code == 401


def test_another_invitation_in_the_same_browser_ends_the_session_before(page: Page) -> None:
    browser = page.browser("Berta", "reviewer")
    browser.post(page.invitations.make(None, "Carl", "reviewer"))
    assert [session.person for session in page.store.sessions.open()] == ["Carl"]


def test_a_new_token_ends_the_sessions_of_the_old_one_and_no_others(store: ReviewStore, tmp_path: Path) -> None:
    before = Page(store, tmp_path, TOKEN)
    lead, invited = before.stranger(), before.browser("Berta", "reviewer")
    lead.post("/sign-in", data={"token": TOKEN})
    assert lead.get("/people").status_code == 200
    for token in ("another-token-than-before", None):
        after = Page(store, tmp_path, token)
        for browser, status in ((lead, 401), (invited, 200)):
            again = after.stranger()
            again.cookies.update(dict(browser.cookies))
            assert again.get("/people").status_code == status


def test_the_page_says_what_people_decided_and_who_is_gone(page: Page) -> None:
    ann, berta = page.browser(), page.browser("Berta", "reviewer")
    (session,) = (session for session in page.store.sessions.open() if session.person == "Berta")
    page.store.decide(session.key, "Berta", [accepted(1), accepted(2)])
    page.store.decide("old", "Eve", [accepted(3)])
    berta.get("/queue")
    shown = " ".join(ann.get("/people").text.split())
    assert "Berta <small>Reviewer</small>" in shown and "Eve <small>not in this review</small>" in shown
    assert "<dt>Decisions that stand</dt><dd>2</dd>" in shown
    assert "<dt>Corrections</dt><dd>0% <small>(0% to 84%)</small></dd>" in shown
    german = ann.get("/people", headers={"accept-language": "de"}).text
    assert "Geltende Entscheidungen" in german


@pytest.mark.parametrize(
    ("user_agent", "label"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari, iPhone"),
        ("curl/8.5.0", "curl/8.5.0"), ("", ""),
    ],
)  # fmt: skip
def test_browsers_have_the_names_that_people_know(user_agent: str, label: str) -> None:
    assert browser_label(user_agent) == label
