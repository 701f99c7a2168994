"""The quality check: items of the sample come in a random order, without their tags; the page says what they show."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tagger.flow.hash_order import sample_order
from tagger.review.web.check import in_random_order
from tests.review_server import Reviewer, ReviewServer
from tests.written_runs import write_run

TSHIRTS, SHIRTS = ("Apparel", "Tshirts"), ("Apparel", "Shirts")
SAMPLED, WAITING = 40, 3
CHOICE = re.compile(r'value="leaf:(\d+)" data-key="(\d)"[^>]*>.*?<span class="class">(\w+)', re.S)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    """Three items wait for a person; forty of the accepted ones were drawn to be checked; the target is 90%."""
    more: list[dict[str, object]] = [{"reviewReasons": ["low_confidence"]}] * WAITING
    more += [{"reviewReasons": ["qa_sample"]}] * SAMPLED
    items = [(SHIRTS, {SHIRTS: 0.7, TSHIRTS: 0.2})] * (WAITING + SAMPLED)
    labelled = {SHIRTS: 9, TSHIRTS: 9}
    run = write_run(tmp_path / "shop", items, labelled, more=more, target_precision={"articleType": 0.9})
    with ReviewServer(run) as started:
        yield started


def say(reviewer: Reviewer, article: str) -> None:
    """Answer with a class, by its button."""
    number = next(number for number, _, name in CHOICE.findall(reviewer.page) if name == article)
    address = re.search(r'action="(/check/\d+[^"]*)"', reviewer.page)
    assert address
    reviewer.post(address[1], say=f"leaf:{number}", csrf=reviewer.field("csrf"))


def id_of(page: str) -> str:
    found = re.search(r"<figcaption>\s*Item (\d+)", page)
    assert found
    return found[1]


@pytest.mark.slow
def test_the_tag_and_its_confidence_are_not_on_the_page(server: ReviewServer) -> None:
    page = server.client().open("/check")
    main = page[page.index("<main") : page.index("</main>")]
    assert "%" not in main
    assert [name for *_, name in CHOICE.findall(main)] == ["Shirts", "Tshirts"], "in the order of the alphabet"
    assert 'class="main"' not in main


@pytest.mark.slow
def test_the_sample_is_asked_about_in_its_random_order_and_shown_nowhere_else(server: ReviewServer) -> None:
    ids = [str(n) for n in range(WAITING, WAITING + SAMPLED)]
    reviewer = server.client()
    asked = []
    reviewer.open("/check")
    for _ in range(5):
        asked.append(id_of(reviewer.page))
        say(reviewer, "Shirts")
    assert asked == [ids[n] for n in np.argsort(sample_order(ids))[:5]]
    assert f"{WAITING} items wait for you" in reviewer.open("/")
    for _ in range(WAITING):
        reviewer.open("/queue")
        reviewer.answer("a")
    assert f"Check {SAMPLED - 5} items that the model was sure of" in reviewer.open("/queue")
    assert reviewer.http.get("/queue?reason=qa_sample").url.path == "/check"


@pytest.mark.slow
def test_after_each_answer_the_page_says_what_is_shown_and_stops_when_the_target_is(server: ReviewServer) -> None:
    reviewer = server.client()
    reviewer.open("/check")
    answers = 0
    while "/check/" in reviewer.page:
        say(reviewer, "Shirts")
        answers += 1
        assert f"After {answers if answers > 1 else 'one'} answer" in reviewer.page
    assert 15 < answers < SAMPLED, "the target is shown before the whole sample is decided"
    assert "The target of 90% is shown." in reviewer.page
    assert "You can stop" in reviewer.page
    say_more = reviewer.open("/check?more=true")
    assert "/check/" in say_more


@pytest.mark.slow
def test_wrong_tags_lose_the_target(server: ReviewServer) -> None:
    reviewer = server.client()
    reviewer.open("/check")
    for _ in range(30):
        if "/check/" not in reviewer.page:
            break
        say(reviewer, "Tshirts")
    assert "The target of 90% is lost" in reviewer.page
    assert "You can stop" in reviewer.page


@pytest.mark.slow
def test_an_answer_is_skipped_and_undone_and_no_other_item_is_answered_here(server: ReviewServer) -> None:
    reviewer = server.client()
    first = id_of(reviewer.open("/check"))
    address = re.search(r'action="(/check/\d+)', reviewer.page)
    assert address
    reviewer.post(address[1], say="skip", csrf=reviewer.field("csrf"))
    second = id_of(reviewer.page)
    assert second != first
    say(reviewer, "Shirts")
    assert "After one answer" not in reviewer.page
    assert "One answer does not count yet" in reviewer.page, "who skips what is hard shows nothing"
    reviewer.post("/undo", view="check", csrf=reviewer.field("csrf"))
    assert id_of(reviewer.page) == second
    say(reviewer, "Shirts")
    reviewer.post("/skipped", view="check", csrf=reviewer.field("csrf"))
    assert id_of(reviewer.page) == first
    say(reviewer, "Shirts")
    assert "After 2 answers" in reviewer.page and "not count" not in reviewer.page
    assert reviewer.post("/check/1", say="unusable", csrf=reviewer.field("csrf")).status_code == 404


def test_answers_count_up_to_the_first_item_without_one() -> None:
    ids = [f"i{n}" for n in range(6)]
    order = [ids[n] for n in np.argsort(sample_order(ids))]
    rows = pd.DataFrame(
        {
            "id": order[::-1],
            "answered": True,
            "right": True,
            "waiting": False,
            "decidedAt": None,
            "level": "articleType",
        }
    )
    rows.loc[rows["id"] == order[2], ["answered", "right", "waiting"]] = [False, False, True]
    ordered, held = in_random_order(rows)
    assert ordered["id"].tolist() == order
    assert ordered["answered"].tolist() == [True, True, *[False] * 4]
    assert ordered["waiting"].tolist() == [False, False, *[True] * 4]
    assert (held, ordered["decidedAt"].tolist()) == (3, [*range(6)])


@pytest.mark.slow
def test_a_run_without_a_sample_says_how_to_draw_one(tmp_path: Path) -> None:
    run = write_run(tmp_path / "shop", [(SHIRTS, {SHIRTS: 0.7})] * 3, {SHIRTS: 9})
    with ReviewServer(run) as server:
        client = server.client()
        assert 'href="/check"' not in client.open("/queue")
        answer = client.http.get("/check")
        assert (answer.status_code, "--qa-sample" in answer.text) == (404, True)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1366])
def test_the_check_is_worked_through_by_keyboard_alone(
    browser: Browser, server: ReviewServer, width: int, scheme: str
) -> None:
    page: Page = server.page(browser, color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto("/check")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert not found, found
    page.keyboard.press("1")
    expect(page.locator(".promise").first).to_contain_text("After one answer")
    page.keyboard.press("/")
    page.keyboard.type("tshirt")
    expect(page.locator("#found li").first).to_contain_text("Tshirts")
    page.keyboard.press("Enter")
    expect(page.locator(".promise").first).to_contain_text("After 2 answers")
    page.keyboard.press("u")
    expect(page.locator(".promise").first).to_contain_text("After one answer")
    page.close()
