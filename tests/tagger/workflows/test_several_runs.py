"""What several runs hold together, as a Python user gets it: which ran, what is newest, and how precise it is."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.jobs import latest as latest_job
from tagger.jobs import quality as quality_job
from tagger.jobs import runs as runs_job
from tagger.jobs.shell.console import Console
from tagger.schemas.configs.confidence import QualityConfig
from tagger.schemas.configs.tag import LatestConfig, RunsConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.latest import latest
from tagger.workflows.quality import measure_quality
from tagger.workflows.runs import runs
from tests.written_runs import Leaf, write_run

LEAF: Leaf = ("Apparel", "Shirts")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two finished runs: of three items, and of the first of them."""
    for name, items in (("monday", 3), ("tuesday", 1)):
        run = write_run(tmp_path / "shops" / name, [(LEAF, {LEAF: 0.5})] * items, {})
        (tmp_path / "runs").mkdir(exist_ok=True)
        run.rename(tmp_path / "runs" / name)
    return tmp_path / "runs"


def rewrite(run: Path, **columns: object) -> None:
    """Set columns of a run's predictions to one value each."""
    file = run / "predictions/part-00000.parquet"
    table = pq.read_table(file)
    rows = [row | columns for row in table.to_pylist()]
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), file)


def drawn_for_quality(run: Path) -> None:
    """Have the items of a run be of its QA sample."""
    rewrite(run, reviewReasons=["qa_sample"])


def test_a_run_is_done_or_interrupted_or_held_by_a_process(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "tuesday/_SUCCESS").unlink()
    config = RunsConfig(run=str(folder))
    assert {run.directory.root.name: run.state for run in runs(config)} == {"monday": "done", "tuesday": "interrupted"}
    with holding(Location(str(folder / "tuesday"))):
        assert {run.state for run in runs(config)} == {"done", "running"}
    runs_job.run(config, Console())
    assert capsys.readouterr().out.splitlines()[0] == f"2 runs in {folder}"


def test_the_newest_predictions_of_several_runs_are_written_and_counted_by_run(folder: Path, tmp_path: Path) -> None:
    result = latest(LatestConfig(run=str(folder), out=str(tmp_path / "latest")))
    assert (result.items, result.parts, result.unfinished) == (3, 1, ())
    assert sorted(result.from_run) == ["written-monday", "written-tuesday"]
    assert len(pd.read_parquet(tmp_path / "latest")) == 3
    with pytest.raises(UsageError, match="holds the runs themselves"):
        latest(LatestConfig(run=str(folder), out=str(folder)))


@pytest.mark.parametrize(("monday", "expected"), [("accept", "written-monday"), ("failed", "written-tuesday")])
def test_a_night_without_its_images_replaces_no_tags_by_those_of_titles_alone(
    folder: Path, tmp_path: Path, monday: str, expected: str
) -> None:
    rewrite(folder / "monday", decision=monday, errorCode="not_found" if monday == "failed" else None)
    rewrite(folder / "tuesday", evidence="title", errorCode="not_found")
    latest(LatestConfig(run=str(folder), out=str(tmp_path / "latest")))
    newest = pd.read_parquet(tmp_path / "latest").set_index("id")
    (item,) = pd.read_parquet(folder / "tuesday/predictions")["id"]
    assert newest.loc[item, "runId"] == expected


def test_what_is_newest_goes_to_the_pim_next(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latest_job.run(LatestConfig(run=f"{folder}/", out=str(tmp_path / "latest")), Console())
    assert capsys.readouterr().out.splitlines()[-1] == f"Next: tagger apply {folder}/ --out {folder}-tags"


def test_a_run_of_no_rows_is_not_what_goes_to_the_pim_next(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, items in (("monday", 3), ("tuesday", 0)):
        record = folder / name / "run.json"
        document = json.loads(record.read_text())
        document["counts"] |= {"rows": items, "predictions": items}
        record.write_text(json.dumps(document))
    runs_job.run(RunsConfig(run=str(folder / "tuesday")), Console())
    assert "Next:" not in capsys.readouterr().out
    runs_job.run(RunsConfig(run=str(folder)), Console())
    assert f"{folder}/monday" in capsys.readouterr().out.splitlines()[-1]


def test_a_sample_that_nobody_has_answered_is_a_sentence_and_not_an_empty_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = QualityConfig(run=[str(folder / "monday")])
    with pytest.raises(InputError, match="none of these runs has a QA sample"):
        measure_quality(config)
    drawn_for_quality(folder / "monday")
    result = measure_quality(config)
    assert (result.waiting, result.levels[Level.ARTICLE_TYPE].share) == (3, None)
    quality_job.run(config, Console())
    assert capsys.readouterr().out.splitlines() == [
        "Nobody has answered yet, so there is no precision: the QA sample of 1 run has 3 of masterCategory and 3 of "
        "articleType.",
        "3 items of the sample still wait: on the review page, open Check.",
        f"Next: tagger review --run {folder}/monday",
    ]
