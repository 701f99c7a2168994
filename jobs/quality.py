"""The quality command: measures the precision of accepted tags, from a reviewed QA sample."""

import math

from tagger.confidence.anytime import TargetVerdict
from tagger.confidence.qa_sample import Precision, Promise
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_line
from tagger.schemas.configs.confidence import QualityConfig
from tagger.schemas.documents.taxonomy import Level
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
    if result.others:
        of = "1 run of another model is" if result.others == 1 else f"{result.others:,} runs of other models are"
        console.say(f"{of} left out; --models all counts every run.")
    if not any(precision.answered for precision in result.levels.values()):
        drawn = " and ".join(f"{precision.sampled:,} of {level}" for level, precision in result.levels.items())
        console.say(f"Nobody has answered yet, so there is no precision: {sample} has {drawn}.")
    else:
        console.table(
            f"Precision of accepted tags, from {sample}",
            ["level", "drawn", "answered", "right", "share right", between, "and"],
            [_row(str(level), precision) for level, precision in result.levels.items()],
        )
        for level, promise in result.promises.items():
            if promise.bound.answers:
                console.say(_sentence(level, promise, config.probability))
        console.say("These bounds hold however often you look. Intervals in tables hold for one look at a full sample.")
        if result.waiting:
            console.say("Until the whole sample is decided, both assume that it is decided in random order.")
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
        console.say(f"{items}: on the review page, open Check.")
    if result.table:
        console.say(f"By class: {result.table}")


def _row(name: str, precision: Precision) -> tuple[object, ...]:
    return (
        name, precision.sampled, precision.answered, precision.right,
        percent(precision.share), percent(precision.lowest), percent(precision.highest),
    )  # fmt: skip


def _sentence(level: Level, promise: Promise, probability: float) -> str:
    bound, sure = promise.bound, f"{100 * probability:g}% sure"
    after = f"{level}: after {bound.answers:,} {'answer' if bound.answers == 1 else 'answers'},"
    if bound.is_contradictory:
        return f"{after} nothing is certain: earlier and later answers differ too much to be in random order."
    tags = "accepted tags" if promise.items is None else f"the {promise.items:,} accepted tags"
    return f"{after} at least {_rounded_down(bound.lowest)} of {tags} are right ({sure}).{_verdict(promise)}"


def _verdict(promise: Promise) -> str:
    if promise.target is None:
        return ""
    target = f" The target of {100 * promise.target:g}% is {promise.bound.verdict}"
    match promise.bound.verdict, promise.further_answers:
        case TargetVerdict.LOST, _:
            return f"{target}: at most {_rounded_up(promise.bound.highest)} are right."
        case TargetVerdict.OPEN, int(further):
            missing = f"about {further:,} more {'answer shows' if further == 1 else 'answers show'} it"
            too_small = f"; the sample has only {promise.waiting:,} left" if promise.waiting < further else ""
            return f"{target}: {missing} if the share of right ones stays as it is{too_small}."
        case _:
            return f"{target}."


def _rounded_down(share: float) -> str:
    return f"{math.floor(1000 * share + 1e-9) / 10:.1f}%"  # a bound is never rounded to more than it says


def _rounded_up(share: float) -> str:
    return f"{math.ceil(1000 * share - 1e-9) / 10:.1f}%"


def _document(result: QualityResult) -> dict[str, object]:
    return {
        "runs": result.runs, "otherModels": result.others,
        "levels": {
            str(level): {
                "drawn": p.sampled, "answered": p.answered, "right": p.right, "precision": p.share,
                "lowest": p.lowest, "highest": p.highest, "target": result.targets.get(level),
                "atAnyTime": _promise(result.promises[level]),
            }
            for level, p in result.levels.items()
        },
        "classes": result.classes.to_dict("records"),
    }  # fmt: skip


def _promise(promise: Promise) -> dict[str, object]:
    bound = promise.bound
    return {
        "lowest": bound.lowest, "highest": bound.highest, "items": promise.items, "verdict": bound.verdict,
        "furtherAnswers": promise.further_answers, "contradictory": bound.is_contradictory,
    }  # fmt: skip


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="quality")
