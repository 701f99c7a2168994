"""The index command: makes an index of the image vectors of runs."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_line
from tagger.schemas.configs.similarity import IndexConfig
from tagger.workflows.index import build_index


def run(config: IndexConfig, console: Console) -> int:
    """Make an index, or add new and changed items to it."""
    result = build_index(config, console)
    console.table("Items", ["what", "items"], [*result.counts.items(), ("in the index now", result.card.items)])
    console.say(f"Index: {result.folder}")
    console.say(next_line(config, "similar", str(result.folder), "--id", result.newest_id))
    segments = [segment.model_dump(mode="json", by_alias=True) for segment in result.card.segments]
    console.result(
        {
            "index": str(result.folder),
            "items": result.card.items,
            "counts": result.counts,
            "modelId": result.card.model_id,
            "segments": segments,
        }
    )
    return 0


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="index")
