"""The page makes wrong answers hard: what is rare, what is suggested, what was seen, and what a key takes back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.review_server import ReviewServer
from tests.written_runs import write_run

pytestmark = pytest.mark.browser

TSHIRTS, SHIRTS, ODD = ("Apparel", "Tshirts"), ("Apparel", "Shirts"), ("Accessories", "Tshirts")
WATCHES, GIFTS = ("Accessories", "Watches"), ("Free Items", "Free Gifts")
LABELLED = {TSHIRTS: 300, ODD: 1, SHIRTS: 120, WATCHES: 60, GIFTS: 40, ("Apparel", "Capes"): 2, ("Footwear", "Caps"): 5}
ITEMS = 60
LABELS = [GIFTS] * 8 + [ODD] * 4 + [SHIRTS] * 2
FROM_TO = "Catalogue: Free Gifts (Free Items) → suggested: Watches (Accessories)"
LABEL_CELL = re.compile(r"Catalogue k\s*Free Gifts\s*Free Items")
SUGGESTED_CELL = re.compile(r"Suggested a\s*Watches\s*Accessories")
SUGGESTED = [WATCHES] * 8 + [TSHIRTS] * 4 + [None] * 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty Shirts, of which other classes are more probable: the tag is the best article of the best master."""
    alternatives = {WATCHES: 0.3, GIFTS: 0.2, SHIRTS: 0.1}
    return write_run(tmp_path_factory.mktemp("safe"), [(SHIRTS, alternatives)] * ITEMS, LABELLED)


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    items = [(label, {to or WATCHES: 0.8, label: 0.1}) for label, to in zip(LABELS, SUGGESTED, strict=True)]
    return write_run(tmp_path_factory.mktemp("audited"), items, LABELLED, "audit", SUGGESTED)


@pytest.fixture
def server(run: Path, tmp_path: Path) -> Iterator[ReviewServer]:
    with ReviewServer(run, "--database", str(tmp_path / "r.sqlite")) as started:
        yield started


@pytest.fixture
def audit_server(audit: Path, tmp_path: Path) -> Iterator[ReviewServer]:
    with ReviewServer(audit, "--database", str(tmp_path / "a.sqlite")) as started:
        yield started


@pytest.fixture
def page(browser: Browser, server: ReviewServer) -> Iterator[Page]:
    opened = server.page(browser, viewport={"width": 1280, "height": 720})
    yield opened
    opened.close()


@pytest.fixture
def audit_page(browser: Browser, audit_server: ReviewServer) -> Iterator[Page]:
    opened = audit_server.page(browser, bypass_csp=True)  # axe puts itself into the page
    yield opened
    opened.close()


def decided(page: Page, count: int) -> None:
    expect(page.locator("#progress b").first).to_have_text(str(count))


def history_of(page: Page, position: int) -> list[str]:
    page.goto(f"/items/{position}")
    return page.locator(".history li").all_inner_texts()


def type_class(page: Page, text: str) -> list[str]:
    page.keyboard.press("/")
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
    expect(page.locator("#found li").first).to_be_visible()
    return page.locator("#found li").all_inner_texts()


def test_enter_after_a_search_takes_the_class_that_most_items_have(page: Page) -> None:
    page.goto("/queue")
    assert type_class(page, "tshirt") == ["Tshirts Apparel · 300 items", "Tshirts Accessories · rare here: 1 item"]
    page.keyboard.press("Enter")
    decided(page, 1)
    assert history_of(page, 1)[0].startswith("Changed to Tshirts (Apparel)")
    page.goto("/queue")
    assert type_class(page, "T-Shirt")[0].startswith("Tshirts Apparel")
    page.keyboard.press("Escape")
    assert [name.split(" ")[0] for name in type_class(page, "ca")] == ["Caps", "Capes"], "what is rare comes last"
    assert [name.split(" ")[0] for name in type_class(page, "shirts")] == ["Shirts", "Tshirts", "Tshirts"]


