"""The audit command: finds labels that are likely wrong, as Parquet, as a page and as a review queue."""

from tagger.auditing.flipped import FlipDetection
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_line, next_on_catalogue
from tagger.schemas.configs.audit import AuditConfig
from tagger.schemas.tables.prediction import ReviewReason
from tagger.workflows.audit import AuditResult, audit, try_flipped_labels
from tagger.workflows.audit_denied import DeniedResult, denied_labels

_IN_WORDS = {
    ReviewReason.TAXONOMY_CONFLICT: "type belongs to another category",
    ReviewReason.LABEL_ERROR: "label error: all that is known says otherwise",
    ReviewReason.IMAGE_DISAGREES: "  of these, by the image alone",
    ReviewReason.TITLE_DISAGREES: "  of these, by the title alone",
    ReviewReason.DUPLICATE_CONFLICT: "a copy of the picture has another label",
    ReviewReason.OUTLIER: "outlier: looks like no other item",
}


def run(config: AuditConfig, console: Console) -> int:
    """Judge each label by models that were not trained on the item, and write the findings."""
    if config.denied:
        _show_denied(config, console, denied_labels(config, console))
        return 0
    if config.flip:
        items, detections = try_flipped_labels(config, console)
        _say_of_flipped(config, console, items, detections)
        console.say(_next_of_trial(config))
        return 0
    result = audit(config, console)
    _say(console, result)
    console.say(next_line(config, "review", "--run", str(result.out)))
    console.result(
        {
            "out": str(result.out),
            "labelled": result.labelled,
            "judged": result.judged,
            "findings": len(result.findings),
            "reasons": {str(reason): count for reason, count in result.reasons.items()},
        }
    )
    return 0


def _show_denied(config: AuditConfig, console: Console, result: DeniedResult) -> None:
    gone = {"have the suggested type by now": result.corrected, "are no longer in the manifest": result.unlabelled}
    left_out = "".join(f"; {count:,} {why}, and are left out" for why, count in gone.items() if count)
    console.say(
        f"Image and title deny the label of {result.listed:,} held-out items of {config.model}{left_out}. "
        f"{len(result.findings):,} are up for review."
    )
    console.say(f"Page: {result.page}")
    console.say(next_line(config, "review", "--run", str(result.out)))
    console.result({
        "out": str(result.out), "listed": result.listed, "findings": len(result.findings),
        "corrected": result.corrected, "unlabelled": result.unlabelled,
    })  # fmt: skip


def _say(console: Console, result: AuditResult) -> None:
    small = result.labelled - result.judged
    witnesses = "image and title" if "title" in result.confirmed else "image"
    console.say(
        f"{len(result.findings):,} of {result.labelled:,} labels are likely wrong or odd. {result.judged:,} labels "
        f"were judged by {witnesses}; {small:,} are of leaves with too few items for that (--min-items)."
    )
    if result.reasons:
        rows = [(_IN_WORDS[reason], result.reasons[reason]) for reason in _IN_WORDS if reason in result.reasons]
        console.table("Findings by what speaks against the label; one may have several reasons", ["", "items"], rows)
    console.table(
        "How often a witness that has not seen the item finds its label the most probable",
        ["witness", "labels"],
        [(name, percent(share)) for name, share in result.confirmed.items()],
    )
    console.say(f"Page: {result.page}")


def _say_of_flipped(config: AuditConfig, console: Console, items: int, detections: list[FlipDetection]) -> None:
    columns = ["level", "made wrong", "average precision", "found", "precision", "recall"]
    rows = [
        (f.level, f.flipped, f"{f.average_precision:.3f}", f.flagged, percent(f.precision), percent(f.recall))
        for f in detections
    ]
    console.table(f"{100 * config.flip:g}% of {items:,} labels made wrong at random", columns, rows)
    levels = [
        {
            "level": f.level, "madeWrong": f.flipped, "averagePrecision": f.average_precision, "found": f.flagged,
            "precision": f.precision, "recall": f.recall,
        }
        for f in detections
    ]  # fmt: skip
    console.result({"flip": config.flip, "items": items, "levels": levels})


def _next_of_trial(config: AuditConfig) -> str:
    title = ["--title", config.title] if config.title else []
    index = str(config.index)
    return next_on_catalogue(config, "audit", index, *title, "--out", f"{index.rstrip('/')}-audit")


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="audit")
