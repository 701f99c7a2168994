"""Items with several images on the review page, and what image and title say each: seen, chosen, and nobody else's."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.builders import encoded, picture
from tests.review_server import Reviewer, ReviewServer
from tests.tagger.review.queue_rows import row
from tests.written_runs import write_run

pytestmark = pytest.mark.browser

OLD = Path(__file__).parent / "old"
SHIRTS, TOPS = ("Apparel", "Shirts"), ("Apparel", "Tops")


def said(ref: Path | str, article: str | None, confidence: float | None, error: str | None = None) -> dict[str, object]:
    """One of several images, by PREDICTION."""
    return {"imageUri": str(ref), "articleType": article, "articleTypeConfidence": confidence, "errorCode": error}


def by_itself(kind: str, image: tuple[str, float] | None, title: tuple[str, float] | None) -> dict[str, object]:
    """What image and title say each, by PREDICTION."""
    names = ("ArticleType", "ArticleTypeConfidence")
    both = {"image": image or (None, None), "title": title or (None, None)}
    return {"evidence": kind} | {
        f"{witness}{name}": value for witness, says in both.items() for name, value in zip(names, says, strict=True)
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five items: with five images and a title, with one and a title, with one, with unusable ones, with two alone."""
    folder = tmp_path_factory.mktemp("several") / "shop"
    images = folder / "images"
    several = [
        said(images / "0_1.jpg", "Tops", 0.31),
        said(images / "0.jpg", "Shirts", 0.61),
        said(images / "0_3.jpg", None, None, "not_found"),
        said(images / "0_4.jpg", "Tops", 0.12),
        said(images / "gone.jpg", "Shirts", 0.5),
    ]
    more = [
        {"images": several, **by_itself("image+title", ("Shirts", 0.61), ("Tops", 0.93))},
        by_itself("image+title+columns", ("Shirts", 0.61), ("Shirts", 0.93)),
        by_itself("image", ("Shirts", 0.61), None),
        {
            "images": [
                said(images / "3.jpg", None, None, "corrupt"),
                said("http://a/b.jpg", None, None, "store_error"),
            ],
            **by_itself("title", None, ("Shirts", 0.7)),
        },
        {
            "images": [said(images / "4.jpg", "Shirts", 0.6), said(images / "4_2.jpg", "Shirts", 0.5)],
            **by_itself("image", ("Shirts", 0.7), None),
        },
    ]
    written = write_run(folder, [(SHIRTS, {SHIRTS: 0.5, TOPS: 0.3})] * len(more), {SHIRTS: 9, TOPS: 9}, more=more)
    for seed, name in enumerate(("0_1.jpg", "0_3.jpg", "0_4.jpg", "4_2.jpg"), 50):
        (images / name).write_bytes(encoded(picture(seed=seed)))
    return written


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[ReviewServer]:
    with ReviewServer(run, "--database", str(run.parent / "shared.sqlite")) as started:
        yield started


@pytest.fixture
def client(server: ReviewServer) -> Reviewer:
    opened = server.client()
    opened.open("/queue")
    return opened


@pytest.fixture
def page(browser: Browser, server: ReviewServer) -> Iterator[Page]:
    opened = server.page(browser, bypass_csp=True)  # axe puts itself into the page
    opened.goto("/items/1")
    yield opened
    opened.close()


def small(page: Page) -> Locator:
    return page.locator(".images li")


def large(page: Page) -> Locator:
    return page.locator("figure > img")


def witnesses(client: Reviewer, position: int) -> list[str]:
    """What model and title say of an item, as the page shows it."""
    found = re.findall(r'<li(?: class="silent")?>\s*<(?:button|div)[^>]*class="witness">(.*?)</(?:button|div)>',
                       client.open(f"/items/{position}"), re.DOTALL)  # fmt: skip
    said = [" ".join(re.sub(r"<[^>]+>", "", each).split()) for each in found]
    return [each.partition(" Apparel ")[0] for each in said if each.startswith(("Model", "Title"))]


def test_the_surest_image_is_large_and_the_others_say_what_they_are(page: Page) -> None:
    expect(large(page)).to_have_attribute("src", re.compile(r"^/images/1\?run="))
    expect(small(page)).to_have_text(
        [
            re.compile(r"Shirts 61\.0%\s+most confident"),
            re.compile(r"Tops 31\.0%"),
            "Image 3 cannot be used: the file is missing",
            re.compile(r"Tops 12\.0%"),
            re.compile(r"No image: .*Shirts 50\.0%", re.DOTALL),
        ]
    )
    page.wait_for_load_state("networkidle")
    assert page.locator("img").evaluate_all("all => all.every((image) => image.naturalWidth)"), "none is broken"


