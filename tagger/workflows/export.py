"""Writes final tags for a PIM system: review decisions, else accepted predictions."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa

from tagger.decisions.final_tags import final_tags, newest_by_id, refit_tags
from tagger.decisions.read import DATABASE, decisions_of, refit_tags_of
from tagger.errors import InputError, UsageError
from tagger.exports.tag_files import TagFiles
from tagger.io.completion import mark_complete
from tagger.io.location import Location
from tagger.manifest.no_value import NoValue
from tagger.reporter import LOG, Reporter
from tagger.runs.ledger import latest, read_ledger
from tagger.schemas.configs.apply import CLASS_COLUMNS, ApplyConfig
from tagger.schemas.tables.final_tag import TagSource, TagState
from tagger.workflows.open_catalog import new_folder, resolve_location

_ATTRIBUTE_SOURCES = (str(TagSource.MODEL), str(TagSource.PERSON))
"""A refit says nothing of further tags."""


@dataclass(frozen=True)
class ExportResult:
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


def export(config: ApplyConfig, reporter: Reporter = LOG) -> ExportResult:
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

    Example::

        from tagger import ApplyConfig, export

        result = export(ApplyConfig(run="run-1", out="tags"))
        print(result.files)  # {'tags-00000.parquet': 898, 'tags-00000.csv': 871}
    """
    source = resolve_location(config.run, config)
    entries = read_ledger(source, "RUN")
    if not any(entry.done for entry in entries):
        raise InputError(f"RUN: {source} has not finished; the tag job's own command goes on with it")
    if resolve_location(config.out, config).uri == source.uri:
        raise UsageError(f"--out: {source} is the run itself; name a new folder")
    attributes = sorted({name for entry in entries if entry.done for name in entry.record.attributes})
    _check_columns(config.column, attributes)
    out = new_folder(config.out, config)
    database = config.database or os.environ.get(DATABASE)
    decided = newest_by_id(table for entry in entries for table in decisions_of(entry.directory, database))
    refit = refit_tags(table for entry in entries for table in refit_tags_of(entry.directory, database))
    tally = _Tally(decided, attributes)
    files = TagFiles(out, config.format, config.column)
    files.write(tally.counting(final_tags(latest(entries), decided, refit, NoValue(config.no_value))))
    mark_complete(out)
    lost = len(decided) - len(tally.used)
    if lost:
        about = "decision is about an item" if lost == 1 else "decisions are about items"
        reporter.warn(f"{lost:,} {about} that no finished run here has")
    if files.formula_like:
        begins = "cell of the CSV begins" if files.formula_like == 1 else "cells of the CSV begin"
        reporter.warn(
            f"{files.formula_like:,} {begins} as a formula does; a PIM reads it as it is, but open the file in a "
            "spreadsheet only by importing its columns as text"
        )
    return ExportResult(out, files.written, tally.states, len(tally.used), tally.attributes)


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
