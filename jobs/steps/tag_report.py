"""What the tag job says in the end: how many rows went where, which images fail, and whether too many did."""

from tagger.images.failed import FailedImages
from tagger.images.near_misses import near_misses
from tagger.images.stores import ImageStore
from tagger.jobs.shell.console import Console
from tagger.runs.directory import RunDirectory
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.tables.prediction import Decision, ErrorCode
from tagger.schemas.values import parse_share_or_count
from tagger.workflows.image_errors import document, lines

EXIT_DONE, EXIT_TOO_MANY_FAILED = 0, 4
_IN_WORDS = {
    "labelled": "already labelled (--untagged-only)",
    "before_since": "before --since",
    "known": "known from earlier runs",
    "decided": "decided by a person",
}


def report(console: Console, directory: RunDirectory, record: RunRecord, config: TagConfig, store: ImageStore) -> int:
    """Say what came out of a finished run; return the exit code."""
    counts = record.counts
    console.table(f"Run {record.run_id}", ["what", "rows"], _rows(counts))
    if counts.repaired:
        console.say(f"{counts.repaired:,} rows were repaired.")
    failed = directory.failed_images()
    hints = _near_misses(store, failed, counts.predictions)
    if failed.counts:
        console.say("Images that could not be tagged:")
        for line in lines(failed, hints):
            console.say(line)
    console.say(f"Predictions: {directory.predictions}")
    if config.embeddings:
        console.say(f"Embeddings: {directory.embeddings}")
    about = {"run": str(directory.root), "failedImages": document(failed), "nearMisses": hints}
    console.result(record.model_dump(mode="json", by_alias=True) | about)
    complaints = too_many(counts, config.max_failed, config.max_rejected)
    for complaint in complaints:
        console.warn(complaint)
    if reason := nothing_to_tag(counts):
        console.warn(reason)
    if counts.rejects:
        console.warn(f"{counts.rejects:,} rows could not be read; {directory.rejects} has each with line and reason")
    return EXIT_TOO_MANY_FAILED if complaints else EXIT_DONE


def nothing_to_tag(counts: Counts) -> str | None:
    """Say why a run of some items tagged none, where a person may not have meant that; None otherwise."""
    labelled = counts.skip_reasons.get("labelled", 0)
    if counts.predictions or not labelled:
        return None
    items = counts.rows - counts.rejects
    if labelled < items:
        return f"Nothing to tag: {labelled:,} of {items:,} items have both labels already; the others are left alone"
    return f"Nothing to tag: all {items:,} items have both labels already; leave out --untagged-only to tag them"


def too_many(counts: Counts, max_failed: str, max_rejected: str) -> list[str]:
    """What there is too much of, a line each.

    Failed items are a share of those that were looked at and those that earlier runs had tagged: rows that are left
    alone for their labels, or for `--since`, count only where an earlier run knows them. Rejected rows are a share of
    all rows of the manifest.
    """
    found = []
    failed, whole = counts.decisions.get(Decision.FAILED, 0), counts.predictions + counts.known
    if _exceeds(failed, whole, max_failed):
        parts = f" ({counts.predictions:,} looked at and {counts.known:,} known from earlier runs)"
        found.append(
            f"{failed:,} of {whole:,} items{parts if counts.known else ''} failed{_percent(failed, whole)}, "
            f"more than --max-failed {max_failed}"
        )
    if _exceeds(counts.rejects, counts.rows, max_rejected):
        found.append(
            f"{counts.rejects:,} of {counts.rows:,} rows of the manifest were rejected"
            f"{_percent(counts.rejects, counts.rows)}, more than --max-rejected {max_rejected}"
        )
    return found


def _rows(counts: Counts) -> list[tuple[str, int]]:
    decisions = [(f"  {decision}", counts.decisions.get(decision, 0)) for decision in Decision]
    anew = [("  of these decided anew, images unchanged", counts.redecided)] if counts.redecided else []
    return [
        ("read", counts.rows),
        *decisions,
        *((f"    {code}", n) for code, n in sorted(counts.errors.items())),
        *anew,
        ("  rejected", counts.rejects),
        *((f"    {reason}", n) for reason, n in sorted(counts.reject_reasons.items())),
        ("  left alone", counts.skipped),
        *((f"    {_IN_WORDS.get(reason, reason)}", n) for reason, n in sorted(counts.skip_reasons.items())),
    ]


def _near_misses(store: ImageStore, failed: FailedImages, looked_at: int) -> list[str]:
    """What is probably meant, where most images are not found."""
    code = str(ErrorCode.NOT_FOUND)
    if 2 * failed.counts[code] <= looked_at:
        return []
    return near_misses(store, [example.image for example in failed.examples[code] if example.image])


def _exceeds(count: int, whole: int, allowed: str) -> bool:
    share, most = parse_share_or_count(allowed)
    return count > (most if most is not None else (share or 0) * whole)


def _percent(count: int, whole: int) -> str:
    return f" ({100 * count / whole:.3g}%)" if whole else ""
