"""The policy command: fits a bundle's thresholds to a target precision, and writes them into the bundle."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TypeVar

from pydantic.alias_generators import to_camel

from tagger.confidence.trial import TargetTrial
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import UNKNOWN, command_line, next_line
from tagger.jobs.steps import attributes_report
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.as_flags import catalogue_flags
from tagger.workflows.evidence_held_out import IN_WORDS
from tagger.workflows.policy import (
    FittedPolicy,
    PolicyResult,
    PolicyTrial,
    PolicyTrials,
    fit_policy,
    try_policy,
)

_SHOWN = 10
_Result = TypeVar("_Result")


def run(config: PolicyConfig, console: Console) -> int:
    """Fit thresholds on the bundle's control items and write them into the bundle, or try a target on random halves."""
    if config.splits:
        _say_trials(config, console, try_policy(config, console))
    else:
        _say(config, console, fit_policy(config, console))
    return 0


def _say(config: PolicyConfig, console: Console, result: PolicyResult) -> None:
    for how, fitted in _by_evidence(result, result.by_evidence):
        _say_fitted(config, console, how and f" {how}", fitted)
    if result.by_evidence:
        has = "these policies now, and tagger tag applies the one for what an item shows"
    else:
        has = "this policy now, and tagger tag applies it"
    if result.without_denied:
        _say_denied(config, console, result)
    attributes_report.show_policies(console, result.attributes)
    console.say(f"The bundle has {has}. Curve: {result.curve}")
    console.result(_document(config, result) | {"deniedLabels": result.denied, "byEvidence": {
        str(evidence): _document(config, fitted) for evidence, fitted in result.by_evidence.items()
    }, "attributes": {
        name: fitted.policy.model_dump(mode="json", by_alias=True) for name, fitted in result.attributes.items()
    }})  # fmt: skip
    taught_on = result.card.provenance.config
    if taught_on.get("manifest"):
        console.say(next_line(config, "tag", *catalogue_flags(taught_on), "--model", config.model, "--out", "run"))


def _say_denied(config: PolicyConfig, console: Console, result: PolicyResult) -> None:
    """Say what labels that image and title deny cost, and how to review them."""
    concerned = [fitted for fitted in (result, *result.by_evidence.values()) if fitted.without_denied]
    best = max(concerned, key=_coverage)
    without = best.without_denied[Level.ARTICLE_TYPE]
    console.say(
        f"Image and title agree on another article type than the label of {result.denied:,} of these "
        f"{best.policy.side} items. If the labels are what is wrong, correct them and train anew: without these items, "
        f"{percent(without)} would be accepted instead of {percent(_coverage(best))}. They are listed, with those of "
        f"val and test, in {result.denied_labels}"
    )
    taught_on = result.card.provenance.config
    flags = catalogue_flags(taught_on) if taught_on.get("manifest") else ["--manifest", UNKNOWN]
    words = ["--model", config.model, "--denied", *flags, "--out", f"{config.model.rstrip('/')}-denied"]
    console.say(f"To review them: {command_line(config, 'audit', *words)}")


def _coverage(fitted: FittedPolicy) -> float:
    return fitted.policy.levels[Level.ARTICLE_TYPE].coverage


def _by_evidence(by_image: _Result, others: Mapping[Evidence, _Result]) -> list[tuple[str, _Result]]:
    """Results with what their predictions are based on in words; without words where all are by the image."""
    of_image = (IN_WORDS[Evidence.IMAGE] if others else "", by_image)
    return [of_image, *((IN_WORDS[evidence], result) for evidence, result in others.items())]


def _document(config: PolicyConfig, fitted: FittedPolicy) -> dict[str, object]:
    policy = fitted.policy.model_dump(mode="json", by_alias=True)
    without = {str(level): coverage for level, coverage in fitted.without_denied.items()}
    return policy | {
        "hoursPer1000": fitted.review_hours(config.per_hour), "curve": str(fitted.curve),
        "coverageWithoutDenied": without,
    }  # fmt: skip


