"""Precision in production, from the sample that people looked at."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tagger.confidence.qa_sample import SAMPLED, Precision, each_once, sample_answers
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
    decided: dict[str, dict[str, str | None]] = {
        "both0": {"verdict": "accepted", MASTER: "Apparel", ARTICLE: "Shirts"},
        "both1": {"verdict": "corrected", MASTER: "Apparel", ARTICLE: "Tops"},
        "both2": {"verdict": "master_only", MASTER: "Apparel", ARTICLE: None},
        "both3": {"verdict": "unusable", MASTER: None, ARTICLE: None},
        "master0": {"verdict": "corrected", MASTER: "Footwear", ARTICLE: "Heels"},
        "unsure": {"verdict": "corrected", MASTER: "Footwear", ARTICLE: "Heels"},
    }
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


@pytest.mark.parametrize(
    ("right", "answered", "target", "verdict"),
    [
        (1000, 1000, 0.99, "kept"),
        (80, 100, 0.95, "missed"),
        (96, 100, 0.95, "open"),
        (0, 0, 0.95, "open"),
        (5, 9, None, ""),
    ],
)
def test_a_target_is_kept_missed_or_open(right: int, answered: int, target: float | None, verdict: str) -> None:
    answers = np.arange(answered) < right
    assert Precision.of(answers, answered, 0.95).against(target) == verdict


def test_an_item_that_several_runs_drew_counts_once() -> None:
    columns = ["id", "level", "class", "answered", "right", "waiting"]
    newest = pd.DataFrame([("a", ARTICLE, "Tops", False, False, True), ("b", ARTICLE, "Tops", True, True, False)])
    older = pd.DataFrame([("a", ARTICLE, "Shirts", True, False, False), ("b", ARTICLE, "Shirts", True, False, False)])
    answers = pd.concat([newest, older], ignore_index=True).set_axis(columns, axis=1)
    once = each_once(answers)
    assert once[["id", "class", "right"]].to_numpy().tolist() == [["b", "Tops", True], ["a", "Shirts", False]]
    assert Precision.of(once["right"].to_numpy(bool), len(once), 0.95).answered == 2
