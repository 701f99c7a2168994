"""Fits a bundle's thresholds to a target precision, or tries a target out.

Thresholds are fitted on the control side, which neither training nor calibration has seen; test is used for neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tagger.confidence import target
from tagger.confidence.target import Applied, coverage_curve, highest_target, own_classes
from tagger.confidence.trial import TargetTrial, try_target
from tagger.errors import InputError, UsageError
from tagger.evaluation import plots
from tagger.evaluation.metrics import Evaluation
from tagger.evaluation.report import CONTROL_ITEMS, ITEMS, VAL_ITEMS
from tagger.io.location import Location
from tagger.io.parquet import open_parquet
from tagger.models.bundle import Bundle
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.documents.bundle import ModelCard, Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.folder_locks import locked_bundle
from tagger.workflows.open_catalog import resolve_location

_Side = Literal["val", "test", "control"]
_FILES: dict[_Side, str] = {"val": VAL_ITEMS, "test": ITEMS, "control": CONTROL_ITEMS}


@dataclass(frozen=True)
class SharedThresholds:
    """Classes of a level with enough items for their own threshold, which would accept less than the shared one."""

    eligible: int
    """Number of classes with enough items."""
    classes: tuple[str, ...]
    """Names of those that use the level's threshold instead."""


@dataclass(frozen=True)
class PolicyResult:
    """A policy that was written into its bundle, and its effect."""

    policy: Policy
    card: ModelCard
    """The bundle's card, with the policy."""
    on_test: Mapping[Level, Applied]
    """Its effect on the test items, to which nothing was fitted."""
    blurry_share: float
    """Share of the fitting items that go to review because they are blurry, 0 to 1."""
    shared: Mapping[Level, SharedThresholds]
    """By level; only levels with such classes."""
    curve: Location
    """Plot of coverage against precision; `policy.csv` beside it has the values."""

    def review_hours(self, per_hour: int) -> float:
        """Hours to complete both tags of 1,000 items, at `per_hour` decisions an hour."""
        levels = self.policy.levels
        undecided = 1 - levels[Level.MASTER_CATEGORY].coverage
        partly = levels[Level.MASTER_CATEGORY].coverage - levels[Level.ARTICLE_TYPE].coverage
        return (undecided + partly) * 1000 / per_hour


@dataclass(frozen=True)
class PolicyTrial:
    """Results of a target on many random halves of the held-out items."""

    items: int
    levels: Mapping[Level, TargetTrial]


def fit_policy(config: PolicyConfig, reporter: Reporter = LOG) -> PolicyResult:
    """Fit thresholds on a bundle's control items, and write them and their curves into the bundle.

    The command is `tagger policy`.

    Args:
        config: The bundle and the target precision by level, 0 to 1; `splits` is for `try_policy`.
        reporter: Where progress and warnings go.

    Returns:
        The policy, already written into the bundle; `tag` applies it.

    Raises:
        UsageError: when the items are too few for a target (the message has the highest possible), or another process
            holds the bundle.
        InputError: when the bundle has no predictions for held-out items.

    Example::

        from tagger import PolicyConfig, fit_policy

        targets = {"masterCategory": 0.98, "articleType": 0.95}
        result = fit_policy(PolicyConfig(model="bundle", target_precision=targets))
        print(f"{result.policy.levels['articleType'].coverage:.0%} of items need no person")
    """
    folder = resolve_location(config.model, config)
    with locked_bundle(folder) as bundle:
        side = _fitting_side(folder, reporter)
        held_out, blurry = _predictions(folder, bundle, [side])
        fitted = target.fit_policy(held_out, blurry, config.target_precision, config.probability, config.class_items)
        policy = fitted.model_copy(update={"side": side})
        _check_met(config, held_out, blurry, policy)
        other, blurry_others = _predictions(folder, bundle, ["test"])
        on_test = target.apply(policy, other, blurry_others)
        changed = bundle.changed(policy=policy)
        changed.save(folder)
        curve = _write_curves(folder / "report", held_out.only(~blurry), policy)
    shared = _shared(config, held_out, blurry, policy)
    return PolicyResult(policy, changed.card, on_test, float(blurry.mean()), shared, curve)


