"""Fits a bundle's thresholds to a target precision, or tries a target out.

Thresholds are fitted on the control side, which neither training nor calibration has seen; test is used for neither.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from threadpoolctl import threadpool_limits

from tagger.confidence import target
from tagger.confidence.target import Applied, coverage_curve, highest_target, own_classes
from tagger.confidence.trial import TargetTrial, try_target
from tagger.errors import UsageError
from tagger.evaluation import plots
from tagger.evaluation.metrics import Evaluation
from tagger.evaluation.report import CONTROL_ITEMS
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.documents.bundle import LevelPolicy, ModelCard, Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.attributes_policy import FittedAttribute, fit_attributes, try_attributes
from tagger.workflows.evidence_held_out import CURVES, DENIED, IN_WORDS
from tagger.workflows.folder_locks import locked_bundle
from tagger.workflows.held_out_predictions import HeldOut, held_out_predictions, known_evidence
from tagger.workflows.open_catalog import resolve_model
from tagger.workflows.taught_page import begin_renewal, renew

_CURVES = {Evidence.IMAGE: "policy", **CURVES}


@dataclass(frozen=True)
class SharedThresholds:
    """Classes of a level with enough items for their own threshold, which would accept less than the shared one."""

    eligible: int
    """Number of classes with enough items."""
    classes: tuple[str, ...]
    """Names of those that use the level's threshold instead."""


@dataclass(frozen=True)
class FittedPolicy:
    """A policy that was written into its bundle, and its effect."""

    policy: Policy
    on_test: Mapping[Level, Applied]
    """Its effect on the test items, to which nothing was fitted."""
    doubted_share: float
    """Share of the fitting items that go to review because they are blurry or unfamiliar, 0 to 1."""
    shared: Mapping[Level, SharedThresholds]
    """By level; only levels with such classes."""
    curve: Location
    """Plot of coverage against precision; `policy.csv` beside it has the values."""
    without_denied: Mapping[Level, float]
    """Coverage, 0 to 1, without the items whose label image and title deny; empty where there are none."""

    def review_hours(self, per_hour: int) -> float:
        """Hours to complete both tags of 1,000 items, at `per_hour` decisions an hour."""
        levels = self.policy.levels
        undecided = 1 - levels[Level.MASTER_CATEGORY].coverage
        partly = levels[Level.MASTER_CATEGORY].coverage - levels[Level.ARTICLE_TYPE].coverage
        return (undecided + partly) * 1000 / per_hour


@dataclass(frozen=True)
class PolicyResult(FittedPolicy):
    """The policy of predictions by image alone, and those of predictions that are based on more."""

    card: ModelCard
    """The bundle's card, with the policies."""
    by_evidence: Mapping[Evidence, FittedPolicy]
    """Of predictions that are based on more; each holds for the items that have that."""
    denied: int
    """Number of fitting items whose label image and title deny."""
    denied_labels: Location
    """CSV file of these, and of those of val and test."""
    attributes: Mapping[str, FittedAttribute]
    """The policies of further tags, if the bundle knows some, by their names."""


@dataclass(frozen=True)
class PolicyTrial:
    """Results of a target on many random halves of the held-out items."""

    items: int
    levels: Mapping[Level, TargetTrial]


@dataclass(frozen=True)
class PolicyTrials(PolicyTrial):
    """Those of predictions by image alone, and of predictions that are based on more."""

    by_evidence: Mapping[Evidence, PolicyTrial]
    attributes: Mapping[str, Mapping[Evidence, TargetTrial]]
    """Those of further tags, by their names and by what they are based on."""


