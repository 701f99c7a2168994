"""The view of duplicates: one group at a time, answered by two keys, and what follows for the review."""

import io
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tagger.manifest.groups import GROUPS, PAIRS
from tagger.schemas.tables.duplicate import DUPLICATE, DUPLICATE_ANSWER, DUPLICATE_PAIR
from tests.builders import encoded, picture
from tests.review_server import Reviewer, ReviewServer
from tests.written_runs import write_run

TSHIRTS, SHIRTS = ("Apparel", "Tshirts"), ("Apparel", "Shirts")
OLD = ("Apparel-Shirts-0", "Apparel-Tshirts-0")
"""Items of the manifest with labels, which the run did not tag; the first has an image."""
SECRET = "secret.jpg"
ALIKE = [["0", "1", "2", "3"], ["4", OLD[0], OLD[1], "gone"], ["5", "6"]]
"""Groups in the order in which they were found; only the labels of the second differ."""


def write_duplicates(shop: Path, alike: Sequence[Sequence[str]] = ALIKE) -> Path:
    """What `tagger duplicates` writes, for groups of ids: a first item, its copies in other files, and one mirrored."""
    folder = shop / "copies"
    folder.mkdir()
    rows = []
    for number, ids in enumerate(alike):
        for place, item_id in enumerate(ids):
            sameness = ["representative", "near", "mirrored", "exact"][place]
            # what these rows say of images is not followed: only the manifest is
            row = {"group": number, "id": item_id, "sameness": sameness, "imageUri": f"{shop}/{SECRET}"}
            rows.append({**row, "imageDigest": f"digest {item_id}", "labelled": False, "conflict": False})
    pairs = [
        {"first": ids[0], "second": other, "distance": 0.021, "mirrored": False, "same": True}
        for ids in alike
        for other in ids[1:3]
    ]
    pq.write_table(pa.Table.from_pylist(rows, DUPLICATE), folder / GROUPS)
    pq.write_table(pa.Table.from_pylist(pairs, DUPLICATE_PAIR), folder / PAIRS)
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    write_run(folder, [(SHIRTS, {SHIRTS: 0.7, TSHIRTS: 0.2})] * 8, {SHIRTS: 2, TSHIRTS: 2})
    (folder / f"images/{OLD[0]}.jpg").write_bytes(encoded(picture(seed=99)))
    (folder / SECRET).write_bytes(encoded(picture(seed=7)))
    write_duplicates(folder)
    return folder


@pytest.fixture
def server(shop: Path) -> Iterator[ReviewServer]:
    with ReviewServer(shop / "run", "--duplicates", str(shop / "copies")) as started:
        yield started


