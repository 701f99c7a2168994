"""The combine command: combines bundles that were trained on the same items into one."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_on_catalogue
from tagger.schemas.configs.train import CombineConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.combine import CombineResult, combine


def run(config: CombineConfig, console: Console) -> int:
    """Average bundles, calibrate the result on their common val items, and measure it on their common test items."""
    _show(config, console, combine(config, console))
    return 0


def _show(config: CombineConfig, console: Console, result: CombineResult) -> None:
    model_id = result.card.model_id
    figures = {**result.members, f"{model_id} (all)": result.metrics}
    rows = [
        (name, *(percent(metrics.levels[level].accuracy, 2) for level in Level)) for name, metrics in figures.items()
    ]
    console.table("Accuracy on the common test items", ["model", *map(str, Level)], rows)
    console.metrics(f"Test metrics of {model_id}", result.metrics)
    console.say(f"Bundle: {result.folder}")
    console.say(f"Report: {result.report}")
    console.say(next_on_catalogue(config, "tag", "--model", str(result.folder), "--out", f"{result.folder}-run"))
    console.result(
        {
            "bundle": str(result.folder),
            "modelId": model_id,
            "metrics": result.metrics.model_dump(mode="json", by_alias=True),
            "members": {name: m.model_dump(mode="json", by_alias=True) for name, m in result.members.items()},
        }
    )


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="combine")
