"""Fits thresholds that keep a target precision on new items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import beta, binom

from tagger.confidence.thresholds import Thresholds, decide
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.schemas.documents.bundle import LevelPolicy, Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision

_CANDIDATES = 200
_STARTS = 5
ACCEPTED = {
    Level.MASTER_CATEGORY: (Decision.ACCEPT, Decision.ACCEPT_MASTER_ONLY),
    Level.ARTICLE_TYPE: (Decision.ACCEPT,),
}
"""The decisions that accept a level's prediction without a person."""


@dataclass(frozen=True)
class Applied:
    """Effect of a policy on labelled items."""

    items: int
    accepted: int
    right: int

    @property
    def coverage(self) -> float:
        """Share of the items that are accepted, 0 to 1."""
        return self.accepted / self.items if self.items else 0.0

    @property
    def precision(self) -> float | None:
        """Share of the accepted items that are right, 0 to 1; None if none is accepted."""
        return self.right / self.accepted if self.accepted else None


def fit_policy(
    held_out: Evaluation, doubted: np.ndarray, targets: Mapping[Level, float], probability: float, class_items: int
) -> Policy:
    """Find the lowest thresholds whose accepted predictions have the target precision on new items.

    The master category comes first; an article type is accepted only if its master category is. A class that is
    predicted often enough gets its own threshold; the others share one. A level whose target cannot be shown gets
    None, and accepts nothing.

    Assumptions: new items have the same distribution, and these items were used for nothing else, neither to choose the
    epoch nor for calibration. This holds for a bundle's control side; with val, the guarantee is approximate. It holds
    for each threshold, not for all of them jointly. Two things are slightly optimistic, by less than the tests are
    conservative: article types are tested on the items that pass the master category's threshold, which was fitted on
    the same items; and `at_least` bounds the precision above a threshold that was fitted on the same items.

    Own thresholds stay only if they raise the coverage of these items: backward elimination drops the most costly one
    at a time. Because these items also make that choice, own thresholds and the shared one beside them are tested at
    half the allowed error.

    Args:
        held_out: Predictions on items that the model was not trained on.
        doubted: Items that go to review whatever their confidence, bool [N].
        targets: Precision of what is accepted, by level, 0 to 1.
        probability: Confidence that each threshold keeps the target on new items, 0 to 1.
        class_items: Predicted items from which a class may get its own threshold; 0 for none.
    """
    eligible = ~doubted
    levels: dict[Level, LevelPolicy] = {}
    for level in (Level.MASTER_CATEGORY, Level.ARTICLE_TYPE):
        predicted = held_out.levels[level]
        levels[level] = fit_level(predicted, eligible, targets[level], probability, class_items)
        eligible = eligible & _passes(levels[level], predicted)
    return Policy(probability=probability, fitted_on=len(doubted), levels=levels)


def fit_level(
    predicted: Predicted, eligible: np.ndarray, target: float, probability: float, class_items: int
) -> LevelPolicy:
    """Find the lowest thresholds of one level, or of one attribute; see `fit_policy`.

    Args:
        predicted: On N items that the model was not trained on.
        eligible: Items that may be accepted, bool [N].
        target: Precision of what is accepted, 0 to 1.
        probability: As for `fit_policy`.
        class_items: As for `fit_policy`.
    """
    classes = _own_classes(predicted.predicted[eligible], class_items)
    shared, thresholds = _thresholds(predicted.only(eligible), classes, target, probability)
    fitted = LevelPolicy(
        target_precision=target, accept_above=shared, classes=thresholds, coverage=0, precision=None, at_least=None
    )
    applied = apply_level(fitted, predicted, eligible)
    at_least = lower_bound(applied.right, applied.accepted, probability)
    return fitted.model_copy(
        update={"coverage": applied.coverage, "precision": applied.precision, "at_least": at_least}
    )


def apply_level(fitted: LevelPolicy, predicted: Predicted, eligible: np.ndarray) -> Applied:
    """Apply the thresholds of one level, or of one attribute, to labelled items; those of a mask, bool [N], count."""
    accepted = eligible & _passes(fitted, predicted)
    return Applied(len(predicted), int(accepted.sum()), int(predicted.right[accepted].sum()))


def own_classes(held_out: Evaluation, doubted: np.ndarray, level: Level, class_items: int) -> list[str]:
    """The classes that are predicted often enough for their own threshold, whether or not it pays."""
    return _own_classes(held_out.levels[level].predicted[~doubted], class_items)


def apply(policy: Policy, items: Evaluation, doubted: np.ndarray) -> dict[Level, Applied]:
    """Apply a policy to labelled items; doubted ones, bool [N], go to review."""
    return {
        level: Applied(len(doubted), int(accepted.sum()), int(items.levels[level].right[accepted].sum()))
        for level, accepted in accepted_by(policy, items, doubted).items()
    }


def accepted_by(policy: Policy, items: Evaluation, doubted: np.ndarray) -> dict[Level, np.ndarray]:
    """Which items a policy accepts, bool [N] by level; doubted ones, bool [N], go to review."""
    thresholds = Thresholds.of_policy(policy)
    needed = {level: thresholds.needed(level, items.levels[level].predicted) for level in Level}
    confidence = {level: items.levels[level].confidence for level in Level}
    decisions = decide(needed, confidence, doubted)
    return {level: np.isin(decisions, [str(name) for name in names]) for level, names in ACCEPTED.items()}


