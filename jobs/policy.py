"""Policy job: a bundle and a target precision in; thresholds that keep it on new items out, kept in the bundle.

They are fitted to the control side, which neither epoch nor calibration has seen; test stays unseen by them all.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pydantic.alias_generators import to_camel

from tagger.confidence.calibration import refitted_error
from tagger.confidence.target import Applied, apply, coverage_curve, fit_policy, highest_target, own_classes
from tagger.errors import InputError, UsageError
from tagger.evaluation import plots
from tagger.evaluation.metrics import Evaluation
from tagger.evaluation.report import CONTROL_ITEMS, ITEMS, VAL_ITEMS
from tagger.io.location import Location
from tagger.jobs.shell.console import Console
from tagger.models.bundle import Bundle
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.documents.bundle import Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.holding_out import holding_bundle

_SHOWN = 10
_Side = Literal["val", "test", "control"]
_FILES: dict[_Side, str] = {"val": VAL_ITEMS, "test": ITEMS, "control": CONTROL_ITEMS}


def run(config: PolicyConfig, console: Console) -> int:
    """Fit thresholds on the bundle's control items, and keep them in the bundle; or try a target out on many halves."""
    place = Location(config.bundle, config.s3_endpoint, config.s3_region)
    if config.splits:
        bundle = Bundle.load(place, "BUNDLE")
        return _try_out(config, console, bundle, place, _fitting_side(place, console))
    with holding_bundle(place) as bundle:
        return _fit(config, console, bundle, place)


def _fit(config: PolicyConfig, console: Console, bundle: Bundle, place: Location) -> int:
    """Fit thresholds, and write them and their curves into the bundle, which is held."""
    side = _fitting_side(place, console)
    held_out, blurry = _predictions(place, bundle, [side])
    policy = fit_policy(held_out, blurry, config.target_precision, config.probability, config.class_items)
    policy = policy.model_copy(update={"side": side})
    _check_met(config, held_out, blurry, policy)
    _say_dropped(config, console, held_out, blurry, policy)
    other, blurry_others = _predictions(place, bundle, ["test"])
    on_test = apply(policy, other, blurry_others)
    bundle.changed(policy=policy).save(place)
    curves = _write_curves(place / "report", held_out.only(~blurry), policy)
    _say(config, console, policy, on_test, blurry, curves)
    return 0


def _fitting_side(place: Location, console: Console) -> Literal["val", "control"]:
    """The side that nothing else was chosen by; of bundles that have no predictions for it, val, which says so."""
    if (place / "report" / CONTROL_ITEMS).exists():
        return "control"
    console.warn(
        f"The bundle has no {CONTROL_ITEMS}: val, which chose the epoch and the calibration, decides here, too, so the "
        "promise is approximate; train anew for a control side"
    )
    return "val"


def _predictions(place: Location, bundle: Bundle, sides: list[_Side]) -> tuple[Evaluation, np.ndarray]:
    """What the model said of held-out items when it was made, and which of them are blurry, bool [N]."""
    tables = []
    for side in sides:
        file = place / "report" / _FILES[side]
        if not file.exists():
            raise InputError(f"BUNDLE: {place} has no report/{file.name}; bundles that are made from now on have it")
        with file.open_random() as source:
            tables.append(pq.read_table(source).to_pandas())
    table = pd.concat(tables, ignore_index=True)
    return Evaluation.of_table("+".join(sides), table), table["blurScore"].to_numpy() < bundle.card.blur_threshold


def _check_met(config: PolicyConfig, held_out: Evaluation, blurry: np.ndarray, policy: Policy) -> None:
    """Raise UsageError when a target cannot be shown, with what can."""
    for level, found in policy.levels.items():
        if found.accept_above is None and not any(t is not None for t in found.classes.values()):
            possible = highest_target(held_out, blurry, level, config.probability)
            instead = f"{possible} can" if possible else "no other one can, either"
            raise UsageError(
                f"--target-precision {level}={found.target_precision}: cannot be shown with probability "
                f"{config.probability} on {policy.fitted_on:,} {policy.side} items; {instead}, or more with a larger "
                "share of them (tagger train --control)"
            )


def _say_dropped(
    config: PolicyConfig, console: Console, held_out: Evaluation, blurry: np.ndarray, policy: Policy
) -> None:
    """Name the classes that have items enough for a threshold of their own, by which less would be accepted."""
    for level, fitted in policy.levels.items():
        asked = own_classes(held_out, blurry, level, config.class_items)
        dropped = [name for name in asked if name not in fitted.classes]
        if dropped:
            console.say(
                f"{level}: {len(dropped)} of {len(asked)} classes share a threshold, because more is accepted so than "
                f"by their own: {', '.join(dropped[:_SHOWN])}{', …' if len(dropped) > _SHOWN else ''}"
            )


def _write_curves(report: Location, held_out: Evaluation, policy: Policy) -> Location:
    """Coverage against precision at every threshold: a table, and a plot with the policy in it."""
    curves = {str(level): coverage_curve(held_out.levels[level]) for level in Level}
    frames = [curve.assign(level=name) for name, curve in curves.items()]
    columns = ["level", "threshold", "coverage", "precision"]
    (report / "policy.csv").write_text(pd.concat(frames)[columns].to_csv(index=False, float_format="%.6f"))
    marks = {str(level): (p.coverage, p.precision) for level, p in policy.levels.items() if p.precision is not None}
    plot = report / "policy.svg"
    plot.write_text(plots.coverage_curves(curves, marks, "What is accepted, and how much of it is right"))
    return plot