def test_what_is_rare_is_taken_only_when_an_arrow_chose_it(page: Page) -> None:
    page.goto("/queue")
    assert type_class(page, "tshirts acc") == ["Tshirts Accessories · rare here: 1 item"]
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("rare here")
    decided(page, 0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    decided(page, 1)
    assert history_of(page, 1)[0].startswith("Changed to Tshirts (Accessories)")


def test_without_a_script_the_common_pair_comes_first_and_nothing_is_chosen_beforehand(
    browser: Browser, server: ReviewServer
) -> None:
    page = server.page(browser, java_script_enabled=False)
    page.goto("/queue")
    names = [n for n in page.locator("select[name=chosen] option").all_inner_texts() if "Tshirts" in n]
    assert names == ["Tshirts (Apparel)", "Tshirts (Accessories), rare here: 1 item"]
    page.get_by_role("button", name="Use this class").click()
    expect(page.get_by_role("heading")).to_have_text("Choose a class first.")
    page.context.close()


def test_the_models_tag_stands_first_and_is_what_a_and_1_take(page: Page) -> None:
    for position, key in enumerate(("a", "1"), 1):
        page.goto("/queue")
        first = page.locator("button.alternative").first
        expect(first).to_contain_text("Shirts Apparel · the model's tag")
        assert len(page.locator("button.alternative").all()) == 3
        page.keyboard.press(key)
        decided(page, position)
        assert history_of(page, position)[0].startswith("Shirts (Apparel) accepted")


def test_undo_after_a_skip_takes_back_the_skip(page: Page) -> None:
    page.goto("/queue")
    page.keyboard.press("a")
    decided(page, 1)
    skipped = page.locator("figcaption a[href^='/items/']").get_attribute("href")
    page.keyboard.press("s")
    expect(page.locator("figcaption a[href^='/items/']")).not_to_have_attribute("href", skipped or "")
    page.keyboard.press("u")
    expect(page.locator("[data-saved]")).to_have_text("Undone: Skipped.")
    expect(page.locator("figcaption a[href^='/items/']").first).to_have_attribute("href", skipped or "")
    decided(page, 1)
    page.keyboard.press("u")
    expect(page.locator("[data-saved]")).to_have_text("Undone: Shirts (Apparel) accepted.")
    decided(page, 0)
    page.keyboard.press("u")
    expect(page.locator("[data-saved]")).to_have_text("Nothing left to undo.")


def accept_button(page: Page) -> int:
    """How many items the button says it would accept."""
    found = re.search(r"Accept (?:the other )?(\d+)", page.locator("button.main").inner_text())
    assert found
    return int(found[1])


def on_screen(page: Page) -> list[str]:
    """The cards that are wholly on the screen, below the bar."""
    script = """cards => {
      const top = document.querySelector('.sticky').getBoundingClientRect().bottom;
      const boxes = cards.map(card => [card, card.getBoundingClientRect()]);
      const whole = boxes.filter(([, box]) => box.top >= top && box.bottom <= innerHeight);
      return whole.map(([card]) => card.querySelector('input').value);
    }"""
    return page.locator(".card").evaluate_all(script)


def test_the_grid_accepts_what_was_on_the_screen_and_says_so(page: Page) -> None:
    page.goto("/grid")
    expect(page.locator("button.main")).to_contain_text(re.compile(r"Accept [1-9]\d* of 48"))
    whole = on_screen(page)
    count = accept_button(page)
    assert len(whole) <= count < 48
    last = page.locator(".card input").last.get_attribute("value") or ""
    page.keyboard.press("a")
    decided(page, count)
    expect(page.locator(".done")).to_have_text(f"{count} accepted as Shirts (Apparel).")
    expect(page.locator("#announcer")).to_contain_text(f"{count} accepted as Shirts (Apparel)")
    assert not history_of(page, int(last)), "of what was below nothing was said"
    page.goto("/grid")
    page.keyboard.press("u")
    decided(page, 0)
    expect(page.locator(".done")).to_have_text(f"Undone: {count} accepted as Shirts (Apparel).")


def test_who_scrolls_through_the_grid_accepts_all_of_it(page: Page) -> None:
    page.goto("/grid")
    for card in page.locator(".card").all():
        card.scroll_into_view_if_needed()
    expect(page.locator("button.main")).to_contain_text("Accept 48 as Shirts")
    page.locator(".card").nth(3).click()
    expect(page.locator("button.main")).to_contain_text("Accept the other 47")
    page.keyboard.press("a")
    decided(page, 47)
    expect(page.locator(".done")).to_contain_text("47 accepted as Shirts (Apparel), One item marked as wrong")


def test_an_item_without_its_picture_is_not_accepted_in_the_grid(browser: Browser, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    broken = write_run(folder, [(SHIRTS, {SHIRTS: 0.5})] * 4, LABELLED)
    (folder / "images/2.jpg").unlink()
    with ReviewServer(broken) as server:
        page = server.page(browser)
        page.goto("/grid")
        expect(page.locator(".card .no-picture")).to_have_text(re.compile("No image: "))
        expect(page.locator("button.main")).to_contain_text("Accept 3 of 4")
        page.goto("/find?id=2")
        expect(page.locator("figure")).to_contain_text("No image: ")
        page.close()


def test_an_audit_takes_the_suggestion_by_its_big_button_and_keeps_the_label_by_k(audit_page: Page) -> None:
    page = audit_page
    page.goto("/queue")
    expect(page.locator(".witness").nth(0)).to_have_text(LABEL_CELL)
    expect(page.locator(".witness").nth(1)).to_have_text(SUGGESTED_CELL)
    expect(page.locator("button.main")).to_have_text("Change to Watches a")
    expect(page.locator("button.alternative").first).to_contain_text("Watches Accessories · suggested")
    found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert not found
    for count, key in enumerate(("Enter", "k", "a", "1"), 1):
        page.keyboard.press(key)
        decided(page, count)
    said = [history_of(page, position)[0].split("\n")[0] for position in (1, 2, 3, 4)]
    assert [s.split(", by Ann")[0] for s in said] == [
        "Changed to Watches (Accessories)", "Label Free Gifts (Free Items) kept", "Changed to Watches (Accessories)",
        "Changed to Watches (Accessories)",
    ]  # fmt: skip
    page.goto("/find?id=13")
    expect(page.locator(".witness").nth(1)).to_contain_text("nothing")
    expect(page.locator("button.main")).to_have_count(0)
    page.keyboard.press("a")
    page.keyboard.press("k")
    decided(page, 5)


def test_the_grid_of_an_audit_goes_from_label_to_suggestion(audit_page: Page, audit_server: ReviewServer) -> None:
    page = audit_page
    page.goto("/grid")
    expect(page.get_by_role("heading", level=1)).to_have_text(FROM_TO)
    assert page.locator(".classes a").all_inner_texts() == [
        "Free Gifts → Watches\n8", "Tshirts (Accessories) → Tshirts (Apparel)\n4"
    ]  # fmt: skip
    found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert not found
    expect(page.locator("button.main")).to_contain_text("Change 8 to Watches")
    page.keyboard.press("k")
    expect(page.get_by_role("alert")).to_contain_text("Mark the items first.")
    page.locator(".card").nth(0).click()
    page.keyboard.press("k")
    decided(page, 1)
    expect(page.locator(".done")).to_contain_text("Label Free Gifts (Free Items) kept")
    page.locator(".card").nth(0).click()
    page.locator(".card").last.scroll_into_view_if_needed()
    expect(page.locator("button.main")).to_contain_text("Change the other 6 to Watches")
    page.keyboard.press("Enter")
    decided(page, 7)
    expect(page.locator(".done")).to_contain_text("6 changed to Watches (Accessories), One item marked as wrong")
    expect(page.get_by_role("heading", level=1)).to_contain_text("suggested: Tshirts (Apparel)")
    page.keyboard.press("u")
    decided(page, 1)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Catalogue: Free Gifts")
    assert history_of(page, 1)[0].startswith("Label Free Gifts (Free Items) kept")


def test_signing_out_ends_the_session(page: Page) -> None:
    page.goto("/queue")
    cookies = page.context.cookies()
    page.locator(".who summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading")).to_have_text("You are signed out.")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]  # who has kept a copy of the cookie
    page.goto("/queue")
    expect(page.get_by_role("heading")).to_have_text("Sign in")
