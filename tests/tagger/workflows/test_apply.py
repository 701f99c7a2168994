"""Final tags as a Python user gets them, and what the command says of the same."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.decisions.read import export as export_decisions
from tagger.decisions.read import export_refit_tags
from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.jobs.apply import run
from tagger.jobs.shell.console import Console
from tagger.review.store.database import open_database
from tagger.review.store.records import Change
from tagger.review.store.refits import RefitRecord, RefitTag
from tagger.review.store.review import ReviewStore
from tagger.runs.directory import RunDirectory
from tagger.schemas.configs.apply import ApplyConfig
from tagger.schemas.tables.decision import DECISION, Verdict
from tagger.schemas.tables.final_tag import TagState
from tagger.workflows.apply import apply
from tests.tagger.review.queue_rows import row
from tests.written_runs import Leaf, write_run

LEAF: Leaf = ("Apparel", "Shirts")


@pytest.fixture
def config(tmp_path: Path) -> ApplyConfig:
    """A run of three items that wait for a person, who decided about the first, and about one that is not there."""
    folder = write_run(tmp_path / "shop", [(LEAF, {LEAF: 0.5})] * 3, {})
    now = datetime(2026, 1, 3, tzinfo=UTC)
    decided = {"masterCategory": "Apparel", "articleType": "Shirts", "verdict": "accepted", "decidedBy": "Ann"}
    rows = [{"id": item, "decidedAt": now, "runId": "r", "modelId": "m", **decided} for item in ("0", "gone")]
    (folder / "decisions").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=DECISION), folder / "decisions/part-00000.parquet")
    return ApplyConfig(run=str(folder), out=str(tmp_path / "tags"))


def test_tags_are_written_in_python_without_a_word_on_standard_output(
    config: ApplyConfig, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    result = apply(config)
    assert (result.items, result.in_state(TagState.COMPLETE), result.not_set, result.decisions) == (3, 1, 2, 1)
    assert result.files == {"tags-00000.parquet": 3, "tags-00000.csv": 1}
    assert (Path(config.out) / "_SUCCESS").exists()
    assert pd.read_csv(Path(config.out) / "tags-00000.csv", dtype=str).to_numpy().tolist() == [["0", *LEAF]]
    assert caplog.messages == ["1 decision is about an item that no finished run here has"]
    assert capsys.readouterr().out == ""


def test_the_command_says_where_the_file_for_the_pim_goes(
    config: ApplyConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, Console()) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Next: import {config.out}/tags-00000.csv into your PIM."


@pytest.fixture
def attributed(tmp_path: Path) -> ApplyConfig:
    """Two runs of bundles that know different further tags; a person set some of the first one's."""
    shops = tmp_path / "shops"
    first, *_ = (
        write_run(
            shops / name, [(LEAF, {LEAF: 0.5})] * 3, {}, attributes={n: (v, "Women") for n, (v, _) in said.items()},
            predicted=[said] * 3, decision="accept",
        )
        for name, said in (("a", {"gender": ("Men", 0.95), "shoe size": ("=40", 0.5)}), ("b", {"season": ("NA", 0.95)}))
    )  # fmt: skip
    rows = [
        {
            "id": item, "decidedAt": datetime(2026, 1, 3, tzinfo=UTC), "masterCategory": "Apparel",
            "articleType": "Shirts", "verdict": "accepted", "decidedBy": "Ann",
            "attributes": [{"name": name, "value": value}],
        }
        for item, name, value in (("0", "gender", "Women"), ("1", "gender", None), ("2", "shoe size", "=40"))
    ]  # fmt: skip
    (first / "decisions").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=DECISION), first / "decisions/part-00000.parquet")
    return ApplyConfig(run=str(first), out=str(tmp_path / "tags"))


