"""Further tags on the review page in a real browser: what is set, what is left alone, and what keys do beside them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.review_server import ReviewServer
from tests.written_runs import write_run

pytestmark = pytest.mark.browser

SHIRTS, TOPS = ("Apparel", "Shirts"), ("Apparel", "Tops")
ATTRIBUTES = {"gender": ("Men", "Women"), "season": ("Summer", "Winter"), "shoe/size (EU)": ("40", "41")}
PREDICTED = {"gender": ("Men", 0.97), "season": ("Summer", 0.41), "shoe/size (EU)": ("40", 0.95)}
ITEMS = 4


@pytest.fixture
def run(tmp_path: Path) -> Path:
    items = [(SHIRTS, {SHIRTS: 0.5, TOPS: 0.3})] * ITEMS
    return write_run(
        tmp_path / "shop", items, {SHIRTS: 9, TOPS: 9}, attributes=ATTRIBUTES, predicted=[PREDICTED] * ITEMS
    )


@pytest.fixture
def server(run: Path) -> Iterator[ReviewServer]:
    with ReviewServer(run) as started:
        yield started


@pytest.fixture
def page(browser: Browser, server: ReviewServer) -> Iterator[Page]:
    opened = server.page(browser, bypass_csp=True)  # axe puts itself into the page
    opened.goto("/queue")
    yield opened
    opened.close()


def decided(page: Page, count: int) -> None:
    expect(page.locator("#progress b").first).to_have_text(str(count))


def choice(page: Page, name: str) -> Locator:
    return page.get_by_label(name, exact=True)


def exported(server: ReviewServer, run: Path) -> dict[str, dict[str, str | None] | None]:
    """The attributes that were set, by id, as the end of the page wrote them."""
    server.stop()
    table = pa.concat_tables([pq.read_table(file) for file in (run / "decisions").glob("*.parquet")])
    said = zip(table["id"].to_pylist(), table["attributes"].to_pylist(), strict=True)
    return {item: each and {a["name"]: a["value"] for a in each} for item, each in said}


def test_enter_sets_nothing_that_was_not_touched(page: Page, server: ReviewServer, run: Path) -> None:
    expect(choice(page, "season")).to_have_value("is:Summer")
    expect(page.locator(".attributes li", has_text="season")).to_contain_text("41.0%")
    expect(page.locator(".attributes .badge")).to_have_text(["unsure"])
    page.keyboard.press("Enter")
    decided(page, 1)
    choice(page, "gender").select_option("Women")
    page.get_by_label("right: season").check()
    page.keyboard.press("a")
    decided(page, 2)
    choice(page, "gender").select_option("none")
    choice(page, "shoe/size (EU)").select_option("41")
    page.keyboard.press("m")
    decided(page, 3)
    choice(page, "gender").select_option("Women")
    page.keyboard.press("x")
    decided(page, 4)
    assert exported(server, run) == {
        "0": None,
        "1": {"gender": "Women", "season": "Summer"},
        "2": {"gender": None, "shoe/size (EU)": "41"},
        "3": None,
    }


def test_keys_in_a_list_change_the_list_and_save_nothing(page: Page) -> None:
    page.keyboard.press("e")
    expect(choice(page, "gender")).to_be_focused()
    page.keyboard.press("w")
    expect(choice(page, "gender")).to_have_value("is:Women")
    for key in ("2", "x", "Enter"):
        page.keyboard.press(key)
    expect(choice(page, "gender")).not_to_be_focused()
    expect(choice(page, "gender")).to_have_value("is:Women")
    decided(page, 0)
    page.keyboard.press("Enter")
    decided(page, 1)
    page.goto("/items/1")
    expect(page.locator(".history li")).to_contain_text("Shirts (Apparel) accepted; gender: Women")


def test_after_a_choice_by_mouse_the_next_key_is_about_the_item(page: Page) -> None:
    choice(page, "gender").dispatch_event("pointerdown")
    choice(page, "gender").focus()
    choice(page, "gender").select_option("Women")
    expect(choice(page, "gender")).not_to_be_focused()
    page.keyboard.press("2")
    decided(page, 1)
    page.goto("/items/1")
    expect(page.locator(".history li")).to_contain_text("Changed to Tops (Apparel); gender: Women")


def test_a_decided_item_shows_what_was_set_and_undo_what_is_predicted(page: Page) -> None:
    choice(page, "gender").select_option("Women")
    page.get_by_label("right: season").check()
    page.keyboard.press("a")
    decided(page, 1)
    page.goto("/items/1")
    expect(choice(page, "gender")).to_have_value("is:Women")
    expect(page.get_by_label("right: season")).to_be_checked()
    page.keyboard.press("2")
    expect(page.locator("figcaption a[href^='/items/']")).not_to_have_attribute("href", "/items/1")
    expect(page.locator("[data-saved]")).to_contain_text("Changed to Tops")
    page.goto("/items/1")
    expect(page.locator(".history li").last).to_contain_text("Changed to Tops (Apparel); gender: Women; season: Summer")
    for taken_back in ("Changed to Tops", "Shirts (Apparel) accepted"):
        page.wait_for_load_state("networkidle")
        page.keyboard.press("u")
        expect(page.locator("[data-saved]")).to_contain_text(f"Undone: {taken_back}")
    decided(page, 0)
    page.goto("/items/1")
    expect(choice(page, "gender")).to_have_value("is:Men")
    expect(page.get_by_label("right: season")).not_to_be_checked()


def test_what_the_page_does_not_have_is_refused(server: ReviewServer) -> None:
    client = server.client()
    client.open("/queue")
    said = {"say": "master", "expected": "", "csrf": client.field("csrf")}
    for wrong in ({"attribute:gender": "is:Cats"}, {"attribute:colour": "none"}, {"right:colour": "true"}):
        assert client.http.post(f"/items/{client.position}/decision", data=said | wrong).status_code == 422
    assert "<b>0</b> of" in client.open("/queue")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_lists_are_read_aloud_and_fit_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert not found
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_a_script_enter_in_a_tick_saves_nothing(browser: Browser, server: ReviewServer) -> None:
    page = server.page(browser, java_script_enabled=False)
    page.goto("/queue")
    page.get_by_label("right: season").press("Enter")
    expect(page.get_by_role("heading")).to_have_text("No answer was chosen.")
    page.goto("/queue")
    decided(page, 0)
    page.context.close()
