"""The policy command: fits a bundle's thresholds to a target precision, and writes them into the bundle."""

from dataclasses import asdict

from pydantic.alias_generators import to_camel

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_line
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.as_flags import catalogue_flags
from tagger.workflows.policy import PolicyResult, PolicyTrial, fit_policy, try_policy

_SHOWN = 10


def run(config: PolicyConfig, console: Console) -> int:
    """Fit thresholds on the bundle's control items and write them into the bundle, or try a target on random halves."""
    if config.splits:
        _say_trial(config, console, try_policy(config, console))
    else:
        _say(config, console, fit_policy(config, console))
    return 0


def _say(config: PolicyConfig, console: Console, result: PolicyResult) -> None:
    policy = result.policy
    for level, shared in result.shared.items():
        named = ", ".join(shared.classes[:_SHOWN])
        console.say(
            f"{level}: {len(shared.classes)} of {shared.eligible} classes share a threshold, because more is accepted "
            f"so than by their own: {named}{', …' if len(shared.classes) > _SHOWN else ''}"
        )
    console.table(
        f"What is accepted, fitted on {policy.fitted_on:,} {policy.side} items",
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
        f"alone, {1000 * (1 - master):.0f} to review, of which {1000 * result.blurry_share:.0f} are blurry. "
        f"To complete both takes {hours:.1f} hours at {config.per_hour} an hour."
    )
    console.say(f"The bundle has this policy now, and tagger tag applies it. Curve: {result.curve}")
    console.result(policy.model_dump(mode="json", by_alias=True) | {"hoursPer1000": hours, "curve": str(result.curve)})
    taught_on = result.card.provenance.config
    if taught_on.get("manifest"):
        console.say(next_line(config, "tag", *catalogue_flags(taught_on), "--model", config.model, "--out", "run"))


def _say_trial(config: PolicyConfig, console: Console, trial: PolicyTrial) -> None:
    """Print how often the target was met on items that the thresholds were not fitted to."""
    console.table(
        f"{config.splits} random halves of {trial.items:,} held-out items: fitted on one, applied to the other",
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
    levels = {str(level): {to_camel(name): v for name, v in asdict(k).items()} for level, k in trial.levels.items()}
    console.result({"splits": config.splits, "items": trial.items, "levels": levels})
    targets = ",".join(f"{level}={precision:g}" for level, precision in config.target_precision.items())
    console.say(next_line(config, "policy", config.model, "--target-precision", targets))


def _threshold(value: float | None) -> str:
    return "never" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="policy")
