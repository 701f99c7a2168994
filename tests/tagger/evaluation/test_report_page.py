"""The report in a real browser, opened as a file: read, sorted and unfolded in both themes and on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tagger.evaluation.automation import Automation, answer
from tagger.evaluation.gaps import Gaps
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.evaluation.pictures import Pictures
from tagger.evaluation.report import Comparison, Extras, Training, write_report
from tagger.io.location import Location
from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.documents.taxonomy import Level
from tests.builders import catalog_of, encoded, picture
from tests.chromium import chromium

pytestmark = pytest.mark.browser
LEAVES = [("Apparel", "Shirts"), ("Apparel", "Tops"), ("Footwear", "Heels with <b>a very long name</b> of their own")]
ITEMS = 90
PHONE, DESKTOP = (390, 844), (1440, 900)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


def evaluation() -> Evaluation:
    """50 shirts, 30 tops and 10 heels, of which 5 shirts and 2 heels are tagged as tops, the surest first."""
    leaf = np.repeat([0, 1, 2], [50, 30, 10])
    tag = leaf.copy()
    tag[:5] = tag[-2:] = 1
    confidence = np.where(tag == leaf, 0.95, 0.9 - 0.1 * np.arange(ITEMS) / ITEMS).astype(np.float32)
    pairs = np.array(LEAVES, object)
    levels = {level: Predicted(pairs[leaf, n], pairs[tag, n], confidence) for n, level in enumerate(Level)}
    ids = [str(n) for n in range(ITEMS)]
    refs = [f"{n}.jpg" for n in ids]
    refs[1] = refs[0]  # two mistakes with one picture
    items = pd.DataFrame({"id": ids, "imageRef": refs, "blurScore": 9.0, "time": "2020"})
    return Evaluation("test", levels, items=items)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "m.csv").write_text("id\n1\n")
    for n in range(ITEMS):
        (folder / f"{n}.jpg").write_bytes(encoded(picture(seed=n)))
    _, store = catalog_of(folder / "m.csv", folder)
    judged = evaluation()
    leaf = np.repeat([0, 1, 2], [300, 200, 60])
    items = pd.DataFrame({"leaf": leaf, "split": np.where(np.arange(len(leaf)) % 5, "train", "test")})
    others = [LeftOut(master_category="Accessories", article_type="Belts", items=8)]
    epoch = {f"{side}_{figure}": 0.5 for side in ("train", "val") for figure in ("loss", "accuracy")}
    extras = Extras(
        training=Training([{"epoch": 0, **epoch}], 0, others), pictures=Pictures(store, 10**8), blur_threshold=5.0,
        against=Comparison("another", judged, judged), byline=["Model 0a1b", "trained on 30 November 2026"],
        gaps=Gaps.of_items(items, LEAVES, others, 20), summary=answer([Automation(ITEMS, 70, 69)]),
    )  # fmt: skip
    write_report(Location(str(folder / "out")), "Model report: shop.csv", {"data": "fad7" * 30}, judged, extras)
    return folder / "out/index.html"


@pytest.fixture(params=[("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE)], ids=str)
def page(browser: Browser, file: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    scheme: Literal["light", "dark"] = request.param[0]
    width, height = request.param[1]
    opened = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
    problems: list[str] = []
    requested: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: requested.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    opened.close()
    assert not problems
    assert {url.partition(":")[0] for url in requested} <= {"file", "data"}


def classes(page: Page) -> Locator:
    """The table of article types."""
    return page.locator("table.classes").nth(1)


def names(page: Page) -> list[str]:
    return [text.split()[0] for text in classes(page).locator("tbody tr:first-child th").all_inner_texts()]


def test_the_page_has_no_accessibility_violation_with_all_of_it_open(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    violations = Axe().run(page)
    assert violations.violations_count == 0, violations.generate_report()
    for plot in page.locator("svg").all():
        assert plot.get_attribute("role") == "img" and plot.get_attribute("aria-label")


def test_nothing_is_wider_than_the_window(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_answer_comes_first_then_what_it_cannot_do_and_engineers_last(page: Page) -> None:
    main = page.locator("main").inner_text()
    parts = [
        "Model report: shop.csv", "Model 0a1b · trained on 30 November 2026", "For the catalogue team",
        "78% of new items are tagged automatically", "It never answers 1 class (8 items, 1% of those labelled)",
        "Which labels would help most", "5 Shirts items were tagged Tops", "Words on this page", "macro F1",
    ]  # fmt: skip
    positions = [main.find(part) for part in parts]
    assert -1 not in positions and positions == sorted(positions), dict(zip(parts, positions, strict=True))
    assert page.locator("h2").all_inner_texts() == ["For the catalogue team", "For engineers"]


def test_a_column_sorts_the_classes_and_their_mistakes_go_along(page: Page) -> None:
    assert names(page) == ["Shirts", "Tops", "Heels"]
    found = classes(page).get_by_role("button", name="Found")
    found.click()
    assert names(page) == ["Tops", "Shirts", "Heels"]
    found.click()
    assert names(page) == ["Heels", "Shirts", "Tops"]
    expect(classes(page).locator("th[aria-sort]")).to_have_attribute("aria-sort", "ascending")
    classes(page).get_by_role("button", name="Class").press("Enter")
    assert names(page) == ["Tops", "Shirts", "Heels"]
    rows = classes(page).locator("tbody").nth(1).locator("tr")
    rows.nth(0).locator("summary").click()
    expect(rows.nth(1)).to_contain_text("5 of 50 items wrong: 5 tagged Tops.")


def test_a_class_opens_its_mistakes_and_closes_them(page: Page) -> None:
    shirts = classes(page).locator("tbody").first
    expect(shirts.locator(".more")).to_be_hidden()
    shirts.locator("summary").press("Enter")
    expect(shirts.locator(".more")).to_be_visible()
    shirts.locator("summary").press("Enter")
    expect(shirts.locator(".more")).to_be_hidden()


def test_heads_stay_in_sight_and_no_table_is_cut(page: Page) -> None:
    table = classes(page)
    table.locator("tbody").last.scroll_into_view_if_needed()
    assert page.evaluate("getComputedStyle(document.querySelector('.classes thead th')).position") == "sticky"
    boxes = page.evaluate("[...document.querySelectorAll('.scroll')].filter(b => b.scrollHeight > b.clientHeight + 20)")
    assert boxes == []
    page.evaluate(
        "window.scrollTo(0, document.querySelectorAll('.classes tbody')[4].getBoundingClientRect().top + scrollY)"
    )
    head = table.locator("thead th").first.bounding_box()
    assert head is not None and -1 <= head["y"] <= 1


def test_no_picture_stands_twice_in_a_section(page: Page) -> None:
    text = page.locator("section").first.inner_html()
    first, last = text.split('id="articleType"')
    for part in (first, last):
        sources = [piece.partition('"')[0] for piece in part.split('src="')[1:]]
        assert sources and len(sources) == len(set(sources))


def test_few_items_are_grey(page: Page) -> None:
    rows = classes(page).locator("tbody tr:first-child")
    assert [("few" in (row.get_attribute("class") or "")) for row in rows.all()] == [False, False, True]