def try_policy(config: PolicyConfig, reporter: Reporter = LOG) -> PolicyTrial:
    """Fit on one half of the held-out items, apply to the other, `splits` times; the bundle stays as it is.

    Args:
        config: As for `fit_policy`, with `splits` above 0.
        reporter: Where progress and warnings go.

    Raises:
        UsageError: when there is no such bundle.
        InputError: when it has no predictions for held-out items.

    Example::

        from tagger.schemas.configs.confidence import PolicyConfig

        trial = try_policy(PolicyConfig(model="bundle", target_precision=0.95, splits=100))
        print(f"kept on {trial.levels['articleType'].kept:.0%} of the halves")
    """
    folder = resolve_location(config.model, config)
    bundle = Bundle.load(folder, "--model")
    held_out, blurry = _predictions(folder, bundle, [_fitting_side(folder, reporter), "test"])
    levels = try_target(
        held_out, blurry, config.target_precision, config.probability, config.class_items, config.splits, config.seed
    )
    return PolicyTrial(len(blurry), levels)


def _fitting_side(folder: Location, reporter: Reporter) -> Literal["val", "control"]:
    """The control side; val, with a warning, if the bundle has no predictions for control."""
    if (folder / "report" / CONTROL_ITEMS).exists():
        return "control"
    reporter.warn(
        f"The bundle has no {CONTROL_ITEMS}: val, which chose the epoch and the calibration, decides here, too, so the "
        "promise is approximate; train anew for a control side"
    )
    return "val"


def _predictions(folder: Location, bundle: Bundle, sides: list[_Side]) -> tuple[Evaluation, np.ndarray]:
    """The stored predictions of held-out items, and whether each is blurry, bool [N]."""
    tables = []
    for side in sides:
        file = folder / "report" / _FILES[side]
        if not file.exists():
            raise InputError(f"--model: {folder} has no report/{file.name}; bundles that are made from now on have it")
        with open_parquet(file) as items:
            tables.append(items.read().to_pandas())
    table = pd.concat(tables, ignore_index=True)
    return Evaluation.of_table("+".join(sides), table), table["blurScore"].to_numpy() < bundle.card.blur_threshold


def _check_met(config: PolicyConfig, held_out: Evaluation, blurry: np.ndarray, policy: Policy) -> None:
    """Raise UsageError when a target cannot be reached; the message has the highest possible."""
    for level, fitted in policy.levels.items():
        if fitted.accept_above is None and not any(t is not None for t in fitted.classes.values()):
            possible = highest_target(held_out, blurry, level, config.probability)
            instead = f"{possible} can" if possible else "no other one can, either"
            raise UsageError(
                f"--target-precision {level}={fitted.target_precision}: cannot be shown with probability "
                f"{config.probability} on {policy.fitted_on:,} {policy.side} items; {instead}, or more with a larger "
                "share of them (tagger train --control)"
            )


def _shared(
    config: PolicyConfig, held_out: Evaluation, blurry: np.ndarray, policy: Policy
) -> dict[Level, SharedThresholds]:
    """By level, the classes with enough items for their own threshold that use the shared one."""
    shared = {}
    for level, fitted in policy.levels.items():
        classes = own_classes(held_out, blurry, level, config.class_items)
        dropped = tuple(name for name in classes if name not in fitted.classes)
        if dropped:
            shared[level] = SharedThresholds(len(classes), dropped)
    return shared


def _write_curves(report: Location, held_out: Evaluation, policy: Policy) -> Location:
    """Write coverage against precision at every threshold, as a table and as a plot with the policy."""
    curves = {str(level): coverage_curve(held_out.levels[level]) for level in Level}
    frames = [curve.assign(level=name) for name, curve in curves.items()]
    columns = ["level", "threshold", "coverage", "precision"]
    (report / "policy.csv").write_text(pd.concat(frames)[columns].to_csv(index=False, float_format="%.6f"))
    marks = {str(level): (p.coverage, p.precision) for level, p in policy.levels.items() if p.precision is not None}
    plot = report / "policy.svg"
    plot.write_text(plots.coverage_curves(curves, marks, "What is accepted, and how much of it is right"))
    return plot
