"""What `tagger quality` says of a target, from the answers so far."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.confidence.anytime import TargetVerdict
from tagger.errors import UsageError
from tagger.jobs import quality as quality_job
from tagger.jobs.shell.console import Console
from tagger.runs.roots import RECORD, ROLLBACK
from tagger.schemas.configs.confidence import QualityConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.decision import DECISION
from tagger.workflows.quality import measure_quality
from tests.written_runs import Leaf, write_run

LEAF: Leaf = ("Apparel", "Shirts")
ACCEPTED, DRAWN = 100, 200
START = datetime(2026, 1, 3, tzinfo=UTC)
VERDICTS = {"r": ("accepted", *LEAF), "w": ("corrected", "Apparel", "Tops"), "u": ("unusable", None, None)}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 300 items, of which 200 are of the QA sample, and the others are accepted."""
    more: list[dict[str, object]] = [{"reviewReasons": ["qa_sample"]}] * DRAWN
    more += [{"reviewReasons": [], "decision": "accept"}] * ACCEPTED
    items = [(LEAF, {LEAF: 0.99})] * (DRAWN + ACCEPTED)
    return write_run(tmp_path_factory.mktemp("written") / "monday", items, {}, more=more)


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    """A copy of it, to decide about."""
    return shutil.copytree(written, tmp_path / "runs/monday")


def answer(run: Path, answers: str) -> QualityConfig:
    """Decide about the first items of the sample, a letter each: right, wrong or unusable; a target of 95%."""
    ids = pq.read_table(run / "predictions")["id"].to_pylist()
    rows = [
        {"id": ids[n], "verdict": verdict, "masterCategory": master, "articleType": article,
         "decidedBy": "Ann", "decidedAt": START + timedelta(seconds=n)}
        for n, (verdict, master, article) in enumerate(VERDICTS[letter] for letter in answers)
    ]  # fmt: skip
    (run / "decisions").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=DECISION), run / "decisions/part-00000.parquet")
    return QualityConfig.model_validate({"run": [str(run)], "target_precision": 0.95})


def sentence(config: QualityConfig, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says of the article type, after its table."""
    quality_job.run(config, Console())
    (said,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("articleType: "))
    return said


def test_a_target_is_shown_by_answers_of_which_enough_are_right(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = answer(run, "r" * 120)
    promise = measure_quality(config).promises[Level.ARTICLE_TYPE]
    assert (promise.bound.verdict, promise.items, promise.waiting) == (TargetVerdict.SHOWN, 300, 80)
    assert promise.bound.lowest == pytest.approx(0.97)
    assert sentence(config, capsys) == (
        "articleType: after 120 answers, at least 97.0% of the 300 accepted tags are right (95% sure). The target of "
        "95% is shown."
    )


def test_a_target_is_lost_for_the_level_whose_tags_are_wrong(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = answer(run, "rwrrr" * 20)
    promises = measure_quality(config).promises
    assert promises[Level.ARTICLE_TYPE].bound.verdict is TargetVerdict.LOST
    assert promises[Level.MASTER_CATEGORY].bound.verdict is TargetVerdict.SHOWN
    assert "The target of 95% is lost: at most 8" in sentence(config, capsys)


def test_an_open_target_says_how_many_answers_are_missing_and_whether_the_sample_has_them(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = answer(run, "r" * 20)
    assert sentence(config, capsys).endswith("more answers show it if the share of right ones stays as it is.")
    config = config.model_copy(update={"target_precision": {Level.ARTICLE_TYPE: 0.995}})
    assert sentence(config, capsys).endswith("stays as it is; the sample has only 180 left.")


def test_answers_that_get_worse_over_time_settle_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = answer(run, "r" * 100 + "w" * 100)
    assert measure_quality(config).promises[Level.ARTICLE_TYPE].bound.is_contradictory
    assert "after 200 answers, nothing is certain" in sentence(config, capsys)


def test_the_number_of_accepted_items_counts_only_where_it_is_known(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = answer(run, "r" * 120 + "u")
    promise = measure_quality(config).promises[Level.ARTICLE_TYPE]
    assert (promise.items, promise.bound.answers, promise.waiting) == (None, 120, 79)
    assert "of accepted tags are right" in sentence(config, capsys)


def test_several_runs_promise_something_of_all_items_like_theirs(run: Path, written: Path) -> None:
    answer(run, "r" * 120)
    tuesday = shutil.copytree(written, run.parent / "tuesday")
    (tuesday / "run.json").write_text((written / "run.json").read_text().replace("written-monday", "written-tuesday"))
    config = QualityConfig.model_validate({"run": [str(run.parent)], "target_precision": 0.95})
    promise = measure_quality(config).promises[Level.ARTICLE_TYPE]
    assert (promise.items, promise.bound.answers, promise.waiting) == (None, 120, 80)


def test_runs_of_another_model_and_those_before_a_day_are_left_out(run: Path) -> None:
    config = answer(run, "rrrw")
    other = shutil.copytree(run, run.parent / "older")
    record = json.loads((other / RECORD).read_text())
    changed = {"runId": "other", "modelId": "another", "startedAt": "2026-01-01T02:00:00Z"}
    (other / RECORD).write_text(json.dumps(record | changed))
    shutil.rmtree(other / "decisions")
    both = config.model_copy(update={"run": [str(run.parent)]})
    result = measure_quality(both)
    assert (result.runs, result.others) == (1, 1)
    everything = measure_quality(both.model_copy(update={"models": "all"}))
    assert (everything.runs, everything.others) == (2, 0)
    recent = measure_quality(both.model_copy(update={"models": "all", "since": date(2026, 1, 2)}))
    assert (recent.runs, recent.levels[Level.ARTICLE_TYPE].right) == (1, 3)
    with pytest.raises(UsageError, match=r"--since 2026-02-01: the newest of these runs is of 2026-01-02"):
        measure_quality(both.model_copy(update={"since": date(2026, 2, 1)}))
    (run / ROLLBACK).touch()
    assert measure_quality(both.model_copy(update={"models": "all"})).runs == 1
    with pytest.raises(UsageError, match="taken back"):
        measure_quality(config)
