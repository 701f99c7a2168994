"""The apply command: writes final tags for the PIM system, as Parquet and CSV."""

from collections.abc import Sequence

from tagger.jobs.shell.console import Console
from tagger.schemas.configs.apply import ApplyConfig
from tagger.schemas.tables.final_tag import TagSource, TagState
from tagger.workflows.apply import ApplyResult, apply

_MOST_NAMED = 2
"""Files that are named in the last line; if there are more, their folder is."""


def run(config: ApplyConfig, console: Console) -> int:
    """Write the final tags: a person's, else the model's if it was accepted; and `_SUCCESS` last."""
    _say(console, apply(config, console))
    return 0


def _say(console: Console, result: ApplyResult) -> None:
    named = {
        f"{state}{f' by {source}' if source else ''}": items
        for (state, source), items in sorted(result.states.items(), key=str)
    }
    to_set, master_only = result.in_state(TagState.COMPLETE), result.in_state(TagState.MASTER_ONLY)
    unset = [state for state in TagState if state not in (TagState.COMPLETE, TagState.MASTER_ONLY)]
    console.table(
        f"Final tags of {result.items:,} {'item' if result.items == 1 else 'items'}",
        ["what", "items"],
        [
            ("both tags to set", to_set),
            *_rows(named, [TagState.COMPLETE]),
            ("only the master category to set", master_only),
            *_rows(named, [TagState.MASTER_ONLY]),
            ("nothing to set", result.not_set),
            *_rows(named, unset),
        ],
    )
    if result.attributes:
        by = [str(TagSource.MODEL), str(TagSource.PERSON)]
        console.table(
            "Further tags to set",
            ["tag", *(f"by {source}" for source in by)],
            [(name, *(items[source] for source in by)) for name, items in result.attributes.items()],
        )
    console.say(f"Tags: {result.out}")
    for name, rows in result.files.items():
        console.say(f"  {name}: {rows:,} {'row' if rows == 1 else 'rows'}")
    console.result(
        {
            "items": result.items,
            "set": to_set,
            "masterOnly": master_only,
            "notSet": result.not_set,
            "states": named,
            "attributes": {name: dict(items) for name, items in result.attributes.items()},
            "decisions": result.decisions,
            "tags": str(result.out),
            "files": dict(result.files),
        }
    )
    for_pim = [str(result.out / name) for name, rows in result.files.items() if rows and name.endswith(".csv")]
    if for_pim:
        is_short = len(for_pim) <= _MOST_NAMED
        named_files = " and ".join(for_pim) if is_short else f"the {len(for_pim)} CSV files of {result.out}"
        console.say(f"Next: import {named_files} into your PIM.")


def _rows(named: dict[str, int], states: Sequence[TagState]) -> list[tuple[str, int]]:
    return [(f"  {name}", items) for name, items in named.items() if name.split(" ")[0] in states]


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="apply")