def test_a_click_and_a_key_show_another_image_large_and_decide_nothing(page: Page) -> None:
    address = page.url
    small(page).nth(1).get_by_role("link").click()
    expect(large(page)).to_have_attribute("src", re.compile(r"^/images/1/1\?run="))
    expect(page.locator("#announcer")).to_have_text("Image 1 of item 0: Tops 31.0%")
    for number in (4, 5):
        page.keyboard.press("i")
        expect(page.locator(".images [aria-current]")).to_have_attribute("href", f"/items/1/images/{number}")
    expect(page.locator("figure > .no-picture")).to_contain_text("No image: ")
    page.keyboard.press("i")
    expect(large(page)).to_have_attribute("src", re.compile(r"^/images/1\?run="))
    expect(page.locator("#progress")).to_contain_text("0 of 5")
    assert page.url == address, "nothing was loaded anew"
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("the next image of an item with several")


def test_without_a_script_a_link_shows_another_image_large(browser: Browser, server: ReviewServer) -> None:
    page = server.page(browser, java_script_enabled=False)
    page.goto("/items/1?order=certain")
    small(page).nth(3).get_by_role("link").click()
    assert page.url.endswith("/items/1/images/4?order=certain")
    expect(large(page)).to_have_attribute("src", re.compile(r"^/images/1/4\?run="))
    expect(page.locator(".images [aria-current]")).to_contain_text("Tops 12.0%")
    page.goto("/items/4")
    expect(page.locator("figure > .no-picture")).to_have_text("This image cannot be used: the file is damaged.")
    expect(small(page)).to_have_text(
        ["Image 1 cannot be used: the file is damaged", "Image 2 cannot be used: the image server does not answer"]
    )
    page.context.close()


def test_each_image_comes_by_its_number_and_only_those_of_the_item(client: Reviewer, run: Path) -> None:
    images = run.parent / "images"
    for address, name in {"/images/1": "0", "/images/1/1": "0_1", "/images/1/2": "0", "/images/1/4": "0_4"}.items():
        assert client.http.get(address).content == (images / f"{name}.jpg").read_bytes(), address
    for address in ("/images/1/3", "/images/1/6", "/images/2/1", "/images/4/1", "/images/9/1"):
        assert client.http.get(address).status_code == 404, address
    for address in ("/images/1/0", "/images/1/-1", "/images/1/x", f"/images/1/{10**20}"):
        assert client.http.get(address).status_code == 422, address
    assert client.http.get("/images/1/..%2f..%2fm.csv").status_code in (404, 422)
    for further in ("?image=4_2.jpg", f"?ref={images}/4_2.jpg", f"?imageUri={images}/4_2.jpg"):
        assert client.http.get(f"/images/1/1{further}").content == (images / "0_1.jpg").read_bytes()
    for address in ("/items/1/images/3", "/items/1/images/6", "/items/3/images/1", "/items/9/images/1"):
        assert client.http.get(address).status_code == 404, address
    assert "There is no such image." in client.http.get("/items/1/images/x").text


def test_what_image_and_title_say_is_shown_where_more_than_images_were_asked(client: Reviewer) -> None:
    assert witnesses(client, 1) == ["Model a Shirts", "Title t Tops"]
    assert "They disagree" in client.page and "93.0%" in client.page
    assert witnesses(client, 2) == ["Model a Shirts", "Title t Shirts"]
    assert "They disagree" not in client.page
    assert witnesses(client, 3) == witnesses(client, 5) == ["Model a Shirts", "Title nothing"]
    assert witnesses(client, 4) == ["Model a Shirts", "Title t Shirts"]


def test_an_item_with_one_image_looks_as_it_did(client: Reviewer) -> None:
    shown = client.open("/items/3")
    assert re.findall("<img.*>", shown) == [
        '<img src="/images/3?run=written-shop" data-original="/images/3?run=written-shop&amp;w=4000" '
        'alt="Image of item 2" data-picture>'
    ]
    assert 'class="images"' not in shown and "Next image" not in shown


def test_a_queue_of_an_older_version_goes_on_and_shows_what_it_did(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "older.sqlite"
    shirt = {**row(1), "image_ref": str(run.parent / "images/0.jpg")}
    with sqlite3.connect(file) as older:
        for name in ("first", "second"):
            older.executescript((OLD / f"{name}.sql").read_text().replace("SERIAL", "INTEGER"))
        shirt |= {"run_id": "written-shop", "reason_bits": 1, "refused": False, "claimed_until": 0}
        names = [column[1] for column in older.execute("PRAGMA table_info(review_queue)") if column[1] in shirt]
        values = [json.dumps(v) if isinstance(v, list | dict) else v for v in (shirt[name] for name in names)]
        marks = ", ".join("?" * len(names))
        older.execute(f"INSERT INTO review_queue ({', '.join(names)}) VALUES ({marks})", values)
        leaves = json.dumps([SHIRTS, TOPS])
        older.execute("INSERT INTO review_settings VALUES ('written-shop', 'leaves', ?)", [leaves])
    older.close()
    with ReviewServer(run, "--database", str(file)) as server:
        client = server.client()
        shown = client.open("/items/1")
        assert (shown.count("<img"), witnesses(client, 1)[1]) == (1, "Title nothing")
        assert client.http.get("/images/1").status_code == 200
        assert client.http.get("/images/1/1").status_code == 404
        assert client.answer("a").status_code == 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_images_are_read_aloud_and_fit_the_window(page: Page, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for address in ("/items/1", "/items/4"):
        page.goto(address)
        found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert not found
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