def fit_policy(config: PolicyConfig, reporter: Reporter = LOG) -> PolicyResult:
    """Fit thresholds on a bundle's control items, and write them and their curves into the bundle.

    Predictions by other evidence than the image alone get thresholds of their own if the training measured them
    (`title`, `evidence`), or `evidence` did with a run. A target that only some kinds of predictions can reach is no
    error: the others then accept nothing. The command is `tagger policy`.

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
    folder = resolve_model(config.model, config)
    with locked_bundle(folder) as bundle:
        side = fitting_side(folder, reporter)
        held_out = {
            e: held_out_predictions(folder, bundle.card, [side], e) for e in known_evidence(folder, [side, "test"])
        }
        policies = {e: _fitted(config, items, side) for e, items in held_out.items()}
        _check_met(config, held_out, policies, reporter)
        others = {e: policy for e, policy in policies.items() if e is not Evidence.IMAGE}
        tests = {e: held_out_predictions(folder, bundle.card, ["test"], e) for e in policies}
        attributes = fit_attributes(config, folder, side, reporter)
        changed = bundle.changed(
            policy=policies[Evidence.IMAGE],
            policies=others,
            attribute_policies={name: fitted.policy for name, fitted in attributes.items()},
        )
        begin_renewal(folder)
        changed.save(folder)
        denied = _denied_ids(folder, side)
        results = {
            e: _effect(config, folder / "report", held_out[e], tests[e], policy, e, denied)
            for e, policy in policies.items()
        }
        renew(folder, changed.card, reporter)
    by_image = results.pop(Evidence.IMAGE)
    return PolicyResult(
        **vars(by_image), card=changed.card, by_evidence=results, denied=len(denied),
        denied_labels=folder / "report" / DENIED, attributes=attributes,
    )  # fmt: skip


def try_policy(config: PolicyConfig, reporter: Reporter = LOG) -> PolicyTrials:
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
    folder = resolve_model(config.model, config)
    bundle = Bundle.load(folder, "--model")
    side = fitting_side(folder, reporter)
    held_out = {
        e: held_out_predictions(folder, bundle.card, [side, "test"], e) for e in known_evidence(folder, [side, "test"])
    }
    with threadpool_limits(1, "blas"):  # threads for a thousand numbers only get in each other's way: up to 10 times
        trials = {e: _tried(config, items, e, reporter) for e, items in held_out.items()}
        attributes = try_attributes(config, folder, side, reporter)
    by_image = trials.pop(Evidence.IMAGE)
    return PolicyTrials(**vars(by_image), by_evidence=trials, attributes=attributes)


def _tried(config: PolicyConfig, items: HeldOut, evidence: Evidence, reporter: Reporter) -> PolicyTrial:
    with reporter.progress(f"Trying the policy {IN_WORDS[evidence]}", config.splits, "halves") as bar:
        levels = try_target(
            items.predicted, items.doubted, config.target_precision, config.probability, config.class_items,
            config.splits, config.seed, bar.update,
        )  # fmt: skip
    return PolicyTrial(len(items.doubted), levels)


def _fitted(config: PolicyConfig, items: HeldOut, side: Literal["val", "control"]) -> Policy:
    fitted = target.fit_policy(
        items.predicted, items.doubted, config.target_precision, config.probability, config.class_items
    )
    return fitted.model_copy(update={"side": side})


def _effect(
    config: PolicyConfig,
    report: Location,
    held_out: HeldOut,
    test: HeldOut,
    policy: Policy,
    evidence: Evidence,
    denied: frozenset[str],
) -> FittedPolicy:
    """What a policy accepts; its curves are written into the report."""
    return FittedPolicy(
        policy=policy,
        on_test=target.apply(policy, test.predicted, test.doubted),
        doubted_share=float(held_out.doubted.mean()),
        shared=_shared(config, held_out, policy),
        curve=_write_curves(report, held_out.predicted.only(~held_out.doubted), policy, _CURVES[evidence]),
        without_denied=_without_denied(config, held_out, policy, denied),
    )


def _denied_ids(folder: Location, side: str) -> frozenset[str]:
    """Ids of the fitting items whose label image and title deny."""
    file = folder / "report" / DENIED
    if not file.exists():
        return frozenset()
    denied = pd.read_csv(io.BytesIO(file.read_bytes()), dtype=str)
    return frozenset(denied["id"][denied["split"] == side])


def _without_denied(
    config: PolicyConfig, held_out: HeldOut, policy: Policy, denied: frozenset[str]
) -> dict[Level, float]:
    """Coverage of a policy that is fitted without the items whose label is denied, as a share of the others."""
    keep = ~held_out.predicted.items["id"].isin(denied).to_numpy()
    if keep.all():
        return {}
    fitted = _fitted(config, HeldOut(held_out.predicted.only(keep), held_out.doubted[keep]), policy.side)
    return {level: fitted.levels[level].coverage for level in Level}


def fitting_side(folder: Location, reporter: Reporter) -> Literal["val", "control"]:
    """The control side; val, with a warning, if the bundle has no predictions for control."""
    if (folder / "report" / CONTROL_ITEMS).exists():
        return "control"
    reporter.warn(
        f"The bundle has no {CONTROL_ITEMS}: val, which chose the epoch and the calibration, decides here, too, so the "
        "promise is approximate; train anew for a control side"
    )
    return "val"


def _check_met(
    config: PolicyConfig, held_out: Mapping[Evidence, HeldOut], policies: Mapping[Evidence, Policy], reporter: Reporter
) -> None:
    """Warn of a target that one kind of prediction cannot reach.

    Raises:
        UsageError: when no kind can; the message has the highest target that can be reached.
    """
    for level in Level:
        unmet = {e: policy for e, policy in policies.items() if not _accepts(policy.levels[level])}
        named = f"--target-precision {level}={config.target_precision[level]}"
        if len(unmet) == len(policies):
            raise UsageError(f"{named}: {_why_unmet(config, level, held_out, unmet)}")
        for e, policy in unmet.items():
            why = _why_unmet(config, level, held_out, {e: policy})
            reporter.warn(f"{named}: nothing is accepted {IN_WORDS[e]}, where it {why}")


def _accepts(fitted: LevelPolicy) -> bool:
    return fitted.accept_above is not None or any(t is not None for t in fitted.classes.values())


def _why_unmet(
    config: PolicyConfig, level: Level, held_out: Mapping[Evidence, HeldOut], policies: Mapping[Evidence, Policy]
) -> str:
    """Why none of these policies accepts anything of a level."""
    highest = [highest_target(held_out[e].predicted, held_out[e].doubted, level, config.probability) for e in policies]
    possible = max((target for target in highest if target), default=None)
    instead = f"{possible} can" if possible else "no other one can, either"
    items = " or ".join({f"{policy.fitted_on:,} {policy.side} items": None for policy in policies.values()})
    return (
        f"cannot be shown with probability {config.probability} on {items}; {instead}, or more with a larger share of "
        "them (tagger train --control)"
    )


def _shared(config: PolicyConfig, held_out: HeldOut, policy: Policy) -> dict[Level, SharedThresholds]:
    """By level, the classes with enough items for their own threshold that use the shared one."""
    shared = {}
    for level, fitted in policy.levels.items():
        classes = own_classes(held_out.predicted, held_out.doubted, level, config.class_items)
        dropped = tuple(name for name in classes if name not in fitted.classes)
        if dropped:
            shared[level] = SharedThresholds(len(classes), dropped)
    return shared


def _write_curves(report: Location, held_out: Evaluation, policy: Policy, name: str) -> Location:
    """Write coverage against precision at every threshold, as a table and as a plot with the policy."""
    curves = {str(level): coverage_curve(held_out.levels[level]) for level in Level}
    frames = [curve.assign(level=name) for name, curve in curves.items()]
    columns = ["level", "threshold", "coverage", "precision"]
    (report / f"{name}.csv").write_text(pd.concat(frames)[columns].to_csv(index=False, float_format="%.6f"))
    marks = {str(level): (p.coverage, p.precision) for level, p in policy.levels.items() if p.precision is not None}
    plot = report / f"{name}.svg"
    plot.write_text(plots.coverage_curves(curves, marks, "What is accepted, and how much of it is right"))
    return plot
