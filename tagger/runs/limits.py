"""Messages about a finished run with too many failures, or without tagged items."""

from dataclasses import dataclass

from tagger.schemas.documents.run import Counts
from tagger.schemas.values import parse_share_or_count


def nothing_to_tag(counts: Counts) -> str | None:
    """Why a run tagged no item, if that may be a mistake; None otherwise."""
    if not counts.rows:
        return "The manifest has no rows: nothing was tagged"
    labelled = counts.skip_reasons.get("labelled", 0)
    if counts.predictions or not labelled:
        return None
    items = counts.rows - counts.rejects - counts.further
    if labelled < items:
        return f"Nothing to tag: {labelled:,} of {items:,} items have both labels already; the others are left alone"
    return f"Nothing to tag: all {items:,} items have both labels already; leave out --untagged-only to tag them"


@dataclass(frozen=True)
class Limit:
    """How many of a run's items or rows may fail, and how many did."""

    name: str
    """Of the setting."""
    count: int
    total: int
    allowed: str
    """A count or a share such as `5%`."""

    @property
    def is_exceeded(self) -> bool:
        """Whether more failed than are allowed."""
        return exceeds(self.count, self.total, self.allowed)


def limits_of(counts: Counts, max_failed: str, max_rejected: str) -> tuple[Limit, Limit]:
    """The limits of a run.

    Failed items, and those that were tagged without a usable image, are a share of the predicted
    items and those that earlier runs have tagged: rows that are skipped for their labels, or for `--since`, count only
    if an earlier run knows them. Rejected rows are a share of all rows of the manifest.

    Args:
        counts: Of the finished run.
        max_failed: Most failed items, a count or a share such as `5%`.
        max_rejected: Most rejected rows, in the same form.
    """
    return (
        Limit("max_failed", counts.without_image, counts.predictions + counts.known, max_failed),
        Limit("max_rejected", counts.rejects, counts.rows, max_rejected),
    )


def too_many(counts: Counts, max_failed: str, max_rejected: str) -> list[str]:
    """Messages about exceeded limits, one line each; arguments as of `limits_of`."""
    problems = []
    failed, rejected = limits_of(counts, max_failed, max_rejected)
    if failed.is_exceeded:
        parts = f" ({counts.predictions:,} looked at and {counts.known:,} known from earlier runs)"
        what = "have no usable image" if counts.tagged_without_image else "failed"
        problems.append(
            f"{failed.count:,} of {failed.total:,} items{parts if counts.known else ''} {what}"
            f"{percent_of(failed.count, failed.total)}, more than --max-failed {max_failed}"
        )
    if rejected.is_exceeded:
        problems.append(
            f"{rejected.count:,} of {rejected.total:,} rows of the manifest were rejected"
            f"{percent_of(rejected.count, rejected.total)}, more than --max-rejected {max_rejected}"
        )
    return problems


def exceeds(count: int, total: int, allowed: str) -> bool:
    """Whether a count is above a limit, which is a count or a share of the total such as `5%`."""
    share, most = parse_share_or_count(allowed)
    return count > (most if most is not None else (share or 0) * total)


def percent_of(count: int, total: int) -> str:
    """The share of a total in parentheses, after a space; nothing of an empty total."""
    return f" ({100 * count / total:.3g}%)" if total else ""
