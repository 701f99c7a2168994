"""The ledger of several runs: their records, and the newest prediction of each item."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import UsageError
from tagger.flow.seen_ids import SeenIds
from tagger.io.location import Location, first_line
from tagger.runs.directory import RECORD, RunDirectory
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.tables.prediction import PREDICTION, Decision


@dataclass(frozen=True)
class LedgerEntry:
    """One run, and whether it has finished."""

    directory: RunDirectory
    record: RunRecord
    done: bool


def read_ledger(folder: Location, flag: str) -> list[LedgerEntry]:
    """The runs in a folder, the newest first, or the run of a run's own folder; without audits.

    Raises UsageError when there is none.
    """
    if not folder.exists():
        raise UsageError(f"{flag}: there is no run or folder {folder}")
    entries = _runs_in(folder)
    if not entries:
        raise UsageError(f"{flag}: there is no run in {folder}")
    return entries


def known_runs(folder: Location, flag: str) -> list[LedgerEntry]:
    """The runs in a folder, the newest first; none if the folder does not exist yet, as before the first nightly run.

    Raises UsageError when it is no folder, or cannot be read.
    """
    try:
        if not folder.exists():
            return []
        if not folder.is_dir():
            raise UsageError(f"{flag}: {folder} is a file; name a run, or a folder of runs")
        return _runs_in(folder)
    except OSError as error:
        raise UsageError(f"{flag}: {folder} cannot be read: {first_line(error)}") from error


def _runs_in(folder: Location) -> list[LedgerEntry]:
    roots = [folder] if (folder / RECORD).exists() else [f.parent for f in folder.files((RECORD,)) if f.name == RECORD]
    entries = []
    for root in roots:
        directory = RunDirectory(root)
        record = directory.record()
        if record is not None and record.kind == "tag":
            entries.append(LedgerEntry(directory, record, directory.is_done()))
    return newest_first(entries)


def newest_first(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Deduplicate runs, and sort them by start."""
    distinct = {entry.record.run_id: entry for entry in entries}
    return sorted(distinct.values(), key=lambda e: (e.record.started_at, e.record.run_id), reverse=True)


def latest(runs: Sequence[LedgerEntry]) -> Iterator[pa.Table]:
    """The newest prediction of every item of finished runs, by PREDICTION, in pieces.

    A prediction without a usable image is used only for items without another one, and a failed one only for items that
    no run could tag.

    Args:
        runs: The newest first; unfinished ones are left out.
    """
    seen: SeenIds[int] = SeenIds()
    for kind in range(3):
        for run in (r for r in runs if r.done):
            for table in run.directory.batches(PREDICTION.names):
                chosen = table.filter(pa.array(_kind_of(table) == kind))
                repeated = seen.add(chosen["id"].to_pylist(), [0] * len(chosen))
                fresh = chosen.take(pa.array([i for i in range(len(chosen)) if i not in repeated], pa.int64()))
                if len(fresh):
                    yield fresh


def _kind_of(table: pa.Table) -> np.ndarray:
    """0 for predictions with an image, 1 for those without, 2 for failed ones, int [N]."""
    has_no_image = np.asarray(pc.is_valid(table["errorCode"]))
    failed = np.asarray(pc.equal(table["decision"], str(Decision.FAILED)))
    return np.asarray(np.where(failed, 2, has_no_image), np.int64)
