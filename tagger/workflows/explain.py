"""Tells what happened to items."""

import os

from tagger.decisions.read import DATABASE
from tagger.decisions.story import Event, story_of
from tagger.errors import InputError
from tagger.reporter import LOG, Reporter
from tagger.runs.ledger import read_ledger
from tagger.schemas.configs.export import ExplainConfig
from tagger.workflows.open_catalog import resolve_location


def explain(config: ExplainConfig, reporter: Reporter = LOG) -> dict[str, list[Event]]:
    """What happened to each item, the oldest first.

    Args:
        config: The runs and the ids.
        reporter: Where warnings go.

    Raises:
        UsageError: when there is no run.
        InputError: when no run knows any of the items.
    """
    entries = read_ledger(resolve_location(config.run, config), "RUN")
    database = config.database or os.environ.get(DATABASE)
    stories = {item: story_of(entries, item, database) for item in dict.fromkeys(config.id)}
    unknown = [item for item, events in stories.items() if not events]
    if len(unknown) == len(stories):
        raise InputError(f"--id: no run of {config.run} knows {', '.join(unknown)}")
    for item in unknown:
        reporter.warn(f"--id: no run of {config.run} knows {item}")
    return stories
