"""The quality command: measures the precision of accepted tags, from a reviewed QA sample."""

from tagger.confidence.qa_sample import Precision
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_line
from tagger.schemas.configs.confidence import QualityConfig
from tagger.workflows.quality import QualityResult, measure_quality

_CLASSES_SHOWN = 15


def run(config: QualityConfig, console: Console) -> int:
    """Measure the precision of the accepted tags of some runs, by level and class, against the target."""
    result = measure_quality(config, console)
    _say(config, console, result)
    console.result(_document(result))
    if result.waits_in:
        console.say(next_line(config, "review", "--run", str(result.waits_in)))
    return 0


def _say(config: QualityConfig, console: Console, result: QualityResult) -> None:
    between = f"{100 * config.probability:g}% between"
    sample = f"the QA sample of {result.runs} {'run' if result.runs == 1 else 'runs'}"
    if not any(precision.answered for precision in result.levels.values()):
        drawn = " and ".join(f"{precision.sampled:,} of {level}" for level, precision in result.levels.items())
        console.say(f"Nobody has answered yet, so there is no precision: {sample} has {drawn}.")
    else:
        console.table(
            f"Precision of accepted tags, from {sample}",
            ["level", "drawn", "answered", "right", "share right", between, "and", "target", "is"],
            [_row(str(level), precision, result.targets.get(level)) for level, precision in result.levels.items()],
        )
    classes = result.classes
    doubtful = classes[classes["answered"] > 0].sort_values(["highest", "answered"]).head(_CLASSES_SHOWN)
    if len(doubtful):
        console.table(
            "The classes whose tags are least precise",
            ["level", "class", "answered", "right", between, "and"],
            [
                (r.level, r["class"], r.answered, r.right, percent(r.lowest), percent(r.highest))
                for _, r in doubtful.iterrows()
            ],
        )
    if result.waiting:
        items = (
            "1 item of the sample still waits"
            if result.waiting == 1
            else (f"{result.waiting:,} items of the sample still wait")
        )
        console.say(f"{items}: on the review page, take the filter qa_sample.")
    if result.table:
        console.say(f"By class: {result.table}")


def _row(name: str, precision: Precision, target: float | None) -> tuple[object, ...]:
    return (
        name, precision.sampled, precision.answered, precision.right,
        percent(precision.share), percent(precision.lowest), percent(precision.highest),
        "" if target is None else f"{100 * target:g}%", precision.against(target),
    )  # fmt: skip


def _document(result: QualityResult) -> dict[str, object]:
    targets = result.targets
    return {
        "runs": result.runs,
        "levels": {
            str(level): {
                "drawn": p.sampled, "answered": p.answered, "right": p.right, "precision": p.share,
                "lowest": p.lowest, "highest": p.highest, "target": targets.get(level),
                "is": p.against(targets.get(level)),
            }
            for level, p in result.levels.items()
        },
        "classes": result.classes.to_dict("records"),
    }  # fmt: skip


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="quality")
