"""The promise over all nights: counted from people's answers, for one model, and a broken one holds the night."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.errors import HoldError
from tagger.io.location import Location
from tagger.runs.directory import RunDirectory
from tagger.runs.holds import hold, hold_of, release
from tagger.runs.ledger import read_ledger
from tagger.schemas.configs.export import RollbackConfig
from tagger.schemas.tables.decision import DECISION
from tagger.workflows.promise import PromiseSoFar, promises_so_far
from tagger.workflows.rollback import rollback
from tests.drift_nights import sample, write_night
from tests.promise_years import broken_years

PROMISED = {"articleType": 0.95}


def night(folder: Path, number: int, answers: int, wrong: int, model_id: str = "m") -> Path:
    """A night whose QA sample has people's answers, of which some say that the tag is wrong."""
    items = sample(np.random.default_rng(number), answers + 5)
    run = write_night(folder / f"n{number}", items, number, model_id=model_id, target_precision=PROMISED)
    part = run / "predictions/part-00000.parquet"
    rows = pq.read_table(part).to_pylist()
    for row in rows[:answers]:
        row.update(decision="review", reviewReasons=["qa_sample"])
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(part)), part)
    decided = [
        {
            "id": row["id"], "runId": row["runId"], "verdict": "corrected" if n < wrong else "accepted",
            "masterCategory": "Apparel", "articleType": "Hats" if n < wrong else row["articleType"],
            "decidedBy": "Ann", "decidedAt": datetime(2026, 11, 2 + number, 9, n % 60, tzinfo=UTC),
        }
        for n, row in enumerate(rows[:answers])
    ]  # fmt: skip
    (run / "decisions").mkdir()
    pq.write_table(pa.Table.from_pylist(decided, DECISION), run / "decisions/part-00000.parquet")
    return run


def so_far(folder: Path) -> PromiseSoFar:
    (promise,) = promises_so_far(read_ledger(Location(str(folder)), "RUN"), "m", PROMISED)
    return promise


def test_answers_of_all_nights_make_one_bound_with_its_first_day(tmp_path: Path) -> None:
    for number in range(4):
        night(tmp_path, number, 60, wrong=1)
    promise = so_far(tmp_path)
    assert promise.promise.bound.answers == 240
    assert promise.measured == pytest.approx(236 / 240)
    assert not promise.is_broken
    assert promise.words.startswith(
        "95% of the accepted article types are promised to be right; 98.3% of 240 judged since 2026-11-02 were, so at "
        "least 9"
    )


def test_a_promise_is_broken_when_the_answers_exclude_it(tmp_path: Path) -> None:
    for number in range(4):
        night(tmp_path, number, 60, wrong=9)
    promise = so_far(tmp_path)
    assert promise.is_broken
    assert promise.words.endswith("the promise is broken.")


def test_answers_about_another_model_or_a_night_that_was_taken_back_do_not_count(tmp_path: Path) -> None:
    night(tmp_path, 0, 40, wrong=0)
    night(tmp_path, 1, 40, wrong=40, model_id="another")
    rollback(RollbackConfig(run=str(night(tmp_path, 2, 40, wrong=40))))
    assert so_far(tmp_path).promise.bound.answers == 40


def test_without_answers_or_a_promise_nothing_is_said_to_be_measured(tmp_path: Path) -> None:
    night(tmp_path, 0, 0, wrong=0)
    promise = so_far(tmp_path)
    assert (promise.measured, promise.is_broken) == (None, False)
    assert "nobody has judged any yet" in promise.words
    assert promises_so_far(read_ledger(Location(str(tmp_path)), "RUN"), "m", {}) == []


def test_a_promise_that_is_kept_is_called_broken_in_at_most_five_years_of_a_hundred() -> None:
    assert broken_years(200, 0.95, 0.95, 5) <= 18  # more of 200 at 5% have a probability of 0.01
    assert broken_years(20, 0.90, 0.95, 5) == 20


def test_a_run_is_held_for_each_reason_until_it_is_released(tmp_path: Path) -> None:
    run = RunDirectory(Location(str(night(tmp_path, 0, 5, wrong=0))))
    for reason in ("it drifts", "the promise is broken", "it drifts"):
        hold(run, reason, "report.html")
    held = hold_of(run)
    assert held is not None and held.reason == "it drifts; and the promise is broken"
    release(run, "looked at")
    hold(run, "once more", "report.html")
    held = hold_of(run)
    assert held is not None and held.release is not None
    assert HoldError.exit_code == 5
