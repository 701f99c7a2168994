"""The view of people in a real browser: by keyboard, on a phone, in both themes, without a script, and read aloud."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.review_server import ReviewServer
from tests.written_runs import write_run

pytestmark = pytest.mark.browser
SHIRTS = ("Apparel", "Shirts")
HOSTILE = "<script>document.title='broken'</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("people"), [(SHIRTS, {SHIRTS: 0.4})] * 60, {SHIRTS: 9})


@pytest.fixture
def server(run: Path, tmp_path: Path) -> Iterator[ReviewServer]:
    with ReviewServer(run, "--database", str(tmp_path / "r.sqlite")) as started:
        yield started


@pytest.fixture
def lead(browser: Browser, server: ReviewServer) -> Iterator[Page]:
    page = server.page(browser)
    page.goto("/people")
    yield page
    page.close()


def member(page: Page, name: str) -> str:
    return page.locator(".member", has=page.get_by_role("heading", name=name)).inner_text()


def tab_to(page: Page, name: str, role: str = "button") -> None:
    """Press Tab until something with this name has the focus."""
    goal = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
    for _ in range(60):
        page.keyboard.press("Tab")
        if goal.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"Tab does not reach {name}")


def test_a_colleague_is_invited_comes_in_and_is_seen_by_keyboard_alone(browser: Browser, server: ReviewServer) -> None:
    lead = browser.new_page(base_url=server.url)
    lead.goto(server.link or "")
    tab_to(lead, "Begin as Ann")
    lead.keyboard.press("Enter")
    expect(lead.locator(".start")).to_be_visible()
    lead.goto("/people")
    tab_to(lead, "Name (recorded with each decision)", "textbox")
    lead.keyboard.type("Berta")
    lead.keyboard.press("Enter")
    link = lead.get_by_label("Send this link to Berta:").input_value()
    assert link.startswith(f"{server.url}/invitation/")
    assert "Invited; the link works until" in member(lead, "Berta")
    berta = browser.new_page(base_url=server.url)
    berta.goto(link)
    berta.get_by_role("button", name="Begin as Berta").press("Enter")
    berta.locator(".start").get_by_role("link", name="Item by item").press("Enter")
    expect(berta.locator("form.item")).to_be_visible()
    berta.wait_for_load_state("networkidle")
    expect(berta.get_by_role("link", name="People")).to_have_count(0)
    berta.keyboard.press("a")
    expect(berta.locator("#progress b").first).to_have_text("1")
    berta.wait_for_load_state("networkidle")  # the next item is open only now
    lead.goto("/people")
    seen = member(lead, "Berta")
    assert re.search(r"Decisions that stand\s+1\b", seen) and "Chrome, Linux" in seen
    assert re.search(r"One item open since \d+:\d\d.* UTC: Thing \d+", seen.replace("\u202f", " "))
    tab_to(lead, "End the session of Berta in Chrome, Linux")
    lead.keyboard.press("Enter")
    expect(lead.locator(".member", has_text="Berta")).to_contain_text("Signed in nowhere")
    berta.goto("/queue")
    expect(berta.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "ask a lead for a new one" in berta.locator("main").inner_text()
    berta.goto(link)
    expect(berta.get_by_role("heading")).to_contain_text("This invitation was used")
    berta.close()
    lead.close()


def test_a_role_is_changed_and_counts_at_once(browser: Browser, lead: Page, server: ReviewServer) -> None:
    rita = server.page(browser, "Rita", "reviewer")
    rita.goto("/queue")
    expect(rita.locator(".actions")).to_be_visible()
    lead.goto("/people")
    lead.get_by_label("Role of Rita", exact=True).select_option("reader")
    lead.get_by_role("button", name="Change the role of Rita").click()
    assert "Reader" in member(lead, "Rita").splitlines()[0]
    rita.keyboard.press("a")
    expect(rita.get_by_role("alert")).to_contain_text("Readers cannot decide.")
    problems: list[str] = []
    rita.on("response", lambda answer: problems.append(answer.url) if answer.status >= 400 else None)
    for address in ("/queue", "/grid"):
        rita.goto(address)
        expect(rita.locator(".banner").first).to_contain_text("You can look, but not decide")
        expect(rita.locator(".actions")).to_have_count(0)
        for key in ("a", "x", "2", "u", "Enter", "s"):
            rita.keyboard.press(key)
        rita.wait_for_load_state("networkidle")
    rita.goto("/people")
    expect(rita.get_by_text("Your role here: Reader.")).to_be_visible()
    assert not problems
    rita.close()


def test_the_last_lead_is_told_why_the_role_stays(lead: Page) -> None:
    lead.get_by_label("Role of Ann", exact=True).select_option("reader")
    lead.get_by_role("button", name="Change the role of Ann").click()
    expect(lead.get_by_role("alert")).to_contain_text("Ann is the only lead.")
    expect(lead.get_by_role("button", name="Remove Ann from this review")).to_have_count(0)


def test_it_all_works_without_a_script(browser: Browser, server: ReviewServer) -> None:
    page = server.page(browser, java_script_enabled=False)
    page.goto("/people")
    page.get_by_label("Name (recorded").fill(HOSTILE)
    page.get_by_role("button", name="Invite", exact=True).click()
    assert page.locator("#link").input_value().startswith("http://127.0.0.1:")
    page.get_by_role("button", name=f"Withdraw the invitation of {HOSTILE}").click()
    assert "has no open invitation" in member(page, HOSTILE)
    page.get_by_role("button", name=f"Remove {HOSTILE} from this review").click()
    assert page.get_by_role("heading", name=HOSTILE).count() == 0
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_in_the_way_of_a_screen_reader_or_a_phone(
    browser: Browser, server: ReviewServer, scheme: str, width: int
) -> None:
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 844}, "bypass_csp": True}
    lead, reader = server.page(browser, **options), server.page(browser, "A" * 60, "reader", **options)
    server.invite(f"Zoe {HOSTILE}")
    reader.goto("/queue")
    pages = [(lead, "/people"), (reader, "/people"), (reader, "/queue"), (reader, "/grid")]
    pages += [(lead, "/sign-in"), (lead, server.invite("Berta")), (lead, "/invitation/nonsense")]
    for page, address in pages:
        page.goto(address)
        found = Axe().run(page).response["violations"]
        assert not found, f"{address}: {[(v['id'], n['html']) for v in found for n in v['nodes']]}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} is too wide"
        assert page.title() != "broken"
    lead.goto("/people")
    boxes = [button.bounding_box() for button in lead.locator(".people button").all()]
    assert boxes and all(box and box["height"] >= 44 for box in boxes), "a thumb finds each button"
    lead.close()
    reader.close()
