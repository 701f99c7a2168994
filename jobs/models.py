"""The models command: bundles by name and version, promoted and taken back."""

from typing import Any

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.registry.promotion import PROBABILITY
from tagger.schemas.configs.models import ModelsConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.models import (
    ListedModel,
    ListedVersion,
    ModelChange,
    add_model,
    list_models,
    promote_model,
    rollback_model,
)


def run(config: ModelsConfig, console: Console) -> int:
    """List named models, add a version, promote one, or take that back."""
    match config.action:
        case "list":
            _say_list(console, list_models(config, console))
        case "add":
            _say_added(console, add_model(config, console))
        case "promote":
            _say_pointed(console, promote_model(config, console))
        case "rollback":
            _say_pointed(console, rollback_model(config, console))
    return 0


def _say_list(console: Console, models: list[ListedModel]) -> None:
    for model in models:
        console.table(
            model.name,
            ["version", "alias", "model", "added", "by", "types right", "note"],
            [_row(version) for version in model.versions],
        )
    console.result({"models": [_document(model) for model in models]})


def _row(listed: ListedVersion) -> list[object]:
    version = listed.version
    return [
        version.version, ", ".join(listed.aliases), version.model_id, f"{version.added_at:%Y-%m-%d %H:%M}",
        version.added_by, percent(_accuracy(listed), 1), version.note,
    ]  # fmt: skip


def _accuracy(listed: ListedVersion) -> float | None:
    """Share of right article types on the test side of its training."""
    test = next((metrics for metrics in listed.card.metrics if metrics.split == "test"), None)
    return test.levels[Level.ARTICLE_TYPE].accuracy if test else None


def _document(model: ListedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "versions": [
            {
                **listed.version.model_dump(mode="json", by_alias=True, exclude={"digests"}),
                "aliases": list(listed.aliases),
                "articleTypeAccuracy": _accuracy(listed),
            }
            for listed in model.versions
        ],
        **model.aliases.model_dump(mode="json", by_alias=True),
    }


def _say_added(console: Console, change: ModelChange) -> None:
    version = change.version.version
    if change.is_new:
        console.say(f"Added {change.root.name} {version}: {change.root / version}")
    else:
        console.say(f"{change.root.name} {version} is this bundle already; nothing was copied")
    if change.alias:
        console.say(f"{change.alias} is {version}{f', and was {change.before}' if change.before else ''}.")
    _finish(console, change)


def _say_pointed(console: Console, change: ModelChange) -> None:
    version = change.version.version
    if change.before == version:
        console.say(f"{change.alias} of {change.root.name} is {version} already; nothing changed.")
    else:
        console.say(
            f"{change.alias} of {change.root.name} is {version}{f', and was {change.before}' if change.before else ''}."
        )
    if change.change:
        shown = change.change
        console.say(
            f"From {shown.items:,} items ({shown.source}): its share of right article types is {_points(shown.mean)} "
            f"against the old one's, at least {_points(shown.at_least)} ({100 * PROBABILITY:g}% sure)."
        )
    _finish(console, change)


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"


def _finish(console: Console, change: ModelChange) -> None:
    if change.mlflow:
        console.say(f"MLflow has it as version {change.mlflow[change.version.version]} of {change.root.name}.")
    console.result(
        {
            "model": str(change.root / change.version.version), "version": change.version.version,
            "modelId": change.version.model_id, "added": change.is_new, "alias": change.alias, "before": change.before,
            "change": vars(change.change) if change.change else None, "mlflow": dict(change.mlflow),
        }
    )  # fmt: skip


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="models")
