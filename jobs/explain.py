"""The explain command: tells what happened to an item."""

from dataclasses import asdict

from tagger.jobs.shell.console import Console
from tagger.schemas.configs.export import ExplainConfig
from tagger.workflows.explain import explain


def run(config: ExplainConfig, console: Console) -> int:
    """Print the story of each item."""
    stories = explain(config, console)
    for item, events in stories.items():
        console.table(
            f"Item {item}",
            ["when (UTC)", "what", "run", "how"],
            [(f"{event.at:%Y-%m-%d %H:%M:%S}", event.kind, event.run_id, event.words) for event in events],
        )
    console.result(
        {item: [{**asdict(event), "at": event.at.isoformat()} for event in events] for item, events in stories.items()}
    )
    return 0


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="explain")
