"""The runs command: lists the runs of a folder."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_line
from tagger.printable import duration
from tagger.schemas.configs.tag import RunsConfig
from tagger.schemas.tables.prediction import Decision
from tagger.workflows.runs import RunSummary, runs


def run(config: RunsConfig, console: Console) -> int:
    """List the runs in a folder, the newest first."""
    summaries = runs(config, console)
    console.table(
        f"{len(summaries)} {'run' if len(summaries) == 1 else 'runs'} in {config.run}",
        ["run", "state", "started", "took", "model", "tagged", "review", "no image", "left alone"],
        [_row(summary) for summary in summaries],
    )
    stopped = [summary.directory.root.name for summary in summaries if summary.state == "interrupted"]
    if stopped:
        console.say(f"Interrupted; the command that began one goes on with it: {', '.join(stopped)}")
    held = [str(summary.directory.root) for summary in summaries if summary.state == "held"]
    if held:
        console.say(f"Held from exports until a person has looked: {', '.join(held)}")
    console.result({"runs": [_document(summary) for summary in summaries]})
    tagged = (summary for summary in summaries if summary.state == "done" and summary.record.counts.predictions)
    newest = next(tagged, None)
    if newest:
        console.say(_next(config, newest))
    return 0


def _next(config: RunsConfig, newest: RunSummary) -> str:
    root = str(newest.directory.root)
    if newest.record.counts.decisions.get(Decision.REVIEW, 0):
        return next_line(config, "review", "--run", root)
    return next_line(config, "apply", root, "--out", f"{root}-tags")


def _row(summary: RunSummary) -> list[object]:
    record, counts = summary.record, summary.record.counts
    is_timed = summary.state in ("done", "held") and record.seconds is not None
    return [
        summary.directory.root.name,
        summary.state,
        f"{record.started_at:%Y-%m-%d %H:%M}",
        duration(record.seconds or 0) if is_timed else "",
        record.model_id,
        counts.predictions,
        counts.decisions.get(Decision.REVIEW, 0),
        counts.without_image,
        counts.skipped,
    ]


def _document(summary: RunSummary) -> dict[str, object]:
    described = summary.record.model_dump(mode="json", by_alias=True, exclude={"config", "inputs", "versions"})
    return {**described, "run": str(summary.directory.root), "state": summary.state}


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="runs")
