"""The first answers of an evaluation: what a run decided by itself, and what its model never answers."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.models.bundle import Bundle
from tagger.runs.directory import RunDirectory
from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.prediction import Decision
from tagger.workflows.evaluate_answers import answer_of_run, automation_of_run, gaps_of_run
from tagger.workflows.open_catalog import catalogue_name


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Labels: id, category and article type."""
    return pd.DataFrame(rows, columns=["id", *map(str, Level)])


LABELS = table(("1", "A", "x"), ("2", "A", "x"), ("3", "A", "y"), ("4", "A", "new"), ("5", "A", "x"), ("6", "A", "x"))
PREDICTIONS = table(
    ("1", "A", "x"), ("2", "A", "y"), ("3", "A", "y"), ("4", "A", "x"), ("5", "A", "x"), ("6", "A", "x")
).assign(
    decision=[
        Decision.ACCEPT, Decision.ACCEPT, Decision.ACCEPT_MASTER_ONLY, Decision.ACCEPT, Decision.FAILED, Decision.REVIEW
    ]
)  # fmt: skip


def test_an_accepted_item_of_an_unknown_class_is_wrong_and_a_failed_one_is_for_people() -> None:
    measured = automation_of_run(LABELS, PREDICTIONS, {"6": "test"})
    assert measured is not None
    assert (measured.items, measured.accepted, measured.right) == (6, 3, 1)
    assert (measured.category_only, measured.review) == (1, 3)
    assert measured.measured_on.endswith("to which nothing was fitted")


@pytest.mark.parametrize("side", ["train", "val", "control"])
def test_items_that_something_was_fitted_to_do_not_count(side: str) -> None:
    measured = automation_of_run(LABELS, PREDICTIONS, {"1": side, "2": side})
    assert measured is not None
    assert (measured.items, measured.accepted) == (4, 1)
    assert automation_of_run(LABELS, PREDICTIONS, dict.fromkeys(LABELS["id"], side)) is None


def test_the_time_of_review_is_at_the_pace_of_the_run_once_it_has_decisions(tmp_path: Path) -> None:
    run = RunDirectory(Location(str(tmp_path)))
    labels, predictions = (pd.concat([table] * 10, ignore_index=True) for table in (LABELS, PREDICTIONS))
    labels["id"] = predictions["id"] = [str(n) for n in range(len(labels))]
    assert "assumes that a person reviews 400 items an hour" in answer_of_run(run, labels, predictions, {})
    times = pd.date_range("2026-11-30", periods=60, freq="9s", tz="UTC")
    rows = [
        {"id": str(n), "verdict": "accepted", "decidedBy": "anna", "decidedAt": time} for n, time in enumerate(times)
    ]
    write_parquet(run.decided / "part-0.parquet", pa.Table.from_pylist(rows, DECISION))
    assert "your own team: 400 items an hour for one person" in answer_of_run(run, labels, predictions, {})
    assert answer_of_run(run, labels, predictions, dict.fromkeys(labels["id"], "train")) == ""


def test_where_it_is_not_known_what_trained_the_page_says_so() -> None:
    measured = automation_of_run(LABELS, PREDICTIONS, {})
    assert measured is not None and "which flatters it" in measured.measured_on


def test_labels_by_class_are_those_of_the_training_or_none(bundle: Bundle) -> None:
    leaves = [(leaf.masterCategory, leaf.articleType) for leaf in bundle.card.taxonomy.leaves]
    rows = [(str(n), *leaves[n % 2]) for n in range(20)]
    sides = {str(n): "train" if n < 15 else "test" for n in range(20)}
    others = (LeftOut(master_category="A", article_type="never", items=3),)
    update = {"config": {"min_items": 5}, "left_out": others}
    card = bundle.card.model_copy(update={"provenance": bundle.card.provenance.model_copy(update=update)})
    gaps = gaps_of_run(table(*rows, ("new", *leaves[0])), card, sides)
    assert gaps is not None
    assert gaps.labelled == {leaves[0]: 10, leaves[1]: 10}
    assert gaps.trained == {leaves[0]: 8, leaves[1]: 7}
    assert (gaps.min_items, gaps.left_out) == (5, others)
    half = gaps_of_run(table(*rows[:10]), card, sides)
    assert half is not None and half.trained == {}, "half of the training's items are missing"
    assert half.in_words() == gaps_of_run(table(("new", *leaves[0])), card, {}).in_words()  # type: ignore[union-attr]
    assert gaps_of_run(table(*rows), bundle.card, sides) is None


@pytest.mark.parametrize(
    ("manifest", "name"),
    [("s3://shop/2026/items.parquet", "items.parquet"), ("data/parts/", "parts"), ("m.csv", "m.csv")],
)
def test_a_catalogue_is_named_by_the_last_part_of_its_path(manifest: str, name: str) -> None:
    assert catalogue_name(manifest) == name
