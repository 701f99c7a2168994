"""The search among classes forgives hyphens, a plural and one typing mistake, and knows other words for a class."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.review.web.synonyms import Synonyms
from tests.review_server import ReviewServer
from tests.written_runs import write_run

SHIRTS = ("Apparel", "Shirts")
CLASSES = ["Tshirts", "Shirts", "Dresses", "Flip Flops", "Handbags", "Casual Shoes", "Watches", "Scarves", "Capes"]
LABELLED = {("Apparel", name): 30 for name in CLASSES} | {("Apparel", "Capes"): 1}


def test_a_class_has_the_words_of_its_line_in_any_spelling() -> None:
    synonyms = Synonyms([["t-shirts", "tees"], ["Flip Flops", "slides"], ["purses", "wallets"]])
    assert synonyms.of("Tshirts") == ["tees"] and synonyms.of("T-Shirt") == ["tees"]
    assert synonyms.of("flip-flop") == ["slides"]
    assert synonyms.of("Watches") == []


def test_the_words_that_come_with_the_page_know_what_shops_call_things() -> None:
    ours = Synonyms.load()
    for word, article in (("tees", "Tshirts"), ("purses", "Handbags"), ("sneakers", "Casual Shoes")):
        assert word in ours.of(article)


@pytest.mark.parametrize("text", ["tees: t-shirts", "- tees", "- [1, {]", "\xff"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "words.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="--search-words"):
        Synonyms.load(Location(str(file)))
    with pytest.raises(UsageError, match="--search-words"):
        Synonyms.load(Location(str(tmp_path / "none.yaml")))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewServer]:
    folder = tmp_path_factory.mktemp("search")
    run = write_run(folder / "shop", [(SHIRTS, {SHIRTS: 0.5})], LABELLED)
    (folder / "words.yaml").write_text("- [watches, chronographs]\n")
    with ReviewServer(run, "--search-words", str(folder / "words.yaml")) as started:
        yield started


@pytest.fixture(scope="module")
def page(browser: Browser, server: ReviewServer) -> Iterator[Page]:
    opened = server.page(browser, viewport={"width": 1366, "height": 620})
    opened.goto("/queue")
    opened.wait_for_load_state("networkidle")
    yield opened
    opened.close()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("t-shirt", "Tshirts"), ("tee", "Tshirts"), ("flip-flop", "Flip Flops"), ("tshrts", "Tshirts"),
        ("purse", "Handbags"), ("sneaker", "Casual Shoes"), ("dress", "Dresses"), ("dresses", "Dresses"),
        ("wathc", "Watches"), ("shoes casual", "Casual Shoes"), ("shirt", "Shirts"), ("chronograph", "Watches"),
        ("handbgas", "Handbags"), ("scarf", "Scarves"), ("FLIP", "Flip Flops"),
    ],
)  # fmt: skip
def test_what_people_type_finds_the_class(page: Page, typed: str, first: str) -> None:
    page.locator("#search").fill(typed)
    expect(page.locator("#found li").first).to_contain_text(first)
    expect(page.locator("#found li").first).to_have_attribute("aria-selected", "true")


@pytest.mark.browser
def test_where_nothing_fits_the_list_says_so_and_enter_takes_nothing(page: Page) -> None:
    page.locator("#search").fill("qqqq")
    expect(page.locator("#found li")).to_have_text("No class is called that.")
    page.locator("#search").press("Enter")
    page.locator("#search").fill("cape")
    expect(page.locator("#found li").first).to_contain_text("Capes")
    expect(page.locator("#found li[aria-selected=true]")).to_have_count(0)
    expect(page.locator("#progress b").first).to_have_text("0")


@pytest.mark.browser
def test_the_list_opens_upward_where_there_is_no_room_below(page: Page) -> None:
    page.locator("#search").fill("s")
    box = page.locator("#found").bounding_box()
    field = page.locator("#search").bounding_box()
    assert box and field and box["y"] >= 0 and box["y"] + box["height"] <= field["y"]
