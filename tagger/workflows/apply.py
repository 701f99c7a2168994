"""Writes final tags for a PIM system: review decisions, else accepted predictions."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa

from tagger.errors import UsageError
from tagger.exports.tag_files import TagFiles
from tagger.io.completion import mark_complete
from tagger.io.location import Location
from tagger.reporter import LOG, Reporter
from tagger.runs.holds import refuse_held
from tagger.schemas.configs.apply import CLASS_COLUMNS, ApplyConfig
from tagger.schemas.tables.final_tag import TagSource, TagState
from tagger.workflows.final_tags import FinalTags
from tagger.workflows.open_catalog import new_folder, resolve_location

_ATTRIBUTE_SOURCES = (str(TagSource.MODEL), str(TagSource.PERSON))
"""A refit says nothing of further tags."""


@dataclass(frozen=True)
class ApplyResult:
    """Final tags in a folder."""

    out: Location
    files: Mapping[str, int]
    """Rows of each file, by its name."""
    states: Mapping[tuple[str, str], int]
    """Items by state (`tagger.schemas.tables.final_tag.TagState`) and source, `model`, `person`, `refit` or empty."""
    decisions: int
    """Number of items with a review decision."""
    attributes: Mapping[str, Mapping[str, int]]
    """Items with a further tag to set, by its name and by source, `model` and `person`."""

    @property
    def items(self) -> int:
        """Of any state."""
        return sum(self.states.values())

    def in_state(self, state: TagState) -> int:
        """Items of one state, from any source."""
        return sum(count for (name, _), count in self.states.items() if name == state)

    @property
    def not_set(self) -> int:
        """Items without a tag to set."""
        return self.items - self.in_state(TagState.COMPLETE) - self.in_state(TagState.MASTER_ONLY)


def apply(config: ApplyConfig, reporter: Reporter = LOG) -> ApplyResult:
    """Write the final tags of one or several runs: a person's, else a refit's or the model's if it was accepted.

    The command is `tagger apply`. If several runs have an item, the newest prediction counts.
    `_SUCCESS` is written last.

    Args:
        config: The run or the folder of runs, the folder to write to, the formats, and names of columns.
        reporter: Where progress and warnings go.

    Returns:
        What was written. The Parquet has every item, by `tagger.schemas.tables.final_tag`; the CSV those with tags,
        and one more CSV for each further tag.

    Raises:
        UsageError: when there is no run, the folder to write to is not empty, or a column to rename is unknown.
        InputError: when no run has finished.
        HoldError: when one of the runs is held (`tagger drift`).

    Example::

        from tagger import ApplyConfig, apply

        result = apply(ApplyConfig(run="run-1", out="tags"))
        print(result.files)  # {'tags-00000.parquet': 898, 'tags-00000.csv': 871}
    """
    source = resolve_location(config.run, config)
    tags = FinalTags(source, config.database, config.no_value)
    if resolve_location(config.out, config).uri == source.uri:
        raise UsageError(f"--out: {source} is the run itself; name a new folder")
    _check_columns(config.column, tags.attributes)
    refuse_held(tags.entries)
    out = new_folder(config.out, config)
    tally = _Tally(tags.decided, tags.attributes)
    files = TagFiles(out, config.format, config.column)
    files.write(tally.counting(tags.tables()))
    mark_complete(out)
    lost = len(tags.decided) - len(tally.used)
    if lost:
        about = "decision is about an item" if lost == 1 else "decisions are about items"
        reporter.warn(f"{lost:,} {about} that no finished run here has")
    if files.formula_like:
        begins = "cell of the CSV begins" if files.formula_like == 1 else "cells of the CSV begin"
        reporter.warn(
            f"{files.formula_like:,} {begins} as a formula does; a PIM reads it as it is, but open the file in a "
            "spreadsheet only by importing its columns as text"
        )
    return ApplyResult(out, files.written, tally.states, len(tally.used), tally.attributes)


def _check_columns(column: Mapping[str, str], attributes: Collection[str]) -> None:
    """Raise UsageError for a column that no file has, or that would be called as the column of ids."""
    known = [*CLASS_COLUMNS, *attributes]
    unknown = [name for name in column if name not in known]
    if unknown:
        raise UsageError(f"--column {unknown[0]}: the CSV has no such column; it has {', '.join(known)}")
    for name in attributes:
        if column.get(name, name) == column.get("id", "id"):
            raise UsageError(f"--column: two columns would have one name: {column.get(name, name)}")


class _Tally:
    """Counts final tags while they are written."""

    def __init__(self, decided: Collection[str], attributes: Iterable[str]) -> None:
        self.states: Counter[tuple[str, str]] = Counter()
        self.attributes = {name: dict.fromkeys(_ATTRIBUTE_SOURCES, 0) for name in attributes}
        """Items by further tag and source."""
        self.used: set[str] = set()
        """Ids of items with a review decision."""
        self._decided = decided

    def counting(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the same tables, by FINAL_TAG, and count them."""
        for table in tables:
            self.states.update(zip(table["state"].to_pylist(), table["source"].to_pylist(), strict=True))
            for each in chain.from_iterable(table["attributes"].to_pylist()):
                of_source = self.attributes.setdefault(each["name"], dict.fromkeys(_ATTRIBUTE_SOURCES, 0))
                of_source[each["source"]] += 1
            self.used.update(item for item in table["id"].to_pylist() if item in self._decided)
            yield table
