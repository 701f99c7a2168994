"""The review page in a real browser: by keyboard alone, two people at once, the server killed, and read aloud."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tagger.models.bundle import Bundle
from tests.builders import encoded, picture
from tests.conftest import Outcome
from tests.review_server import ITEMS, ReviewServer, make_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, bundle_dir: Path, embedded_ray: None) -> Path:
    return make_run(tmp_path_factory.mktemp("page"), bundle_dir)


@pytest.fixture
def server(run: Path, tmp_path: Path) -> Iterator[ReviewServer]:
    with ReviewServer(run, "--database", str(tmp_path / "r.sqlite")) as started:
        yield started


@pytest.fixture
def page(browser: Browser, server: ReviewServer) -> Iterator[Page]:
    opened = server.page(browser)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("dialog", lambda dialog: problems.append(dialog.message))
    yield opened
    opened.close()
    assert not problems


def decided(page: Page, count: int) -> None:
    """Wait until so many items are decided."""
    expect(page.locator("#progress")).to_contain_text(f"{count} of {ITEMS}")


def shown(page: Page) -> str:
    """Address of the item that is shown."""
    return page.locator("figcaption a[href^='/items/']").get_attribute("href") or ""


def look_at_all(page: Page) -> None:
    """Scroll past every card of the grid: what was not on the screen is not accepted."""
    for card in page.locator(".card").all():
        card.scroll_into_view_if_needed()


def history_of(page: Page, item: str) -> list[str]:
    page.goto(item)
    return page.locator(".history li").all_inner_texts()


def test_the_queue_is_worked_through_by_keyboard_alone(page: Page) -> None:
    page.goto("/queue")
    seen = []
    keys = ["a", "2", "m", "x", "Enter"]
    for count, key in enumerate(keys, 1):
        seen.append(shown(page))
        page.keyboard.press(key)
        decided(page, count)
    skipped = shown(page)
    page.keyboard.press("s")
    expect(page.locator("figcaption a[href^='/items/']")).not_to_have_attribute("href", skipped)
    assert len({*seen, skipped, shown(page)}) == 7
    page.keyboard.press("u")
    expect(page.locator("figcaption a[href^='/items/']")).to_have_attribute("href", skipped)
    decided(page, 5)
    page.keyboard.press("u")
    decided(page, 4)
    assert shown(page) == seen[-1], "what was undone is shown again"
    page.keyboard.press("Backspace")
    decided(page, 3)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("button.alternative").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    decided(page, 4)
    said = [history_of(page, item)[0] for item in seen[:3]]
    assert " accepted, by Ann, " in said[0] and said[1].startswith("Changed to ")
    assert said[2].startswith("Only the category: ")


def test_a_class_is_found_among_143_by_typing(page: Page) -> None:
    page.goto("/queue")
    item = shown(page)
    page.keyboard.press("/")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("type 77")
    expect(page.locator("#found li")).to_have_count(1)
    page.keyboard.press("ArrowDown")  # one item has it: it is rare
    page.keyboard.press("Enter")
    decided(page, 1)
    assert history_of(page, item)[0].startswith("Changed to Rare Type 77")
    page.goto("/queue")
    page.keyboard.press("/")
    page.keyboard.type("x" * 9)
    expect(page.locator("#found li")).to_have_text("No class is called that.")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox")).not_to_be_focused()
    decided(page, 1)
    assert len(page.evaluate("fetch('/leaves.json').then(r => r.json())")) >= 143


def test_the_grid_is_worked_through_by_keyboard_alone(page: Page) -> None:
    page.goto("/grid")
    cards = page.locator(".card input")
    items = cards.count()
    positions = [cards.nth(i).input_value() for i in range(items)]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    look_at_all(page)
    expect(page.locator("button.main")).to_contain_text(f"Accept the other {items - 2}")
    page.keyboard.press("/")
    page.keyboard.type("rare type 5")
    expect(page.locator("#found li").first).to_contain_text("Rare Type 5")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    decided(page, 2)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    wrong = page.locator(".card input:checked").input_value()
    look_at_all(page)
    expect(page.locator("button.main")).to_contain_text("Accept the other")
    accepted = cards.count() - 1
    page.keyboard.press("Enter")
    decided(page, 2 + accepted)
    assert history_of(page, f"/items/{positions[0]}")[0].startswith("Changed to Rare Type 5")
    assert history_of(page, f"/items/{positions[1]}")[0].startswith("Changed to Rare Type 5")
    assert history_of(page, f"/items/{wrong}")[0].startswith("One item marked as wrong")
    page.goto("/grid")
    page.keyboard.press("u")
    decided(page, 2)


def test_shift_and_a_click_mark_all_between(page: Page) -> None:
    page.goto("/grid")
    cards = page.locator(".card")
    cards.nth(1).click()
    cards.nth(4).click(modifiers=["Shift"])
    expect(page.locator(".card input:checked")).to_have_count(4)
    cards.nth(2).locator("input").click(modifiers=["Shift"])
    expect(page.locator(".card input:checked")).to_have_count(1)


def test_two_people_at_once_never_see_the_same_item(browser: Browser, server: ReviewServer) -> None:
    people = [server.page(browser) for _ in range(2)]
    seen: list[str] = []
    for person in people:
        person.goto("/queue")
    for turn in range(12):
        person = people[turn % 2]
        seen.append(shown(person))
        assert shown(people[0]) != shown(people[1])
        person.keyboard.press("a")
        decided(person, turn + 1)
    assert len(set(seen)) == 12
    for person in people:
        person.close()


def test_a_killed_server_is_told_and_the_work_goes_on_when_it_is_back(
    run: Path, tmp_path: Path, browser: Browser
) -> None:
    flags = ["--database", str(tmp_path / "k.sqlite")]
    with ReviewServer(run, *flags) as server:
        page = server.page(browser)
        page.goto("/queue")
        page.keyboard.press("a")
        decided(page, 1)
        item = shown(page)
        page.wait_for_load_state("networkidle")
        server.kill()
        page.keyboard.press("a")
        expect(page.locator("#saving")).to_contain_text("1 not saved yet: the server does not answer")
        assert shown(page) != item, "the work goes on"
        page.keyboard.press("x")
    with ReviewServer(run, *flags, "--port", str(server.port)):
        expect(page.locator("#saving")).to_be_hidden(timeout=30_000)
        decided(page, 3)
        assert len(history_of(page, item)) == 1
        page.close()


def test_a_title_that_is_a_script_is_a_title(page: Page) -> None:
    page.goto("/find?id=0")
    expect(page.get_by_role("heading", level=1)).to_have_text("<script>document.title='broken'</script><b>Bag</b>")
    assert "broken" not in page.title().split("<")[0]
    page.goto("/grid")
    assert page.locator("b", has_text="Bag").count() == 0


def test_keys_can_be_switched_off(page: Page) -> None:
    page.goto("/queue")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Enable keyboard shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.locator(".actions").get_by_role("button", name="Accept").click()
    decided(page, 1)


def test_a_picture_is_chosen_and_its_prediction_shows(page: Page) -> None:
    page.goto("/try")
    page.locator("input[type=file]").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": _jpeg()})
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".result h2")).to_be_visible(timeout=60_000)
    expect(page.locator(".result li.alternative")).to_have_count(5)
    page.locator("input[type=file]").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"words"})
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_contain_text("it begins with 'words'")


def test_without_a_script_the_forms_do_the_same(browser: Browser, server: ReviewServer) -> None:
    page = server.page(browser, java_script_enabled=False)
    page.goto("/queue")
    page.get_by_role("button", name=re.compile("^Accept")).click()
    assert "1 of" in page.locator("#progress").inner_text()
    page.get_by_role("button", name="Undo").click()
    assert "0 of" in page.locator("#progress").inner_text()
    page.locator("select[name=chosen]").select_option(label="Rare Type 9 (Apparel), rare here: 1 item")
    page.get_by_role("button", name="Use this class").click()
    assert "1 of" in page.locator("#progress").inner_text()
    page.context.close()


def test_items_with_one_picture_are_decided_at_once(
    browser: Browser, tmp_path: Path, bundle_dir: Path, embedded_ray: None
) -> None:
    run = make_run(tmp_path, bundle_dir, alike=3)
    with ReviewServer(run) as server:
        page = server.page(browser)
        page.goto("/queue")
        first = shown(page)
        others = page.locator(".alike a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert len(others) == 2 and first not in others
        page.keyboard.press("m")
        decided(page, 3)
        for item in [first, *others]:
            assert history_of(page, item)[0].startswith("Only the category")
        page.keyboard.press("u")
        decided(page, 0)
        expect(page.locator("[data-saved]")).to_contain_text("Undone: ")
        assert shown(page) == first, "what was decided is shown, and not one of its copies"
        page.wait_for_load_state("networkidle")
        page.keyboard.press("c")
        page.keyboard.press("2")
        decided(page, 1)
        assert history_of(page, others[0]) == history_of(page, others[1])
        assert len(history_of(page, others[0])) == 2, "of the copies nothing more was said"
        page.goto(others[0])
        expect(page.get_by_label("the other item with this picture")).to_be_checked()
        expect(page.locator(".alike")).to_contain_text("decided")
        page.keyboard.press("s")
        expect(page.locator("figcaption a[href^='/items/']")).not_to_have_attribute("href", others[0])
        assert shown(page) != others[1], "it is skipped, too"
        found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert not found
        page.close()


def test_an_item_is_decided_like_those_that_look_like_it(
    browser: Browser,
    tmp_path: Path,
    bundle: Bundle,
    bundle_dir: Path,
    embedded_ray: None,
    tagger: Callable[..., Outcome],
) -> None:
    run = make_run(tmp_path, bundle_dir, embeddings=True)
    leaf = bundle.card.taxonomy.leaves[0]
    rows = [f"{n},{leaf.masterCategory},{leaf.articleType}" for n in range(ITEMS)]
    (tmp_path / "labels.csv").write_text("\n".join(["id,masterCategory,articleType", *rows]) + "\n")
    made = tagger("index", run, "--manifest", tmp_path / "labels.csv", "--out", tmp_path / "index")
    assert made.code == 0, made.err
    with ReviewServer(run, "--index", str(tmp_path / "index")) as server:
        page = server.page(browser)
        page.goto("/queue")
        first = shown(page)
        expect(page.locator(".alike li")).to_have_count(5)
        loaded = "images => images.every(image => image.complete && image.naturalWidth > 0)"
        page.wait_for_load_state("networkidle")
        assert page.locator(".alike img").evaluate_all(loaded)
        assert first not in [page.locator(".alike img").nth(n).get_attribute("alt") for n in range(5)]
        found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert not found
        page.keyboard.press("d")
        decided(page, 1)
        assert leaf.articleType in history_of(page, first)[0]
        assert page.request.get("/look-alikes/999").status == 404
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_screen_reader_finds_nothing_serious_in_its_way(
    browser: Browser, server: ReviewServer, scheme: str, width: int
) -> None:
    page = server.page(
        browser,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 800},
        bypass_csp=True,  # axe puts itself into the page
    )
    for address in ("/queue", "/grid", "/try", "/find?id=nobody", "/sign-in", "/people"):
        page.goto(address)
        if address == "/queue":
            page.locator(".filter summary").click()
        if address == "/grid":
            page.keyboard.press("ArrowRight")
            page.keyboard.press("x")
        found = Axe().run(page).response["violations"]
        serious = [v["id"] for v in found if v["impact"] in ("serious", "critical")]
        assert not serious, f"{address}: {serious} {[n['html'] for v in found for n in v['nodes']]}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            f"{address} is wider than the window"
        )
    page.context.close()


def _jpeg() -> bytes:
    return encoded(picture(seed=1))
