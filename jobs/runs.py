"""Runs job: a folder of runs in, a list of what ran when, with what, and what came out."""

from jobs.console import Console, duration
from schemas.config import RunsConfig
from schemas.prediction import Decision
from tagger.inference.ledger import LedgerEntry, read_ledger
from tagger.storage import Location


def run(config: RunsConfig, console: Console) -> int:
    """List the runs in a folder, the newest first."""
    entries = read_ledger(Location(config.folder, config.s3_endpoint, config.s3_region), "FOLDER")
    console.table(
        f"{len(entries)} runs in {config.folder}",
        ["run", "started", "took", "model", "tagged", "review", "failed", "skipped"],
        [_row(entry) for entry in entries],
    )
    unfinished = [entry.directory.root.name for entry in entries if not entry.done]
    if unfinished:
        console.say(f"Unfinished; the command that began one goes on with it: {', '.join(unfinished)}")
    console.result({"runs": [_document(entry) for entry in entries]})
    return 0


def _row(entry: LedgerEntry) -> list[object]:
    record, counts = entry.record, entry.record.counts
    took = duration(record.seconds) if record.seconds is not None else ""
    return [
        entry.directory.root.name,
        f"{record.started_at:%Y-%m-%d %H:%M}",
        took if entry.done else "",
        record.model_id,
        counts.predictions,
        counts.decisions.get(Decision.REVIEW, 0),
        counts.decisions.get(Decision.FAILED, 0),
        counts.skipped,
    ]


def _document(entry: LedgerEntry) -> dict[str, object]:
    described = entry.record.model_dump(mode="json", by_alias=True, exclude={"config", "inputs", "versions"})
    return {**described, "run": str(entry.directory.root), "state": "done" if entry.done else "unfinished"}


if __name__ == "__main__":
    from jobs.cli import main

    main(job="runs")
