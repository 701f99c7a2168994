"""Writes the page of a run into its folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tagger.drift.words import verdict
from tagger.evaluation.pictures import Pictures
from tagger.images.failed import FailedImages
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.run_page.outcome import COLUMNS, OutcomeByType
from tagger.run_page.page import RunFacts, page_of
from tagger.runs.directory import RunDirectory
from tagger.runs.ledger import LedgerEntry
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.run import RunRecord
from tagger.workflows.drift import DriftResult
from tagger.workflows.promise import PromiseSoFar

PAGE = "report.html"
_REMOTE = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_WHY_NOT = {
    None: "they lie in a bucket or on a server, and would be fetched once more, which --pictures does",
    True: "they cannot be read",
    False: "they were not asked for",
}


@dataclass(frozen=True)
class RunStatus:
    """What the page says beside the counts."""

    problems: Sequence[str]
    """Counts above the limits, in words."""
    drift: DriftResult | None
    promises: Sequence[PromiseSoFar]
    held: str
    """Why exports are held; empty where they are not."""
    before: Sequence[LedgerEntry]
    """Earlier runs, the newest first."""

    @property
    def verdict(self) -> str:
        """What the drift check says; empty without one."""
        return verdict(self.drift.document, self.drift.hold) if self.drift and self.drift.document else ""


def write_run_page(
    config: TagConfig,
    directory: RunDirectory,
    record: RunRecord,
    store: ImageStore,
    failed: FailedImages,
    status: RunStatus,
) -> Location:
    """Write the page, and return it; one that is there stays.

    Args:
        config: The run's.
        directory: The run.
        record: Its content of `run.json`.
        store: Where its pictures are.
        failed: Pictures that could not be used.
        status: What it says beside the counts.
    """
    page = directory.root / PAGE
    if page.exists():
        return page
    outcome = OutcomeByType.of(directory.batches(COLUMNS))
    shown = set() if config.pictures is False else {item for _, items in outcome.shown() for item in items}
    refs = _references(directory, shown, with_remote=bool(config.pictures)) if shown else {}
    by_ref = Pictures(store, config.max_pixels).of(list(refs.values()))
    pictures = {item: by_ref[ref] for item, ref in refs.items() if by_ref.get(ref)}
    facts = RunFacts(
        name=directory.root.name, record=record, outcome=outcome, failed=failed,
        held=status.held, drift=status.verdict,
        before=_before(status.before), pictures=pictures,
        why_no_pictures="" if pictures or not outcome.accepted else _WHY_NOT[config.pictures],
        problems=status.problems, promises=[promise.words for promise in status.promises],
        review=f"tagger review --run {config.out}",
    )  # fmt: skip
    page.write_text(page_of(facts))
    return page


def _references(directory: RunDirectory, shown: set[str], with_remote: bool) -> dict[str, str]:
    """Where the pictures of some items are, by id."""
    return {
        item: ref
        for table in directory.batches(["id", "imageUri"])
        for item, ref in zip(table["id"].to_pylist(), table["imageUri"].to_pylist(), strict=True)
        if item in shown and ref and (with_remote or not _REMOTE.match(ref))
    }


def _before(entries: Sequence[LedgerEntry]) -> tuple[RunRecord, OutcomeByType] | None:
    """The newest finished run with predictions that stands."""
    for entry in entries:
        if entry.done and not entry.rolled_back and entry.record.counts.predictions:
            return entry.record, OutcomeByType.of(entry.directory.batches(COLUMNS))
    return None
