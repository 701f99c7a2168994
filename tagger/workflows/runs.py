"""Lists the runs of a folder, and their states."""

from dataclasses import dataclass
from typing import Literal

from tagger.io.lock import is_held
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.holds import hold_of
from tagger.runs.ledger import LedgerEntry, read_ledger
from tagger.schemas.configs.tag import RunsConfig
from tagger.schemas.documents.run import RunRecord
from tagger.workflows.open_catalog import resolve_location

RunState = Literal["done", "running", "interrupted", "held", "rolled back"]


@dataclass(frozen=True)
class RunSummary:
    """One run of a folder."""

    directory: RunDirectory
    record: RunRecord
    """The run's config, inputs, versions and counts."""
    state: RunState
    """`rolled back` once its values were taken back; `held` while it is kept from exports (`tagger drift`); `running`
    while a process holds the lock of an unfinished run; else `interrupted`."""


def runs(config: RunsConfig, reporter: Reporter = LOG) -> list[RunSummary]:
    """List the tagging runs in a folder, the newest first.

    Args:
        config: A folder of runs, or the folder of one run.
        reporter: Where progress and warnings go.

    Raises:
        UsageError: when there is no run.
        InputError: when a `run.json` cannot be read.

    Example::

        from tagger.schemas.configs.tag import RunsConfig

        for run in runs(RunsConfig(run="runs")):
            print(run.directory.root, run.state, run.record.counts.predictions)
    """
    entries = read_ledger(resolve_location(config.run, config), "RUN")
    return [RunSummary(entry.directory, entry.record, _state(entry)) for entry in entries]


def _state(entry: LedgerEntry) -> RunState:
    if entry.rolled_back:
        return "rolled back"
    if entry.done:
        held = hold_of(entry.directory) if entry.has_hold else None
        return "held" if held and not held.release else "done"
    return "running" if is_held(entry.directory.root) else "interrupted"
