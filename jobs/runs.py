"""Runs job: a folder of runs in, a list of what ran when, with what, and what came out."""

from tagger.io.location import Location
from tagger.io.lock import is_held
from tagger.jobs.shell.console import Console, duration
from tagger.runs.ledger import LedgerEntry, read_ledger
from tagger.schemas.configs.tag import RunsConfig
from tagger.schemas.tables.prediction import Decision

_INTERRUPTED = "interrupted"


def run(config: RunsConfig, console: Console) -> int:
    """List the runs in a folder, the newest first."""
    entries = read_ledger(Location(config.folder, config.s3_endpoint, config.s3_region), "FOLDER")
    states = [_state(entry) for entry in entries]
    console.table(
        f"{len(entries)} runs in {config.folder}",
        ["run", "state", "started", "took", "model", "tagged", "review", "failed", "left alone"],
        [_row(entry, state) for entry, state in zip(entries, states, strict=True)],
    )
    stopped = [e.directory.root.name for e, state in zip(entries, states, strict=True) if state == _INTERRUPTED]
    if stopped:
        console.say(f"Interrupted; the command that began one goes on with it: {', '.join(stopped)}")
    console.result({"runs": [_document(entry, state) for entry, state in zip(entries, states, strict=True)]})
    return 0


def _state(entry: LedgerEntry) -> str:
    """What a run is: no process works on one that was interrupted."""
    if entry.done:
        return "done"
    return "running" if is_held(entry.directory.root) else _INTERRUPTED


def _row(entry: LedgerEntry, state: str) -> list[object]:
    record, counts = entry.record, entry.record.counts
    took = duration(record.seconds) if record.seconds is not None else ""
    return [
        entry.directory.root.name,
        state,
        f"{record.started_at:%Y-%m-%d %H:%M}",
        took if entry.done else "",
        record.model_id,
        counts.predictions,
        counts.decisions.get(Decision.REVIEW, 0),
        counts.decisions.get(Decision.FAILED, 0),
        counts.skipped,
    ]


def _document(entry: LedgerEntry, state: str) -> dict[str, object]:
    described = entry.record.model_dump(mode="json", by_alias=True, exclude={"config", "inputs", "versions"})
    return {**described, "run": str(entry.directory.root), "state": state}


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="runs")
