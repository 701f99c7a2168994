"""Figures of test items with their intervals: how far another draw of items might have moved them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, bootstrap

from tagger.evaluation.metrics import MINIMUM_SUPPORT, Predicted, level_metrics

PROBABILITY = 0.95
"""Coverage of the intervals, 0 to 1."""
FEW = 20
"""Below this many items, a share says little: pages show it in grey."""
_DRAWS = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure of some items with the ends of its interval, 0 to 1; both None where the items allow no interval."""

    value: float
    low: float | None
    high: float | None


def share(right: int, items: int, probability: float = PROBABILITY) -> Estimate:
    """A share of independent items, with the interval of Wilson 1927.

    Args:
        right: Number of items that count.
        items: Number of all items, above 0.
        probability: Coverage of the interval, 0 to 1.
    """
    interval = binomtest(right, items).proportion_ci(probability, method="wilson")
    return Estimate(right / items, float(interval.low), float(interval.high))


def accuracy(p: Predicted, groups: np.ndarray | None = None) -> Estimate:
    """The share of right predictions, with its interval.

    Args:
        p: At least one prediction.
        groups: Group of each item, [N], where items of a group are alike: whole groups are then drawn, as in
            `macro_f1`. Without, items count as independent, as in `share`.
    """
    if groups is None:
        return share(int(p.right.sum()), len(p))
    right = p.right.astype(float)

    def of_weights(weights: np.ndarray) -> float:
        return float(np.average(right, weights=weights))

    return Estimate(float(right.mean()), *_ends(of_weights, len(p), groups))


def macro_f1(p: Predicted, groups: np.ndarray | None = None) -> Estimate | None:
    """Macro F1 as in `level_metrics`, with a percentile bootstrap interval (Efron and Tibshirani 1993).

    The classes stay those that have MINIMUM_SUPPORT of the items; one that a draw lacks does not count in that draw.

    Args:
        p: At least one prediction.
        groups: Group of each item, [N]: whole groups are drawn; without, items are.

    Returns:
        The figure; None where no class has so many items.
    """
    codes, names = pd.factorize(np.concatenate([p.truth, p.predicted]))
    truth, predicted = np.split(codes, 2)
    counted = np.bincount(truth, minlength=len(names)) >= MINIMUM_SUPPORT
    if not counted.any():
        return None
    right = truth == predicted

    def of_weights(weights: np.ndarray) -> float:
        hits = np.bincount(truth[right], weights[right], len(names))
        both = np.bincount(truth, weights, len(names)) + np.bincount(predicted, weights, len(names))
        seen = counted & (both > 0)
        return float((2 * hits[seen] / both[seen]).mean()) if seen.any() else 0.0

    return Estimate(level_metrics(p).macro_f1, *_ends(of_weights, len(p), groups))


def reliability_by_rank(confidence: np.ndarray, correct: np.ndarray, most_bins: int = 10) -> pd.DataFrame:
    """Reliability in bins of about equal numbers of items, at least FEW in each where there are as many.

    Args:
        confidence: Of the predicted class, [N].
        correct: Whether it is the true one, bool [N].
        most_bins: Most bins.

    Returns:
        One row per bin, by rising confidence: confidence (mean), accuracy, low and high (the 95% interval of Wilson
        1927 of the accuracy), items.
    """
    order = np.argsort(confidence, kind="stable")
    bins = min(most_bins, max(1, len(order) // FEW))
    rows = []
    for members in np.array_split(order, bins) if len(order) else []:
        estimate = share(int(np.sum(correct[members])), len(members))
        rows.append((float(np.mean(confidence[members])), estimate.value, estimate.low, estimate.high, len(members)))
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "low", "high", "items"])


def _ends(
    figure: Callable[[np.ndarray], float], items: int, groups: np.ndarray | None
) -> tuple[float | None, float | None]:
    """The ends of a bootstrap interval of a figure of weighted items; None of one group alone.

    Args:
        figure: From how often each item is drawn, float [N], to the figure.
        items: N.
        groups: Group of each item, [N].
    """
    unit = np.arange(items) if groups is None else pd.factorize(groups)[0]
    units = int(unit.max()) + 1
    if units < 2:
        return None, None

    def of_draw(drawn: np.ndarray) -> float:
        weights = np.bincount(drawn, minlength=units)[unit].astype(float)
        return figure(weights) if weights.any() else 0.0

    result = bootstrap(
        (np.arange(units),), of_draw, vectorized=False, n_resamples=_DRAWS, confidence_level=PROBABILITY,
        method="percentile", random_state=0,
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