def text_of(page: str) -> str:
    main = page[page.index("<main") : page.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def ids_of(page: str) -> list[str]:
    """The items of the group that is shown, in order."""
    return re.findall(r'class="(?:caption|reason)">Item ([\w-]+)<', page)


def say(reviewer: Reviewer, answer: str, *apart: int) -> int:
    """Press a button of the group that is shown; return the status."""
    action = re.search(r'action="(/duplicates/\d+)"', reviewer.page)
    assert action, reviewer.page
    fields = {"say": answer, "apart": [str(n) for n in apart], "csrf": reviewer.field("csrf")}
    return reviewer.post(action[1], **fields).status_code


def undo(reviewer: Reviewer) -> str:
    reviewer.post("/duplicates/undo", csrf=reviewer.field("csrf"))
    return reviewer.page


def copies_of(reviewer: Reviewer, item: int) -> list[str]:
    """Other items that would be decided with one of the queue."""
    page = reviewer.open(f"/items/{item + 1}")
    return sorted(set(re.findall(r'href="/items/(\d+)[^"]*"', page)) - {str(item + 1)})


@pytest.mark.slow
def test_groups_whose_labels_differ_come_first_with_titles_labels_and_reasons(server: ReviewServer) -> None:
    reviewer = server.client()
    assert "3 groups of duplicates are still to be checked" in text_of(reviewer.open("/"))
    page = reviewer.open("/duplicates")
    assert ids_of(page) == ["4", *OLD, "gone"]
    text = text_of(page)
    assert text.startswith("0 of 3 groups answered. In one group that is left, labels differ")
    assert "Do these 4 items show one picture?" in text
    assert "Thing 4 Item 4 No label The group is compared with this one." in text
    assert f"Old 0 Item {OLD[0]} Shirts (Apparel) Nearly the same image. Layouts differ by 2.1%. Not in this" in text
    assert f"Old 0 Item {OLD[1]} Tshirts (Apparel) A mirror image. Layouts differ by 2.1%." in text
    assert say(reviewer, "yes") == 200
    assert ids_of(reviewer.page) == ["0", "1", "2", "3"]
    text = text_of(reviewer.page)
    assert "Saved: one picture. 1 of 3 groups answered. Do these" in text, "no labels differ in what is left"
    assert "No label" not in text


@pytest.mark.slow
def test_an_image_is_served_only_where_the_manifest_names_it(server: ReviewServer, shop: Path) -> None:
    reviewer = server.client()
    page = reviewer.open("/duplicates")
    sources = [address.replace("&amp;", "&") for address in re.findall(r'<img src="([^"]+)"', page)]
    assert [source.partition("?")[0] for source in sources] == [
        "/images/5", "/duplicates/1/images/2", "/duplicates/1/images/3",
    ]  # fmt: skip
    answers = [reviewer.http.get(source) for source in sources]
    assert [answer.status_code for answer in answers] == [200, 200, 404], "the last has no file"
    assert answers[1].content == (shop / f"images/{OLD[0]}.jpg").read_bytes()
    for number, item in ((1, 4), (1, 5), (9, 1)):
        assert reviewer.http.get(f"/duplicates/{number}/images/{item}").status_code == 404
    assert reviewer.http.get("/duplicates/1/images/0").status_code == 422


@pytest.mark.slow
def test_answers_take_items_apart_in_the_queue_and_undo_puts_them_together(server: ReviewServer) -> None:
    reviewer = server.client()
    assert copies_of(reviewer, 0) == ["2", "3", "4"]
    assert copies_of(reviewer, 5) == ["7"]
    reviewer.open("/duplicates")
    say(reviewer, "skip")
    assert "it comes again at the end" in reviewer.page
    say(reviewer, "yes", 2)
    assert "without the marked items" in reviewer.page
    say(reviewer, "no")
    assert ids_of(reviewer.page)[0] == "4", "the skipped one comes again"
    assert [copies_of(reviewer, n) for n in (0, 1, 2, 5)] == [["3", "4"], [], ["1", "4"], []]
    reviewer.open("/duplicates")
    assert ids_of(undo(reviewer)) == ["5", "6"]
    assert ids_of(undo(reviewer)) == ["0", "1", "2", "3"]
    assert copies_of(reviewer, 1) == ["1", "3", "4"]
    reviewer.open("/duplicates")
    assert ids_of(undo(reviewer))[0] == "4"
    assert "Nothing left to undo" in undo(reviewer)


@pytest.mark.slow
def test_what_is_not_understood_is_refused(server: ReviewServer) -> None:
    reviewer = server.client()
    for answer, apart in (("", ()), ("perhaps", ()), ("yes", (9,)), ("yes", (1, 2, 3))):
        reviewer.open("/duplicates")
        assert say(reviewer, answer, *apart) == 422, (answer, apart)
    assert "Leave at least two items unmarked" in reviewer.page
    reviewer.open("/duplicates")
    assert reviewer.post("/duplicates/99", say="yes", csrf=reviewer.field("csrf")).status_code == 409
    assert reviewer.http.post("/duplicates/1", data={"say": "yes"}).status_code == 403
    assert "0 of 3 groups" in reviewer.open("/duplicates")


@pytest.mark.slow
def test_two_people_get_different_groups_and_the_second_answer_is_refused(server: ReviewServer) -> None:
    ann, bob = server.client(), server.client("Bob", "reviewer")
    ann.open("/duplicates")
    bob.open("/duplicates")
    assert (ids_of(ann.page)[0], ids_of(bob.page)[0]) == ("4", "0")
    bob.post("/duplicates/1", say="yes", csrf=bob.field("csrf"))
    assert "Ann has this group open. Here is the next one." in bob.page
    say(ann, "no")
    assert bob.post("/duplicates/1", say="yes", csrf=bob.field("csrf")).status_code == 409
    assert "Ann has already answered this group." in bob.page
    assert ids_of(bob.page)[0] == "0"
    carl = server.client("Carl", "reviewer")
    carl.open("/duplicates")
    assert "Colleagues have all remaining groups open" in carl.page


@pytest.mark.slow
def test_after_a_restart_the_first_group_without_an_answer_comes_and_the_folder_is_not_needed(shop: Path) -> None:
    with ReviewServer(shop / "run", "--duplicates", str(shop / "copies")) as server:
        reviewer = server.client()
        reviewer.open("/duplicates")
        say(reviewer, "yes")
        server.kill()
    for file in (shop / "copies").iterdir():
        file.unlink()
    with ReviewServer(shop / "run") as server:
        again = server.stranger(cookies=reviewer.http.cookies)
        assert ids_of(again.open("/duplicates")) == ["0", "1", "2", "3"]
        assert "1 of 3 groups" in again.page
        for answer in ("no", "no"):
            say(again, answer)
        assert "All 3 groups are answered" in again.page
        assert ids_of(undo(again)) == ["5", "6"], "also where all is answered"


@pytest.mark.slow
def test_answers_are_taken_away_a_row_an_item(server: ReviewServer) -> None:
    reviewer = server.client()
    assert "/downloads/duplicates" not in reviewer.open("/summary")
    assert reviewer.http.get("/downloads/duplicates.csv").status_code == 404
    reviewer.open("/duplicates")
    say(reviewer, "no")
    say(reviewer, "yes", 4)
    assert "Duplicates (2 of 3 answered)" in reviewer.open("/summary")
    table = pq.read_table(io.BytesIO(reviewer.http.get("/downloads/duplicates.parquet").content))
    assert table.schema.equals(DUPLICATE_ANSWER)
    shown = list(zip(*(table[name].to_pylist() for name in ("group", "id", "samePicture")), strict=True))
    assert shown == [
        *((1, item_id, False) for item_id in ("4", *OLD, "gone")),
        *((0, str(n), n < 3) for n in range(4)),
    ]
    csv = pc.read_csv(io.BytesIO(reviewer.http.get("/downloads/duplicates.csv").content))
    assert csv["samePicture"].to_pylist() == ["no"] * 4 + ["yes"] * 3 + ["no"]
    assert set(csv["decidedBy"].to_pylist()) == {"Ann"}
    assert reviewer.http.get("/downloads/duplicates.xlsx").status_code == 200


@pytest.mark.slow
def test_a_review_without_groups_has_no_such_view(shop: Path) -> None:
    with ReviewServer(shop / "run") as server:
        client = server.client()
        assert 'href="/duplicates"' not in client.open("/queue")
        answer = client.http.get("/duplicates")
        assert (answer.status_code, "--duplicates" in answer.text) == (404, True)
        assert client.http.get("/downloads/duplicates.csv").status_code == 404


@pytest.fixture
def page(browser: Browser, server: ReviewServer) -> Iterator[Page]:
    opened = server.page(browser)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    opened.close()
    assert not problems


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1366])
def test_duplicates_are_worked_through_by_keyboard_alone(page: Page, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/queue")
    page.get_by_role("link", name="Duplicates").click()
    count = page.locator("main .hint").first

    def looks_right() -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        violations = Axe().run(page).response["violations"]
        assert not [v for v in violations if v["impact"] in ("serious", "critical")], violations

    expect(count).to_contain_text("0 of 3 groups")
    expect(page.locator("html")).to_have_class("script")  # keys wait for it
    looks_right()
    page.keyboard.press("y")
    expect(count).to_contain_text("1 of 3 groups")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert page.locator(".card input").nth(1).is_checked()
    looks_right()
    page.keyboard.press("y")
    expect(page.locator(".done")).to_contain_text("without the marked items")
    expect(page.locator("figure.card")).to_have_count(2)
    looks_right()
    page.keyboard.press("z")
    expect(page.locator("#zoom img")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.locator("h1")).to_have_text("All 3 groups are answered")
    looks_right()
    page.keyboard.press("u")
    expect(count).to_contain_text("2 of 3 groups")
    page.keyboard.press("s")
    expect(page.locator(".done")).to_contain_text("comes again")


@pytest.mark.browser
def test_a_page_that_closes_gives_its_group_back(page: Page, server: ReviewServer) -> None:
    page.goto("/duplicates")
    other = server.client("Bob", "reviewer")
    other.open("/duplicates")
    for answer in ("yes", "no"):
        say(other, answer)
    assert "Colleagues have all remaining groups open" in other.page
    page.goto("/summary")
    for _ in range(100):
        if ids_of(other.open("/duplicates")):
            break
        time.sleep(0.05)
    assert ids_of(other.page)[0] == "4"


@pytest.mark.browser
def test_without_a_script_items_are_marked_and_answered_too(browser: Browser, server: ReviewServer) -> None:
    page = server.page(browser, java_script_enabled=False)
    page.goto("/duplicates")
    page.locator("label.card").nth(2).click()
    page.locator(".card input").first.press("Enter")
    expect(page.locator("h1")).to_have_text("No answer was chosen.")
    page.goto("/duplicates")
    page.locator("label.card").nth(2).click()
    page.get_by_role("button", name="Yes, one picture").click()
    expect(page.locator(".done")).to_contain_text("without the marked items")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("main .hint").first).to_contain_text("0 of 3 groups")
    page.context.close()
