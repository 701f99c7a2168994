"""Output at the end of the tag command: counts of rows, failed images, and whether there are too many."""

from dataclasses import asdict

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_line
from tagger.jobs.steps import drift_report
from tagger.manifest.spelling import visible
from tagger.runs.limits import limits_of
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.run import Counts
from tagger.schemas.tables.prediction import Decision
from tagger.workflows.image_errors import document, lines
from tagger.workflows.promise import PromiseSoFar
from tagger.workflows.tag import TagResult

_IN_WORDS = {
    "labelled": "already labelled (--untagged-only)",
    "before_since": "before --since",
    "known": "known from earlier runs",
    "decided": "decided by a person",
}
_OF_FURTHER_TAGS = (Decision.ACCEPT, Decision.REVIEW)


def show(config: TagConfig, console: Console, result: TagResult, show_next: bool = True) -> None:
    """Print the results of a finished run, and the next command unless another job goes on itself."""
    counts, directory = result.counts, result.directory
    console.table(f"Run {result.record.run_id}", ["what", "rows"], _rows(counts))
    if counts.attributes:
        console.table("Further tags", ["tag", *map(str, _OF_FURTHER_TAGS)], _further_tags(counts))
    if counts.repaired:
        console.say(f"{counts.repaired:,} {'row was' if counts.repaired == 1 else 'rows were'} repaired.")
    if result.failed.counts:
        console.say(f"Images that could not be {'used' if counts.tagged_without_image else 'tagged'}:")
        for line in lines(result.failed, result.near_misses):
            console.say(line)
    console.say(f"Predictions: {directory.predictions}")
    console.say(f"Page: {result.page}")
    if config.embeddings:
        console.say(f"Embeddings: {directory.embeddings}")
    for problem in result.too_many:
        console.warn(problem)
    if reason := result.nothing_to_tag:
        console.warn(reason)
    if counts.rejects:
        rows = "row" if counts.rejects == 1 else "rows"
        console.warn(f"{counts.rejects:,} {rows} could not be read; {directory.rejects} has each with line and reason")
    if result.drift:
        drift_report.say_alarms(console, result.drift)
        console.say(f"Compared with the runs before: {result.drift.page}")
    for promise in result.promises:
        (console.warn if promise.is_broken else console.say)(promise.words)
    if counts.predictions and show_next:
        console.say(_next(config, counts))


def document_of(config: TagConfig, result: TagResult) -> dict[str, object]:
    """The results of a finished run as JSON."""
    about = {
        "run": str(result.directory.root),
        "failedImages": document(result.failed),
        "page": str(result.page),
        "nearMisses": list(result.near_misses),
        "problems": list(result.too_many),
        "limits": [
            asdict(limit) | {"exceeded": limit.is_exceeded}
            for limit in limits_of(result.counts, config.max_failed, config.max_rejected)
        ],
        "held": result.is_held,
        "promises": [_promise(promise) for promise in result.promises],
        "drift": drift_report.document_of(result.drift) if result.drift else None,
    }
    return result.record.model_dump(mode="json", by_alias=True) | about


def _promise(promise: PromiseSoFar) -> dict[str, object]:
    bound = promise.promise.bound
    return {
        "level": str(promise.level), "target": promise.target, "measured": promise.measured, "answers": bound.answers,
        "lowest": bound.lowest, "highest": bound.highest, "since": promise.since, "broken": promise.is_broken,
    }  # fmt: skip


def _next(config: TagConfig, counts: Counts) -> str:
    """The next command: review if items need it, else write the tags for the PIM."""
    if any(counts.decisions.get(decision) for decision in (Decision.REVIEW, Decision.ACCEPT_MASTER_ONLY)):
        return next_line(config, "review", "--run", config.out)
    return next_line(config, "apply", config.out, "--out", f"{config.out.rstrip('/')}-tags")


def _further_tags(counts: Counts) -> list[tuple[object, ...]]:
    """How many of each further tag are accepted, and how many go to review."""
    return [
        (visible(name), *(of.get(decision, 0) for decision in _OF_FURTHER_TAGS))
        for name, of in counts.attributes.items()
    ]


def _rows(counts: Counts) -> list[tuple[str, int]]:
    decisions = [(f"  {decision}", counts.decisions.get(decision, 0)) for decision in Decision]
    redecided = [("  of these decided anew, images unchanged", counts.redecided)] if counts.redecided else []
    return [
        ("read", counts.rows),
        *decisions,
        *([("  of these without a usable image", counts.tagged_without_image)] if counts.tagged_without_image else []),
        *((f"    {code}", n) for code, n in sorted(counts.errors.items())),
        *redecided,
        *([("  further rows of items", counts.further)] if counts.further else []),
        ("  rejected", counts.rejects),
        *((f"    {reason}", n) for reason, n in sorted(counts.reject_reasons.items())),
        ("  left alone", counts.skipped),
        *((f"    {_IN_WORDS.get(reason, reason)}", n) for reason, n in sorted(counts.skip_reasons.items())),
    ]
