"""The first page and the last: what waits, what was decided, and the files to take away."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openpyxl
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.review_server import Reviewer, ReviewServer
from tests.written_runs import write_run

TSHIRTS, SHIRTS = ("Apparel", "Tshirts"), ("Apparel", "Shirts")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    run = write_run(
        tmp_path / "shop", [(SHIRTS, {TSHIRTS: 0.3, SHIRTS: 0.6})] * 8, {SHIRTS: 9, TSHIRTS: 9},
        attributes={"gender": ("Men", "Women")}, predicted=[{"gender": ("Men", 0.95)}] * 8,
    )  # fmt: skip
    with ReviewServer(run) as started:
        yield started


@pytest.fixture
def reviewer(server: ReviewServer) -> Reviewer:
    """Somebody who has accepted one item, corrected one, kept one's category, and said that one is unusable."""
    client = server.client()
    client.open("/queue")
    for key in ("a", "2", "m", "x"):
        client.answer(key)
        client.open("/queue")
    return client


def get(reviewer: Reviewer, name: str) -> httpx2.Response:
    answer = reviewer.http.get(f"/downloads/{name}")
    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["content-disposition"]
    return answer


@pytest.mark.slow
def test_the_first_page_says_what_waits_and_why_and_claims_nothing(server: ReviewServer, reviewer: Reviewer) -> None:
    page = reviewer.open("/")
    assert "4 items wait for you" in page
    assert "The model m tagged" in page
    assert "January 2, 2026" in page
    assert 'href="/queue?reason=low_confidence"' in page
    assert "After the first 20 answers" in page
    others = server.client("Bob", "reviewer")
    assert others.open("/queue").count("<h1") == 1
    assert "4 items wait for you" in others.open("/")


@pytest.mark.slow
def test_the_last_page_sums_up_by_verdict_class_person_and_correction(reviewer: Reviewer) -> None:
    page = " ".join(reviewer.open("/summary").split())
    assert "4 of 8 items are decided" in page
    for verdict in ("accepted", "corrected", "only the category", "unusable images"):
        assert f"<li><b>1</b> {verdict}</li>" in page
    assert ">Ann</a></th><td>4</td>" in page
    assert "Shirts (Apparel)</a></td><td>Tshirts (Apparel)</td><td>1</td>" in page
    assert '<th scope="row">Tshirts (Apparel)</th><td>1</td><td>1</td>' in page


@pytest.mark.slow
def test_final_tags_are_taken_away_in_three_formats(reviewer: Reviewer) -> None:
    tags = pq.read_table(io.BytesIO(get(reviewer, "tags.parquet").content)).to_pylist()
    states = [row["state"] for row in tags]
    assert states == ["complete", "complete", "master_only", "unusable", *["waiting"] * 4]
    assert [row["articleType"] for row in tags[:3]] == ["Shirts", "Tshirts", None]
    sheet = openpyxl.load_workbook(io.BytesIO(get(reviewer, "tags.xlsx").content))["Tags"]
    head, *rows = [[cell.value for cell in row] for row in sheet]
    assert [row[head.index("state")] for row in rows] == states
    assert [row[head.index("gender")] for row in rows] == ["Men", "Men", "Men", None, *["Men"] * 4]
    packed = get(reviewer, "tags.csv")
    assert packed.headers["content-disposition"].endswith('run-tags.zip"')
    files = zipfile.ZipFile(io.BytesIO(packed.content))
    assert {name: files.read(name).decode() for name in files.namelist()} == {
        "tags-00000.csv": "id,masterCategory,articleType\n0,Apparel,Shirts\n1,Apparel,Tshirts\n",
        "tags-master-only-00000.csv": "id,masterCategory\n2,Apparel\n",
        "attribute-gender-00000.csv": "id,gender\n" + "".join(f"{n},Men\n" for n in (0, 1, 2, 4, 5, 6, 7)),
    }


@pytest.mark.slow
def test_decisions_are_taken_away_in_three_formats(reviewer: Reviewer) -> None:
    verdicts = ["accepted", "corrected", "master_only", "unusable"]
    parquet = pq.read_table(io.BytesIO(get(reviewer, "decisions.parquet").content))
    assert parquet["verdict"].to_pylist() == verdicts
    csv = pc.read_csv(io.BytesIO(get(reviewer, "decisions.csv").content))
    assert (csv["verdict"].to_pylist(), csv["decidedBy"].to_pylist()) == (verdicts, ["Ann"] * 4)
    sheet = openpyxl.load_workbook(io.BytesIO(get(reviewer, "decisions.xlsx").content))["Decisions"]
    assert sheet.max_row == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tags.exe", "items.csv"])
def test_what_is_no_file_of_the_page_is_refused(reviewer: Reviewer, name: str) -> None:
    assert reviewer.http.get(f"/downloads/{name}").status_code in (404, 422)


@pytest.mark.slow
def test_an_audit_has_decisions_and_no_final_tags(tmp_path: Path) -> None:
    run = write_run(tmp_path / "shop", [(SHIRTS, {})] * 3, {SHIRTS: 9, TSHIRTS: 9}, "audit", [TSHIRTS] * 3)
    with ReviewServer(run) as server:
        client = server.client()
        assert "may be wrong" in client.open("/")
        assert "/downloads/tags" not in client.open("/summary")
        assert client.http.get("/downloads/tags.csv").status_code == 404
        assert client.http.get("/downloads/decisions.csv").status_code == 200


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1366])
def test_both_pages_fit_and_a_screen_reader_finds_nothing_serious(
    browser: Browser, server: ReviewServer, reviewer: Reviewer, scheme: str, width: int
) -> None:
    page = server.page(browser, color_scheme=scheme, viewport={"width": width, "height": 800})
    for address in ("/", "/summary"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert not found, found
    page.goto("/")
    page.keyboard.press("q")
    expect(page).to_have_url(f"{server.url}/queue")
    page.close()