def _say_fitted(config: PolicyConfig, console: Console, how: str, result: FittedPolicy) -> None:
    """Print one policy.

    Args:
        config: The command's.
        console: Where to.
        how: What the predictions are based on, in words that begin with a space; empty where all are alike.
        result: The policy.
    """
    policy = result.policy
    for level, shared in result.shared.items():
        named = ", ".join(shared.classes[:_SHOWN])
        console.say(
            f"{level}{how}: {len(shared.classes)} of {shared.eligible} classes share a threshold, because more is "
            f"accepted so than by their own: {named}{', …' if len(shared.classes) > _SHOWN else ''}"
        )
    console.table(
        f"What is accepted{how}, fitted on {policy.fitted_on:,} {policy.side} items",
        ["level", "target", "from confidence", "coverage", "right", "at least", "coverage on test", "right on test"],
        [
            (
                str(level),
                f"{100 * p.target_precision:g}%",
                _threshold(p.accept_above) + (f", {len(p.classes)} classes by their own" if p.classes else ""),
                percent(p.coverage),
                percent(p.precision, 2),
                percent(p.at_least, 2),
                percent(result.on_test[level].coverage),
                percent(result.on_test[level].precision, 2),
            )
            for level, p in policy.levels.items()
        ],
    )
    article = policy.levels[Level.ARTICLE_TYPE].coverage
    master = policy.levels[Level.MASTER_CATEGORY].coverage
    hours = result.review_hours(config.per_hour)
    console.say(
        f"Of 1,000 items: {1000 * article:.0f} accepted, {1000 * (master - article):.0f} with their master category "
        f"alone, {1000 * (1 - master):.0f} to review, of which {1000 * result.doubted_share:.0f} are blurry or "
        f"unfamiliar. To complete both takes {hours:.1f} hours at {config.per_hour} an hour."
    )


def _say_trials(config: PolicyConfig, console: Console, trials: PolicyTrials) -> None:
    """Print how often the target was met on items that the thresholds were not fitted to."""
    for how, trial in _by_evidence(trials, trials.by_evidence):
        _say_trial(config, console, how and f", {how}", trial)
    attributes_report.show_trials(console, config.splits, trials.attributes)
    console.result({
        "splits": config.splits, **_trial_document(trials),
        "byEvidence": {str(evidence): _trial_document(trial) for evidence, trial in trials.by_evidence.items()},
        "attributes": {
            name: {str(kind): _in_camel_case(trial) for kind, trial in by.items()}
            for name, by in trials.attributes.items()
        },
    })  # fmt: skip
    targets = ",".join(f"{level}={precision:g}" for level, precision in config.target_precision.items())
    console.say(next_line(config, "policy", config.model, "--target-precision", targets))


def _trial_document(trial: PolicyTrial) -> dict[str, object]:
    return {"items": trial.items, "levels": {str(level): _in_camel_case(k) for level, k in trial.levels.items()}}


def _in_camel_case(trial: TargetTrial) -> dict[str, object]:
    return {to_camel(name): value for name, value in asdict(trial).items()}


def _say_trial(config: PolicyConfig, console: Console, how: str, trial: PolicyTrial) -> None:
    console.table(
        f"{config.splits} random halves of {trial.items:,} held-out items{how}: fitted on one, applied to the other",
        ["level", "target", "kept in halves", "lowest right", "mean right", "mean coverage"],
        [
            (
                str(level),
                f"{100 * k.target:g}%",
                percent(k.kept, 0) if k.mean_coverage else "nothing accepted",
                percent(k.lowest_precision, 2),
                percent(k.mean_precision, 2),
                percent(k.mean_coverage),
            )
            for level, k in trial.levels.items()
        ],
    )
    console.table(
        "Expected calibration error on the other half, median",
        ["level", "refitted confidences", "by chance alone, on as many items"],
        [
            (str(level), f"{k.calibration_error:.4f}", f"{k.calibration_error_by_chance:.4f}")
            for level, k in trial.levels.items()
        ],
    )


def _threshold(value: float | None) -> str:
    return "never" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="policy")
