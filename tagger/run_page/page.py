"""Renders the page of a run: one HTML file without external resources and without a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tagger.evaluation.standalone import page_environment
from tagger.evaluation.type_shares import type_shares
from tagger.images.failed import FailedImages
from tagger.printable import duration
from tagger.run_page.outcome import OutcomeByType
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.tables.prediction import Decision

_MOST_CHANGES, _MOST_TYPES, _EXAMPLES = 10, 60, 3
_REASONS = {
    "low_confidence": "the model is not sure enough",
    "blurry_image": "the picture is blurry",
    "taxonomy_conflict": "the master category that the item has is another one",
    "qa_sample": "drawn at random, to measure how precise accepted tags are",
    "title_disagrees": "the title says something else",
    "unfamiliar": "the picture looks like nothing that the model has learnt",
    "no_image": "there is no picture, and the title is not sure",
}
_SKIPPED = {
    "labelled": "labelled already",
    "before_since": "older than --since",
    "known": "known from earlier runs",
    "decided": "decided by a person",
}


@dataclass(frozen=True)
class RunFacts:
    """What the page of a run says."""

    name: str
    record: RunRecord
    outcome: OutcomeByType
    failed: FailedImages
    held: str = ""
    """Why exports are held; empty where they are not."""
    drift: str = ""
    """What the drift check says in a sentence; empty without one."""
    before: tuple[RunRecord, OutcomeByType] | None = None
    """The run before."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Thumbnails by id, as `data:` URLs."""
    why_no_pictures: str = ""
    promises: Sequence[str] = ()
    """What is promised, and what people's answers say of it, in sentences; empty where earlier runs are not known."""
    problems: Sequence[str] = ()
    """Too many failed items or rejected rows, in words."""
    review: str = ""
    """The command that shows what waits."""


def page_of(facts: RunFacts) -> str:
    """Render the page as HTML."""
    record, counts = facts.record, facts.record.counts
    decisions = counts.decisions
    waiting = decisions.get(Decision.REVIEW, 0) + decisions.get(Decision.ACCEPT_MASTER_ONLY, 0)
    before, pictures = facts.before, facts.pictures
    return page_environment(__file__).get_template("run.html").render(
        facts=facts, record=record, counts=counts, accepted=decisions.get(Decision.ACCEPT, 0), waiting=waiting,
        failed=decisions.get(Decision.FAILED, 0),
        took=duration(record.seconds) if record.seconds else "",
        rate=round(counts.predictions / record.tagging_seconds) if record.tagging_seconds else 0,
        types=[
            (name, items, facts.outcome.accepted[name], facts.outcome.waiting[name])
            for name, items in facts.outcome.items.most_common(_MOST_TYPES)
        ],
        more_types=max(len(facts.outcome.items) - _MOST_TYPES, 0),
        reasons=[(_REASONS.get(name, name), number) for name, number in facts.outcome.reasons.most_common()],
        skipped=[(_SKIPPED.get(name, name), number) for name, number in counts.skip_reasons.items()],
        errors=[(code, n, facts.failed.examples[code][:_EXAMPLES]) for code, n in facts.failed.counts.most_common()],
        changes=type_shares(facts.outcome.items, before[1].items)[:_MOST_CHANGES] if before else [],
        previous=before[0] if before else None,
        samples=[
            (name, facts.outcome.accepted[name], facts.outcome.waiting[name], [(i, pictures.get(i, "")) for i in ids])
            for name, ids in facts.outcome.shown()
        ],
    )  # fmt: skip