def test_each_further_tag_has_a_file_of_what_is_to_set(
    attributed: ApplyConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = attributed.model_copy(update={"column": {"id": "sku", "shoe size": "size"}})
    assert run(config, Console(as_json=True)) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["attributes"] == {"gender": {"model": 1, "person": 1}, "shoe size": {"model": 0, "person": 1}}
    assert said["files"] == {
        "tags-00000.parquet": 3,
        "tags-00000.csv": 3,
        "attribute-gender-00000.csv": 2,
        "attribute-shoe_size-00000.csv": 1,
    }
    out = Path(config.out)
    assert (out / "attribute-gender-00000.csv").read_text() == "sku,gender\n0,Women\n2,Men\n"
    assert (out / "attribute-shoe_size-00000.csv").read_text() == "sku,size\n2,=40\n"
    tags = pq.read_table(out / "tags-00000.parquet").to_pylist()
    assert [[(a["name"], a["value"], a["source"]) for a in row["attributes"]] for row in tags] == [
        [("gender", "Women", "person")], [], [("gender", "Men", "model"), ("shoe size", "=40", "person")]
    ]  # fmt: skip


def test_the_command_says_how_many_further_tags_are_set_and_by_whom(
    attributed: ApplyConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(attributed, Console()) == 0
    said = capsys.readouterr()
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in said.out.splitlines()]
    assert ["gender", "1", "1"] in rows and ["shoe size", "0", "1"] in rows
    assert said.out.splitlines()[-1] == f"Next: import the 3 CSV files of {attributed.out} into your PIM."
    assert "1 cell of the CSV begins as a formula does" in said.err


def test_runs_of_different_bundles_have_files_for_all_of_their_further_tags(attributed: ApplyConfig) -> None:
    result = apply(attributed.model_copy(update={"run": str(Path(attributed.run).parent.parent), "no_value": []}))
    assert set(result.attributes) == {"gender", "shoe size", "season"}
    assert result.attributes["season"] == {"model": 0, "person": 0}, "NA says that there is none"
    assert not [name for name in result.files if "season" in name]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"colour": "c"}, "colour: the CSV has no such column; it has id, masterCategory, articleType, gender, shoe"),
        ({"gender": "id"}, "two columns would have one name: id"),
        ({"id": "gender"}, "two columns would have one name: gender"),
    ],
)
def test_a_column_that_no_file_has_or_that_is_there_twice_is_refused(
    attributed: ApplyConfig, column: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        apply(attributed.model_copy(update={"column": column}))
    assert not Path(attributed.out).exists()


def test_tags_never_go_into_the_run_itself_nor_into_a_folder_that_is_in_use(config: ApplyConfig) -> None:
    with pytest.raises(UsageError, match="is the run itself"):
        apply(config.model_copy(update={"out": config.run}))
    apply(config)
    with pytest.raises(UsageError, match="is not empty"):
        apply(config)


def test_tags_of_refits_come_from_the_review_or_from_where_it_exported_them(
    config: ApplyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunDirectory(Location(config.run))
    record = folder.record()
    assert record is not None
    store = ReviewStore(open_database(f"{config.run}/review.sqlite", "--database"), record.run_id)
    store.fill(({**row(n), "id": str(n - 1)} for n in (1, 2, 3)), [LEAF])
    store.decide("ann", "Ann", [Change(1, Verdict.ACCEPTED, *LEAF)])
    store.refits.save(RefitRecord(1, 50, 44, 44, 2, None), [RefitTag(n, *_TAG, checked=n == 3) for n in (2, 3)])
    assert export_refit_tags(store, folder) == 2
    export_decisions(store, folder.decided)
    store.close()
    by_source = {(str(TagState.COMPLETE), "person"): 1, (str(TagState.COMPLETE), "refit"): 2}
    assert apply(config).states == by_source
    (Path(config.run) / "review.sqlite").unlink()
    again = config.model_copy(update={"out": str(tmp_path / "again")})
    assert run(again, Console(as_json=True)) == 0
    assert '"complete by refit": 2' in capsys.readouterr().out
    tags = pd.read_parquet(tmp_path / "again/tags-00000.parquet").set_index("id")
    assert tags.loc["2", "articleTypeConfidence"] == pytest.approx(0.97), "a person is asked, and it stands meanwhile"


_TAG = ("Apparel", 0.99, "Shirts", 0.97)
