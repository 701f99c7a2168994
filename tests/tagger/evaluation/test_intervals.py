"""Figures with their intervals."""

import numpy as np
import pytest

from tagger.evaluation.intervals import accuracy, macro_f1, share
from tagger.evaluation.metrics import Predicted, level_metrics


def drawn(items: int, right: float, seed: int) -> Predicted:
    """Predictions of ten classes, of which a share is right."""
    rng = np.random.default_rng(seed)
    names = np.array([f"class {n}" for n in range(10)], object)
    truth = names[rng.integers(0, 10, items)]
    return Predicted(truth, np.where(rng.random(items) < right, truth, "class 0"), np.ones(items))


def test_a_share_has_the_interval_of_wilson() -> None:
    estimate = share(8, 10)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    assert share(0, 50).low == pytest.approx(0, abs=1e-12)
    assert share(50, 50).low == pytest.approx(0.9287, abs=1e-4)


def test_intervals_cover_the_true_accuracy_about_as_often_as_they_say() -> None:
    estimates = [accuracy(drawn(200, 0.8, seed)) for seed in range(300)]
    truth = 0.8 + 0.2 / 10  # a guess of class 0 is right where the truth is class 0
    covered = np.mean([e.low <= truth <= e.high for e in estimates])  # type: ignore[operator]
    assert 0.91 <= covered <= 0.99


def test_macro_f1_is_that_of_the_metrics_and_lies_in_its_interval() -> None:
    predicted = drawn(300, 0.7, 1)
    estimate = macro_f1(predicted)
    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.value == level_metrics(predicted).macro_f1
    assert estimate.low < estimate.value < estimate.high
    assert estimate == macro_f1(predicted), "the draws are the same each time"


def test_items_of_a_group_count_as_one_draw() -> None:
    by_item = drawn(40, 0.5, 2)
    ten_each = Predicted(*(np.repeat(a, 10) for a in (by_item.truth, by_item.predicted, by_item.confidence)))
    groups = np.repeat(np.arange(40).astype(str).astype(object), 10)
    alone, together = accuracy(ten_each), accuracy(ten_each, groups)
    widths = [e.high - e.low for e in (accuracy(by_item), alone, together)]  # type: ignore[operator]
    assert widths[1] < 0.5 * widths[0], "ten copies of each item would claim to know more"
    assert widths[2] == pytest.approx(widths[0], rel=0.15)


def test_where_there_is_no_interval_or_no_figure_there_is_none() -> None:
    predicted = drawn(60, 0.5, 3)
    one_group = np.full(60, "one brand", object)
    assert accuracy(predicted, one_group).low is None
    assert macro_f1(drawn(4, 0.5, 3)) is None, "no class has enough items"
