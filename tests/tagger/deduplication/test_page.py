"""The page of duplicates in a real browser, as a file: pairs are judged by keyboard, verdicts are downloaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tagger.deduplication.judged import read_judged
from tagger.deduplication.page import page_of
from tagger.evaluation.pictures import Pictures
from tagger.io.location import Location
from tagger.schemas.tables.duplicate import DUPLICATE
from tests.builders import catalog_of, encoded, picture
from tests.chromium import chromium

pytestmark = pytest.mark.browser
SIDES = ("first", "second")
IDS = [("1", "2"), ('3 "red", <b>new</b>', "=4"), ("5", "6")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "m.csv").write_text("id\n1\n")
    (tmp_path / "1.jpg").write_bytes(encoded(picture()))
    _, store = catalog_of(tmp_path / "m.csv", tmp_path)
    item = {"masterCategory": "Apparel", "articleType": "Shirts", "labelled": True, "imageUri": f"{tmp_path}/1.jpg"}
    sides = [
        pd.DataFrame({**item, "id": item_id}).add_prefix(f"{side}.")
        for side, item_id in zip(SIDES, zip(*IDS, strict=True), strict=True)
    ]
    sample = pd.concat([*sides, pd.DataFrame({"structure": [0.9, 0.8, 0.7], "judged": pd.NA})], axis=1)
    near = {"group": 0, "sameness": "near", "imageDigest": "digest", "conflict": False}
    groups = pa.Table.from_pylist([{**item, **near, "id": name} for name in IDS[0]], DUPLICATE)
    (tmp_path / "index.html").write_text(page_of(groups, Pictures(store, 10**8), 5, sample, "my copies"))
    return tmp_path / "index.html"


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, file: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    scheme: Literal["light", "dark"] = request.param
    opened = browser.new_page(color_scheme=scheme)
    problems: list[str] = []
    requested: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda request: requested.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    opened.close()
    assert not problems
    assert {url.partition(":")[0] for url in requested} <= {"file", "data", "blob"}


def test_the_page_names_the_command_that_opens_its_groups(page: Page) -> None:
    expect(page.locator("code").first).to_have_text("tagger review --run RUN --duplicates 'my copies'")


def test_pairs_are_judged_by_keyboard_and_what_was_said_is_read_back(page: Page, tmp_path: Path) -> None:
    expect(page.locator("#pairs img")).to_have_count(6)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    with page.expect_download() as download:
        page.locator("#seen").press("Enter")
    download.value.save_as(tmp_path / "judged.csv")
    assert download.value.suggested_filename == "judged.csv"
    judged = read_judged(Location(str(tmp_path / "judged.csv")))
    assert list(zip(judged["first"], judged["second"], strict=True)) == IDS
    assert judged["structure"].tolist() == [0.9, 0.8, 0.7]
    assert judged["same"].tolist() == [True, False, True]


def test_a_person_who_stops_early_downloads_the_pairs_looked_at(page: Page, tmp_path: Path) -> None:
    page.get_by_label("Pairs looked at").fill("2")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download judged.csv").click()
    download.value.save_as(tmp_path / "judged.csv")
    assert len(read_judged(Location(str(tmp_path / "judged.csv")))) == 2


def test_the_page_has_no_accessibility_violation(page: Page) -> None:
    violations = Axe().run(page)
    assert violations.violations_count == 0, violations.generate_report()