def highest_target(held_out: Evaluation, doubted: np.ndarray, level: Level, probability: float) -> float | None:
    """The highest precision, in steps of half a percent, that can be shown for a level; None if there is none."""
    predicted = held_out.levels[level].only(~doubted)
    for target in np.arange(0.995, 0.5, -0.005):
        if _threshold(predicted, float(target), probability) is not None:
            return round(float(target), 3)
    return None


def lower_bound(right: int, items: int, probability: float) -> float | None:
    """One-sided lower bound of a share, by Clopper and Pearson 1934; None of no items."""
    if not items:
        return None
    return float(beta.ppf(1 - probability, right, items - right + 1)) if right else 0.0


def fewest_items(target: float, probability: float) -> int:
    """The fewest items from which `fit_level` can show a target precision: so many, all of them right.

    Args:
        target: Precision to show, 0 to 1.
        probability: As for `fit_policy`.
    """
    return int(np.ceil(_fewest(target, probability)))


def coverage_curve(predicted: Predicted) -> pd.DataFrame:
    """Coverage and precision of a level at every threshold: columns threshold, coverage, precision."""
    order = np.argsort(-predicted.confidence, kind="stable")
    confidence, right = predicted.confidence[order], predicted.right[order]
    last = _last_of_equals(confidence)
    counts = last + 1
    return pd.DataFrame(
        {
            "threshold": confidence[last],
            "coverage": counts / max(1, len(right)),
            "precision": np.cumsum(right)[last] / counts,
        }
    )


def _own_classes(predicted: np.ndarray, class_items: int) -> list[str]:
    counts = pd.Series(predicted, dtype=object).value_counts()
    return sorted(counts.index[counts >= class_items]) if class_items else []


def _thresholds(
    predicted: Predicted, classes: Sequence[str], target: float, probability: float
) -> tuple[float | None, dict[str, float | None]]:
    """The shared threshold, and those of the classes whose own one raises coverage (backward elimination)."""
    plain = _threshold(predicted, target, probability)
    if not classes:
        return plain, {}
    codes = pd.Index(classes).get_indexer(pd.Index(predicted.predicted))  # -1: always shared
    careful = 1 - (1 - probability) / 2
    alone = [_threshold(predicted.only(codes == n), target, careful) for n in range(len(classes))]
    accepted_alone = [int((predicted.confidence[codes == n] >= _number(t)).sum()) for n, t in enumerate(alone)]

    def accepted(chosen: Sequence[int]) -> tuple[int, float | None]:
        """Number of accepted items if these classes have their own threshold; and the shared threshold."""
        others = predicted.only(~np.isin(codes, chosen))
        shared = _threshold(others, target, careful)
        return sum(accepted_alone[n] for n in chosen) + int((others.confidence >= _number(shared)).sum()), shared

    chosen = list(range(len(classes)))
    most, shared = accepted(chosen)
    while chosen:
        tries = [(*accepted([n for n in chosen if n != dropped]), dropped) for dropped in chosen]
        items, its_shared, dropped = max(tries, key=lambda tried: tried[0])
        if items < most:
            break
        most, shared = items, its_shared
        chosen.remove(dropped)
    if int((predicted.confidence >= _number(plain)).sum()) >= most:
        return plain, {}
    return shared, {classes[n]: alone[n] for n in chosen}


def _threshold(predicted: Predicted, target: float, probability: float) -> float | None:
    """The lowest threshold for which less precision than the target is disproved.

    Fixed sequence testing, from several starts (Angelopoulos, Bates, Candès, Jordan and Lei 2021, "Learn then test",
    arXiv:2110.01052): thresholds are tested from the highest on, by the binomial tail, until one fails. Each start has
    its share of the allowed error, so that one early mistake does not end the search. At the first start, so few
    items are accepted that they show the target only if all are right.
    """
    error = (1 - probability) / _STARTS
    fewest = _fewest(target, probability)
    if len(predicted) < fewest:
        return None
    order = np.argsort(-predicted.confidence, kind="stable")
    confidence, wrong = predicted.confidence[order], np.cumsum(~predicted.right[order])
    last = _last_of_equals(confidence)
    wished = np.linspace(0, len(confidence) - 1, _CANDIDATES + 1)[1:]
    tested = last[np.unique(np.searchsorted(last, wished).clip(max=len(last) - 1))]
    chance = binom.cdf(wrong[tested], tested + 1, 1 - target)
    passed = chance <= error
    best = -1
    for start in np.searchsorted(tested + 1, np.geomspace(fewest, len(predicted), _STARTS, endpoint=False)):
        failed = np.flatnonzero(~passed[start:])
        end = start + (failed[0] if len(failed) else len(tested) - start)
        best = max(best, end - 1 if end > start else -1)
    return float(confidence[tested[best]]) if best >= 0 else None


def _fewest(target: float, probability: float) -> float:
    return float(np.log((1 - probability) / _STARTS) / np.log(target))


def _last_of_equals(falling: np.ndarray) -> np.ndarray:
    """The last index of each run of equal values in a falling sequence [N]: a threshold takes all equals or none."""
    return np.flatnonzero(np.append(falling[1:] < falling[:-1], True)) if len(falling) else np.zeros(0, np.int64)


def _passes(fitted: LevelPolicy, predicted: Predicted) -> np.ndarray:
    """Which predictions are as sure as their class needs, bool [N]."""
    needed = [_number(fitted.classes.get(name, fitted.accept_above)) for name in predicted.predicted]
    return np.asarray(predicted.confidence >= np.array(needed))


def _number(threshold: float | None) -> float:
    return np.inf if threshold is None else threshold
