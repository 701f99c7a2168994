"""Tries a target precision out on random splits: fits on one half of the held-out items, applies to the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tagger.confidence.calibration import refitted_error
from tagger.confidence.target import Applied, apply, apply_level, fit_level, fit_policy
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.schemas.documents.taxonomy import Level


@dataclass(frozen=True)
class TargetTrial:
    """Results of a target on the halves that its thresholds were not fitted to; shares from 0 to 1."""

    target: float
    kept: float
    """Share of the halves with the target precision, or without an accepted item."""
    lowest_precision: float | None
    mean_precision: float | None
    mean_coverage: float
    calibration_error: float
    """Median over the halves of the expected calibration error, of confidences refitted on the other half."""
    calibration_error_by_chance: float
    """Median of the error that perfectly calibrated confidences have on as many items."""

    @classmethod
    def of(cls, target: float, tries: list[Applied], errors: list[tuple[float, float]]) -> "TargetTrial":
        """Summarise tries; both lists have one entry per try, `errors` the measured one and the one by chance."""
        precisions = [a.precision for a in tries if a.precision is not None]
        return cls(
            target,
            kept=sum(a.precision is None or a.precision >= target for a in tries) / len(tries),
            lowest_precision=min(precisions, default=None),
            mean_precision=float(np.mean(precisions)) if precisions else None,
            mean_coverage=float(np.mean([a.coverage for a in tries])),
            calibration_error=float(np.median([measured for measured, _ in errors])),
            calibration_error_by_chance=float(np.median([by_chance for _, by_chance in errors])),
        )


def try_target(
    held_out: Evaluation,
    doubted: np.ndarray,
    targets: Mapping[Level, float],
    probability: float,
    class_items: int,
    splits: int,
    seed: int,
    watch: Callable[[int], None] = lambda _: None,
) -> dict[Level, TargetTrial]:
    """Fit thresholds on a random half and apply them to the other, `splits` times.

    Args:
        held_out: Predictions on items that the model was not trained on.
        doubted: Items that go to review whatever their confidence, bool [N].
        targets: As for `fit_policy`.
        probability: As for `fit_policy`.
        class_items: As for `fit_policy`.
        splits: How many halves to draw.
        seed: Of the random halves.
        watch: Called with the number of halves that are done.
    """
    rng = np.random.default_rng(seed)
    tries: dict[Level, list[Applied]] = {level: [] for level in Level}
    errors: dict[Level, list[tuple[float, float]]] = {level: [] for level in Level}
    for number in range(splits):
        watch(number)
        fitting = rng.permutation(len(doubted)) < len(doubted) // 2
        fitted_on, others = held_out.only(fitting), held_out.only(~fitting)
        policy = fit_policy(fitted_on, doubted[fitting], targets, probability, class_items)
        for level, applied in apply(policy, others, doubted[~fitting]).items():
            tries[level].append(applied)
            errors[level].append(refitted_error(fitted_on.levels[level], others.levels[level]))
    return {level: TargetTrial.of(targets[level], tries[level], errors[level]) for level in Level}


def try_level(
    held_out: Predicted,
    target: float,
    probability: float,
    class_items: int,
    splits: int,
    seed: int,
    watch: Callable[[int], None] = lambda _: None,
) -> TargetTrial:
    """The same for one attribute.

    Args:
        held_out: Predictions on items that the model was not trained on.
        target: Precision of what is accepted, 0 to 1.
        probability: As for `fit_policy`.
        class_items: As for `fit_policy`.
        splits: How many halves to draw.
        seed: Of the random halves.
        watch: Called with the number of halves that are done.
    """
    rng = np.random.default_rng(seed)
    tries, errors = [], []
    for number in range(splits):
        watch(number)
        fitting = rng.permutation(len(held_out)) < len(held_out) // 2
        fitted_on, others = held_out.only(fitting), held_out.only(~fitting)
        fitted = fit_level(fitted_on, np.ones(len(fitted_on), bool), target, probability, class_items)
        tries.append(apply_level(fitted, others, np.ones(len(others), bool)))
        errors.append(refitted_error(fitted_on, others))
    return TargetTrial.of(target, tries, errors)