def _say(
    config: PolicyConfig,
    console: Console,
    policy: Policy,
    on_test: Mapping[Level, Applied],
    blurry: np.ndarray,
    plot: Location,
) -> None:
    console.table(
        f"What is accepted, fitted on {policy.fitted_on:,} {policy.side} items",
        ["level", "target %", "from confidence", "coverage %", "right %", "at least %", "test: coverage %", "right %"],
        [
            (
                str(level),
                f"{100 * p.target_precision:g}",
                _threshold(p.accept_above) + (f", {len(p.classes)} classes by their own" if p.classes else ""),
                f"{100 * p.coverage:.1f}",
                _percent(p.precision),
                _percent(p.at_least),
                f"{100 * on_test[level].coverage:.1f}",
                _percent(on_test[level].precision),
            )
            for level, p in policy.levels.items()
        ],
    )
    article = policy.levels[Level.ARTICLE_TYPE].coverage
    master = policy.levels[Level.MASTER_CATEGORY].coverage
    review = 1 - master
    partly = master - article
    hours = (review + partly) * 1000 / config.per_hour
    console.say(
        f"Of 1,000 items: {1000 * article:.0f} accepted, {1000 * partly:.0f} with their master category alone, "
        f"{1000 * review:.0f} to review, of which {1000 * blurry.mean():.0f} are blurry. To complete both takes "
        f"{hours:.1f} hours at {config.per_hour} an hour."
    )
    console.say(f"The bundle has this policy now, and tagger tag applies it. Curve: {plot}")
    console.result(policy.model_dump(mode="json", by_alias=True) | {"hoursPer1000": hours, "curve": str(plot)})


def _try_out(config: PolicyConfig, console: Console, bundle: Bundle, place: Location, side: _Side) -> int:
    """Fit on one half, apply to the other, again and again; say how often the promise is kept there."""
    everything, blurry = _predictions(place, bundle, [side, "test"])
    rng = np.random.default_rng(config.seed)
    found: dict[Level, list[Applied]] = {level: [] for level in Level}
    errors: dict[Level, list[tuple[float, float]]] = {level: [] for level in Level}
    for _ in range(config.splits):
        fitting = rng.permutation(len(blurry)) < len(blurry) // 2
        fitted_on, others = everything.only(fitting), everything.only(~fitting)
        policy = fit_policy(fitted_on, blurry[fitting], config.target_precision, config.probability, config.class_items)
        for level, applied in apply(policy, others, blurry[~fitting]).items():
            found[level].append(applied)
            errors[level].append(refitted_error(fitted_on.levels[level], others.levels[level], rng))
    levels = {level: _Kept.of(config.target_precision[level], found[level], errors[level]) for level in Level}
    console.table(
        f"{config.splits} random halves of {len(blurry):,} held-out items: fitted on one, applied to the other",
        ["level", "target %", "kept in % of the halves", "lowest right %", "mean right %", "mean coverage %"],
        [
            (
                str(level),
                f"{100 * k.target:g}",
                f"{100 * k.kept:.0f}",
                _percent(k.lowest_precision),
                _percent(k.mean_precision),
                f"{100 * k.mean_coverage:.1f}",
            )
            for level, k in levels.items()
        ],
    )
    console.table(
        "Expected calibration error on the other half, median",
        ["level", "refitted confidences", "chance alone: honest ones, as many items"],
        [
            (str(level), f"{k.calibration_error:.4f}", f"{k.calibration_error_of_honest:.4f}")
            for level, k in levels.items()
        ],
    )
    document = {str(level): {to_camel(name): v for name, v in asdict(kept).items()} for level, kept in levels.items()}
    console.result({"splits": config.splits, "items": len(blurry), "levels": document})
    return 0


@dataclass(frozen=True)
class _Kept:
    """How a target fared on the halves that its thresholds were not fitted to."""

    target: float
    kept: float
    lowest_precision: float | None
    mean_precision: float | None
    mean_coverage: float
    calibration_error: float
    """Median over the halves of the expected calibration error, of confidences refitted on the other half."""
    calibration_error_of_honest: float
    """Median of what chance alone gives: the same confidences, and items that are right with just that probability."""

    @classmethod
    def of(cls, target: float, tries: list[Applied], errors: list[tuple[float, float]]) -> "_Kept":
        precisions = [a.precision for a in tries if a.precision is not None]
        return cls(
            target,
            kept=sum(a.precision is None or a.precision >= target for a in tries) / len(tries),
            lowest_precision=min(precisions, default=None),
            mean_precision=float(np.mean(precisions)) if precisions else None,
            mean_coverage=float(np.mean([a.coverage for a in tries])),
            calibration_error=float(np.median([measured for measured, _ in errors])),
            calibration_error_of_honest=float(np.median([by_chance for _, by_chance in errors])),
        )


def _threshold(value: float | None) -> str:
    return "never" if value is None else f"{value:.4f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="policy")
