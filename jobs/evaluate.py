"""The evaluate command: compares a run with known labels, and writes metrics and a report."""

import dataclasses

from tagger.evaluation.breakdown import Difference, classes_that_differ
from tagger.evaluation.report import Comparison
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_line
from tagger.jobs.steps import evaluated_tags_report
from tagger.schemas.configs.evaluate import EvaluateConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.evaluate import EvaluateResult, evaluate

_CLASSES = 5
"""Classes of a level that are named in a comparison; the report has more."""


def run(config: EvaluateConfig, console: Console) -> int:
    """Compare a run's predictions with a labelled manifest, item by item."""
    result = evaluate(config, console)
    counted, metrics = result.counted, result.metrics
    console.metrics(f"The run on {counted.counted:,} of {counted.labelled:,} labelled items", metrics)
    evaluated_tags_report.show(console, result.tags)
    if result.against:
        _say_compared(console, result.against, result.differences)
    if left_out := counted.in_words():
        console.say(f"Not counted: {left_out}.")
    console.say(f"Report: {result.report}")
    console.result(_document(result))
    if result.model:
        console.say(next_line(config, "policy", result.model, "--target-precision", "0.95"))
    return 0


def _document(result: EvaluateResult) -> dict[str, object]:
    document = result.metrics.model_dump(mode="json", by_alias=True)
    document |= {"failed": result.evaluation.failed, "report": str(result.report)}
    document["counts"] = result.counted.document()
    document |= result.tags.documents()
    if result.against:
        document["against"] = {str(level): dataclasses.asdict(d) for level, d in result.differences.items()}
    return document


def _say_compared(console: Console, against: Comparison, differences: dict[Level, Difference]) -> None:
    """Print both sides' metrics, the difference, its significance, and the classes that differ most."""
    items = len(against.evaluated.items)
    console.metrics(f"{against.name}, on the {items:,} items that both have", against.other.metrics())
    console.table(
        f"The run compared with {against.name}: points of accuracy on the {items:,} items that both have",
        ["level", "difference", "95% from", "to", "right here alone", "right there alone", "p (McNemar)"],
        [
            (
                str(level),
                *(f"{100 * figure:+.2f}" for figure in (d.accuracy, d.lowest, d.highest)),
                d.only_first,
                d.only_second,
                f"{d.p_value:.3g}",
            )
            for level, d in differences.items()
        ],
    )
    for level, d in differences.items():
        console.say(f"{level}: {d.in_words()}.")
        classes = classes_that_differ(against.evaluated.levels[level], against.other.levels[level])
        named = [
            f"{c['class']} {c['change']:+.3f} ({c['items']:,} {'item' if c['items'] == 1 else 'items'})"
            for c in classes[classes["change"] != 0].head(_CLASSES).to_dict("records")
        ]
        if named:
            console.say(f"  The classes whose F1 differs most: {', '.join(named)}")


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="evaluate")
