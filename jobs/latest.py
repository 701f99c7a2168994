"""The latest command: writes the newest prediction of every item of several runs."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_line
from tagger.schemas.configs.tag import LatestConfig
from tagger.workflows.latest import latest


def run(config: LatestConfig, console: Console) -> int:
    """Write the newest prediction of every item to Parquet parts, and `_SUCCESS` last."""
    result = latest(config, console)
    console.table(
        f"The newest predictions of {result.items:,} {'item' if result.items == 1 else 'items'}",
        ["run", "items"],
        [(entry.directory.root.name, result.from_run.get(entry.record.run_id, 0)) for entry in result.finished],
    )
    console.say(f"Predictions: {result.out}")
    console.say(next_line(config, "apply", config.run, "--out", f"{config.run.rstrip('/')}-tags"))
    console.result(
        {
            "items": result.items,
            "fromRun": dict(result.from_run),
            "parts": result.parts,
            "unfinished": list(result.unfinished),
        }
    )
    return 0


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="latest")
