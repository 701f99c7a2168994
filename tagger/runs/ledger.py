"""The ledger of several runs: their records, and the newest prediction of each item."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from graphlib import TopologicalSorter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import UsageError
from tagger.flow.id_rows import IdRows
from tagger.flow.table_spool import TableSpool
from tagger.io.location import Location, first_line
from tagger.runs.directory import RunDirectory
from tagger.runs.roots import run_roots
from tagger.schemas.documents.run import RunKind, RunRecord
from tagger.schemas.tables.prediction import PREDICTION, Decision

_READ_AT_ONCE = 16
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class LedgerEntry:
    """One run, whether it has finished, and whether its values were taken back."""

    directory: RunDirectory
    record: RunRecord
    done: bool
    rolled_back: bool = False
    has_hold: bool = False
    """Whether it was held from exports; a person may have released it since."""


def read_ledger(folder: Location, flag: str) -> list[LedgerEntry]:
    """The runs in a folder, the newest first, or the run of a run's own folder; without audits.

    Raises UsageError when there is none.
    """
    if not folder.exists():
        raise UsageError(f"{flag}: there is no run or folder {folder}")
    entries = _runs_in(folder, "tag")
    if not entries:
        raise UsageError(f"{flag}: there is no run in {folder}")
    return entries


def known_runs(folder: Location, flag: str, kind: RunKind = "tag") -> list[LedgerEntry]:
    """The runs in a folder, the newest first; none if the folder does not exist yet, as before the first nightly run.

    Raises UsageError when it is no folder, or cannot be read.
    """
    try:
        if not folder.exists():
            return []
        if not folder.is_dir():
            raise UsageError(f"{flag}: {folder} is a file; name a run, or a folder of runs")
        return _runs_in(folder, kind)
    except OSError as error:
        raise UsageError(f"{flag}: {folder} cannot be read: {first_line(error)}") from error


def _runs_in(folder: Location, kind: RunKind) -> list[LedgerEntry]:
    roots = run_roots(folder)
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        records = list(pool.map(lambda root: RunDirectory(root.folder).record(), roots))
    return newest_first(
        [
            LedgerEntry(RunDirectory(root.folder), record, root.done, root.rolled_back, root.has_hold)
            for root, record in zip(roots, records, strict=True)
            if record is not None and record.kind == kind
        ]
    )


def newest_first(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Deduplicate runs, and sort them by start; a run is newer than those it knew, even if a clock was set back."""
    runs = {entry.record.run_id: entry.record for entry in entries}
    known = {name: [earlier for earlier in record.after if earlier in runs] for name, record in runs.items()}
    times: dict[str, datetime] = {}
    for name in TopologicalSorter(known).static_order():
        times[name] = max([runs[name].started_at, *(times[earlier] + _TICK for earlier in known[name])])
    distinct = {entry.record.run_id: entry for entry in entries}
    return sorted(distinct.values(), key=lambda e: (times[e.record.run_id], e.record.run_id), reverse=True)


def latest(runs: Sequence[LedgerEntry], with_rolled_back: bool = False) -> Iterator[pa.Table]:
    """The newest prediction of every item of finished runs, by PREDICTION, in pieces.

    A prediction without a usable image is used only for items without another one, and a failed one only for items that
    no run could tag.

    Each run is read once: predictions of these other kinds wait in temporary files until the rest is yielded.

    Args:
        runs: The newest first; unfinished ones are left out, and those whose values were taken back.
        with_rolled_back: Add the items that only runs of the latter kind have: they wait for a person, or have one's
            decision.

    Raises WriteError when the temporary folder has no room for what waits.
    """
    with closing(IdRows()) as seen, closing(TableSpool()) as without_image, closing(TableSpool()) as failed:
        for run in (r for r in runs if r.done and not r.rolled_back):
            for table in run.directory.batches(PREDICTION.names):
                kinds = _kind_of(table)
                for kind, waiting in ((1, without_image), (2, failed)):
                    waiting.append(_unseen(table, kinds == kind, seen))
                yield from _newest(table, kinds == 0, seen)
        for waiting in (without_image, failed):
            for table in waiting.tables():
                yield from _newest(table, np.ones(len(table), bool), seen)
        for run in (r for r in runs if with_rolled_back and r.done and r.rolled_back):
            for table in run.directory.batches(PREDICTION.names):
                yield from map(_taken_back, _newest(table, np.ones(len(table), bool), seen))


def _newest(table: pa.Table, chosen: np.ndarray, seen: IdRows) -> Iterator[pa.Table]:
    """Of the chosen rows, those whose ids are new, which are then seen; nothing if there is none."""
    is_new = np.zeros(len(table), bool)
    _, is_new[chosen] = seen.add(table["id"].filter(pa.array(chosen)).to_pylist())
    if is_new.all():
        yield table
    elif is_new.any():
        yield table.filter(pa.array(is_new))


def _taken_back(table: pa.Table) -> pa.Table:
    """Predictions of which none is accepted any more."""
    failed = pc.equal(table["decision"], str(Decision.FAILED))
    decision = pc.if_else(failed, str(Decision.FAILED), str(Decision.REVIEW))
    columns = {"decision": decision, "attributes": pa.nulls(len(table), PREDICTION.field("attributes").type)}
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), PREDICTION.field(name), column)
    return table


def _unseen(table: pa.Table, chosen: np.ndarray, seen: IdRows) -> pa.Table:
    """The chosen rows whose ids are not seen yet."""
    rows = table.filter(pa.array(chosen)) if chosen.any() else table.slice(0, 0)
    return rows.filter(pa.array(seen.numbers(rows["id"].to_pylist()) < 0))


def _kind_of(table: pa.Table) -> np.ndarray:
    """0 for predictions with an image, 1 for those without, 2 for failed ones, int [N]."""
    has_no_image = np.asarray(pc.is_valid(table["errorCode"]))
    failed = np.asarray(pc.equal(table["decision"], str(Decision.FAILED)))
    return np.asarray(np.where(failed, 2, has_no_image), np.int64)
