"""Precision in production, from the sample that people looked at."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tagger.confidence.anytime import ConfidenceSequence
from tagger.confidence.qa_sample import SAMPLED, Precision, accepted_items, bound_of, each_once, sample_answers
from tagger.confidence.thresholds import QaSample
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import PREDICTION

MASTER, ARTICLE = str(Level.MASTER_CATEGORY), str(Level.ARTICLE_TYPE)


def test_the_sample_is_drawn_by_id_and_has_its_share() -> None:
    ids = [str(n) for n in range(20_000)]
    drawn = QaSample(0.05, seed=1).drawn(ids)
    assert 0.045 < drawn.mean() < 0.055
    backwards = QaSample(0.05, seed=1).drawn(ids[::-1])[::-1]
    assert np.array_equal(drawn, backwards), "whatever their order"
    wider = QaSample(0.2, seed=1).drawn(ids)
    assert wider[drawn].all(), "a larger sample holds the smaller one"
    assert not np.array_equal(drawn, QaSample(0.05, seed=2).drawn(ids))
    assert not QaSample().drawn(ids).any()
    assert QaSample(1.0).drawn(ids).all()


def test_a_sample_is_asked_in_a_random_order_that_begins_with_a_smaller_sample() -> None:
    ids = [str(n) for n in range(2000)]
    asked = QaSample(0.2, seed=1).order(ids)
    smaller = QaSample(0.05, seed=1).drawn(ids)
    assert sorted(asked) == list(range(2000))
    assert set(asked[: smaller.sum()]) == set(np.flatnonzero(smaller))
    again = QaSample(0.2, seed=1).order(ids[::-1])
    assert [ids[::-1][n] for n in again] == [ids[n] for n in asked], "whatever their order"


def test_accepted_items_are_counted_by_level() -> None:
    decisions = ["accept", "accept", "accept_master_only", "review", "failed"]
    assert accepted_items([pa.table({"decision": decisions}), pa.table({"decision": ["accept"]})]) == {
        Level.MASTER_CATEGORY: 4, Level.ARTICLE_TYPE: 3
    }  # fmt: skip


def test_the_bound_takes_answers_in_the_order_in_which_they_were_given() -> None:
    right = np.arange(400) < 300
    answers = pd.DataFrame({"answered": True, "right": right, "decidedAt": np.arange(400)})
    sequence = ConfidenceSequence(target=0.6)
    assert bound_of(answers, sequence) == sequence.after(right)
    assert bound_of(answers.iloc[::-1], sequence) == sequence.after(right)
    waiting = pd.DataFrame({"answered": False, "right": False, "decidedAt": [np.nan]})
    assert bound_of(pd.concat([answers, waiting]), sequence) == sequence.after(right)


def test_answers_are_counted_for_the_levels_that_had_been_accepted() -> None:
    def row(item: str, *reasons: str) -> dict[str, object]:
        return {
            "id": item, MASTER: "Apparel", ARTICLE: "Shirts", "reviewReasons": list(reasons), "decision": "review",
            "modelId": "m", "runId": "r", "taggedAt": datetime(2026, 1, 1, tzinfo=UTC),
        }  # fmt: skip

    rows = [
        *(row(f"both{n}", "qa_sample") for n in range(5)),
        *(row(f"master{n}", "low_confidence", "qa_sample") for n in range(2)),
        row("unsure", "low_confidence"),
        row("blurry", "blurry_image"),
    ]
    decided: dict[str, dict[str, object]] = {
        "both0": {"verdict": "accepted", MASTER: "Apparel", ARTICLE: "Shirts"},
        "both1": {"verdict": "corrected", MASTER: "Apparel", ARTICLE: "Tops"},
        "both2": {"verdict": "master_only", MASTER: "Apparel", ARTICLE: None},
        "both3": {"verdict": "unusable", MASTER: None, ARTICLE: None},
        "master0": {"verdict": "corrected", MASTER: "Footwear", ARTICLE: "Heels"},
        "unsure": {"verdict": "corrected", MASTER: "Footwear", ARTICLE: "Heels"},
    }
    decided = {item: decision | {"decidedAt": datetime(2026, 1, 2, tzinfo=UTC)} for item, decision in decided.items()}
    answers = sample_answers([pa.Table.from_pylist(rows, schema=PREDICTION).select(SAMPLED)], decided)
    counts = {
        level: (len(found), int(found["answered"].sum()), int(found["right"].sum()))
        for level, found in answers.groupby("level")
    }
    assert counts == {MASTER: (7, 4, 3), ARTICLE: (5, 3, 1)}


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    found = Precision.of(np.array([True] * 8 + [False] * 2), 12, 0.95)
    assert (found.sampled, found.answered, found.right, found.share) == (12, 10, 8, 0.8)
    assert found.lowest == pytest.approx(0.4439, abs=1e-4)  # R: binom.test(8, 10)
    assert found.highest == pytest.approx(0.9748, abs=1e-4)
    everything = Precision.of(np.ones(10, bool), 10, 0.95)
    assert everything.lowest == pytest.approx(0.6915, abs=1e-4)
    assert everything.highest == 1.0


def test_an_item_that_several_runs_drew_counts_once() -> None:
    columns = ["id", "level", "class", "answered", "right", "waiting"]
    newest = pd.DataFrame([("a", ARTICLE, "Tops", False, False, True), ("b", ARTICLE, "Tops", True, True, False)])
    older = pd.DataFrame([("a", ARTICLE, "Shirts", True, False, False), ("b", ARTICLE, "Shirts", True, False, False)])
    answers = pd.concat([newest, older], ignore_index=True).set_axis(columns, axis=1)
    once = each_once(answers)
    assert once[["id", "class", "right"]].to_numpy().tolist() == [["b", "Tops", True], ["a", "Shirts", False]]
    assert Precision.of(once["right"].to_numpy(bool), len(once), 0.95).answered == 2
