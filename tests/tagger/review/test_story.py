"""An item's whole story on the review page, and in the command; and a page that tells no model from the other."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tagger.errors import InputError
from tagger.jobs.explain import run as run_command
from tagger.jobs.shell.console import Console
from tagger.schemas.configs.compare import CompareConfig
from tagger.schemas.configs.export import ExplainConfig, ExportConfig, RollbackConfig
from tagger.workflows.compare import compare
from tagger.workflows.explain import explain
from tagger.workflows.export import export
from tagger.workflows.rollback import rollback
from tests.review_server import ReviewServer
from tests.tagger.pim.runs import write_map
from tests.written_runs import write_run

SHIRT, TEE = ("Apparel", "Shirts"), ("Apparel", "Tshirts")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of four items, which were exported."""
    made = write_run(tmp_path / "shop", [(SHIRT, {SHIRT: 0.6, TEE: 0.3})] * 4, {SHIRT: 9}, decision="review")
    fields = {"Type": {"as": "column", "values": "same"}}
    maps = write_map(tmp_path / "map.yaml", "table", fields, key="id")
    (made / "decisions").mkdir()
    decide(made, "0")
    (tmp_path / "current.csv").write_text("id,Type\n0,\n1,\n")
    config = ExportConfig(
        run=str(made), map=str(maps), current=[str(tmp_path / "current.csv")], out=str(tmp_path / "out"), pictures=False
    )
    export(config)
    return made


def decide(made: Path, item: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tagger.schemas.tables.decision import DECISION

    row = {"id": item, "masterCategory": "Apparel", "articleType": "Shirts", "verdict": "accepted", "decidedBy": "Ann",
           "runId": "r", "decidedAt": datetime(2026, 1, 3, tzinfo=UTC)}  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row], DECISION), made / "decisions/part-00000.parquet")


def test_the_story_has_all_that_happened_in_order(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "current.csv").write_text("id,Type\n0,Shirts\n1,\n")
    rollback(RollbackConfig(run=str(run), current=[str(tmp_path / "current.csv")], out=str(tmp_path / "undo")))
    (events,) = explain(ExplainConfig(run=str(run), id=["0"])).values()
    assert [(event.kind, event.words) for event in events] == [
        ("predicted", "Apparel / Shirts 10.0% by image: for review (low confidence)"),
        ("decided", "accepted Apparel / Shirts by Ann"),
        ("exported", "table, Type of 0: (nothing) → Shirts"),
        ("undone", "table, Type of 0: Shirts → (nothing)"),
        ("rolled back", events[-1].words),
    ]  # fmt: skip
    assert "its predictions count no more" in events[-1].words
    assert run_command(ExplainConfig(run=str(run), id=["0", "9"]), Console(as_json=True)) == 0
    out = capsys.readouterr()
    assert "no run of" in out.err
    document = json.loads(out.out)
    assert [event["kind"] for event in document["0"]] == [event.kind for event in events]
    with pytest.raises(InputError, match="knows 9"):
        explain(ExplainConfig(run=str(run), id=["9"]))


@pytest.fixture
def server(run: Path) -> Iterator[ReviewServer]:
    with ReviewServer(run) as started:
        yield started


@pytest.mark.slow
def test_the_page_links_to_the_story_and_tells_it_in_the_readers_language(server: ReviewServer) -> None:
    ann = server.client()
    page = ann.open("/items/1")
    assert 'href="/items/1/story"' in page
    story = ann.open("/items/1/story")
    assert "Predicted: Shirts (Apparel), 10.0%. It waits for a person." in story
    assert "Shirts (Apparel) accepted, by Ann" in story
    assert "Exported to table, Type: none → Shirts" in story


@pytest.mark.slow
@pytest.mark.browser
def test_the_story_is_readable_for_everybody(server: ReviewServer, browser: Browser) -> None:
    page = server.page(browser)
    page.goto("/items/1/story")
    page.wait_for_load_state("networkidle")
    assert Axe().run(page).response["violations"] == []
    page.close()


@pytest.mark.slow
def test_a_judge_does_not_learn_which_model_said_what(tmp_path: Path) -> None:
    old = write_run(tmp_path / "a", [(SHIRT, {SHIRT: 0.9})] * 6, {}, decision="accept")
    new = write_run(tmp_path / "b", [(TEE, {TEE: 0.6})] * 6, {}, decision="accept")
    rows = ["id,masterCategory,articleType,gender", *(f"{n},Apparel,Tshirts,Men" for n in range(6))]
    (tmp_path / "a/m.csv").write_text("\n".join(rows))
    compare(
        CompareConfig(
            old=str(old), new=str(new), manifest=str(tmp_path / "a/m.csv"), images=str(tmp_path / "a/images"),
            out=str(tmp_path / "c"),
        )
    )  # fmt: skip
    with ReviewServer(tmp_path / "c/judge") as started:
        ann = started.client()
        page = ann.open("/queue")
        assert "Two models do not agree about it" in page
        assert page.count('class="alternative"') == 2
        for betrays in ("witness", "%", "<meter", "/story", "Accept ", "articleType</dt>", 'href="/grid'):
            assert betrays not in page.partition('<form class="item"')[2].partition("</main>")[0], betrays
        assert "<dt>gender</dt>" in page
        asked = []
        for _ in range(6):
            page = ann.open("/queue")
            asked.append(page.partition('data-position="')[2].partition('"')[0])
            ann.answer("1")
        assert asked == ["1", "2", "3", "4", "5", "6"], "the order in which they were drawn"
