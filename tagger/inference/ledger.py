"""What several runs hold together: which ran, what is known of an item, the newest prediction of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.prediction import PREDICTION, Decision
from schemas.run import RunRecord
from tagger.catalog.seen import SeenIds
from tagger.errors import UsageError
from tagger.inference.runs import RECORD, RunDirectory
from tagger.review.decisions import decisions_of
from tagger.storage import Location

TITLES = "titles"
"""Name of what a run's inputs say of titles, where they are asked."""
_ANOTHER_MODEL = ""


@dataclass(frozen=True)
class LedgerEntry:
    """One run, and whether it finished."""

    directory: RunDirectory
    record: RunRecord
    done: bool


def read_ledger(place: Location, flag: str) -> list[LedgerEntry]:
    """The runs in a folder, the newest first; a run's own folder is a ledger of one. Audits are not among them.

    Raises UsageError when there is none.
    """
    if not place.exists():
        raise UsageError(f"{flag}: there is no run or folder {place}")
    roots = [place] if (place / RECORD).exists() else [f.parent for f in place.files((RECORD,)) if f.name == RECORD]
    entries = []
    for root in roots:
        directory = RunDirectory(root)
        record = directory.record()
        if record is not None and record.kind == "tag":
            entries.append(LedgerEntry(directory, record, directory.is_done()))
    if not entries:
        raise UsageError(f"{flag}: there is no run in {place}")
    return newest_first(entries)


def newest_first(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Runs by when they started, each once."""
    distinct = {entry.record.run_id: entry for entry in entries}
    return sorted(distinct.values(), key=lambda e: (e.record.started_at, e.record.run_id), reverse=True)


class Known:
    """What finished runs know of items, newest first: the image an item's tags were made from, and people's decisions.

    Args:
        runs: The newest first; unfinished ones are left out.
        model_id: Tags of another model count as unknown.
        titles: What a run's inputs say of titles; tags that were made with others count as unknown, too.
    """

    def __init__(self, runs: Sequence[LedgerEntry], model_id: str, titles: str | None = None) -> None:
        self._digests: SeenIds[str] = SeenIds()
        self._decided: SeenIds[str] = SeenIds()
        for run in runs:
            for table in decisions_of(run.directory):
                ids = table["id"].to_pylist()
                self._decided.add(ids, ids)
            if not run.done:
                continue
            for table in run.directory.batches(["id", "imageDigest", "decision", "modelId"]):
                good = table.filter(pc.not_equal(table["decision"], str(Decision.FAILED)))
                same = pc.equal(good["modelId"], model_id)
                if run.record.inputs.get(TITLES) != titles:
                    same = pc.and_(same, pa.scalar(False))
                digests = pc.if_else(same, good["imageDigest"], _ANOTHER_MODEL)
                self._digests.add(good["id"].to_pylist(), digests.to_pylist())

    def digests(self, ids: Sequence[str]) -> list[str | None]:
        """Digest of the image that an item's newest tags were made from, where this model made them."""
        return [digest or None for digest in self._digests.get(ids)]

    def decided(self, ids: Sequence[str]) -> list[bool]:
        """Whether a person decided about the item."""
        return [found is not None for found in self._decided.get(ids)]


def latest(runs: Sequence[LedgerEntry]) -> Iterator[pa.Table]:
    """The newest prediction of every item over finished runs, by PREDICTION, in pieces.

    A failed prediction stands only for an item that no run could tag.

    Args:
        runs: The newest first; unfinished ones are left out.
    """
    seen: SeenIds[int] = SeenIds()
    for failed in (False, True):
        for run in (r for r in runs if r.done):
            for table in run.directory.batches(PREDICTION.names):
                is_failed = pc.equal(table["decision"], str(Decision.FAILED))
                wanted = table.filter(is_failed if failed else pc.invert(is_failed))
                repeated = seen.add(wanted["id"].to_pylist(), [0] * len(wanted))
                fresh = wanted.take(pa.array([i for i in range(len(wanted)) if i not in repeated], pa.int64()))
                if len(fresh):
                    yield fresh
