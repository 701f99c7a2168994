"""Rows that share an id: those of one item, each with a further image, or repetitions."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.manifest.batch import Batch
from tagger.manifest.tables.csv_rows import BadRow
from tagger.manifest.tables.table import Chunk
from tagger.schemas.documents.taxonomy import Level

_MANY = 0.1
"""From this share of rows on that repeat the id of the row before, they are probably images of one item."""


def with_whole_items(chunks: Iterator[Chunk], column: str) -> Iterator[Chunk]:
    """Chunks of the same rows, cut so that consecutive rows of one item stand in one chunk.

    Args:
        chunks: Consecutive chunks of one file.
        column: The column of the items' ids.
    """
    held: Chunk | None = None
    for chunk in chunks:
        if held is not None:
            cells = held.table[column].to_pylist()
            begin = next((row for row in range(len(cells), 0, -1) if cells[row - 1] != cells[-1]), 0)
            if begin:
                yield dataclasses.replace(_cut(held, 0, begin), bad=held.bad)
            chunk = _joined(_cut(held, begin, len(cells)), chunk, () if begin else held.bad)
        held = chunk
    if held is not None:
        yield held


def _joined(first: Chunk, second: Chunk, bad: Sequence[BadRow]) -> Chunk:
    rows = None if first.rows is None or second.rows is None else [*first.rows, *second.rows]
    return Chunk(
        pa.concat_tables([first.table, second.table], promote_options="permissive"),
        np.concatenate([first.lines, second.lines]),
        [*bad, *second.bad],
        rows,
        second.bytes_columns,
    )


def _cut(chunk: Chunk, begin: int, end: int) -> Chunk:
    """Some rows of a chunk, without the unreadable records."""
    rows = None if chunk.rows is None else chunk.rows[begin:end]
    return dataclasses.replace(
        chunk, table=chunk.table.slice(begin, end - begin), lines=chunk.lines[begin:end], bad=(), rows=rows
    )


def further_rows(ids: Sequence[str | None]) -> dict[int, int]:
    """The rows that repeat the id of the row before them, each with the first of these rows.

    Args:
        ids: The ids of consecutive rows; None for a row without one, which is passed over.
    """
    first, first_of = -1, dict[int, int]()
    for row, item in enumerate(ids):
        if item is not None and first >= 0 and item == ids[first]:
            first_of[row] = first
        elif item is not None:
            first = row
    return first_of


class ItemRows:
    """Counts what is worth a remark about rows that share an id, in one reading of a manifest.

    Args:
        item_column: The column of --item-column, if rows are joined.
    """

    def __init__(self, item_column: str | None) -> None:
        self._item_column = item_column
        self.rows = 0
        self.neighbours = 0
        """Rows that repeat the id of the row before them."""
        self._differing = 0
        self._example = ""

    def add(self, rows: int, neighbours: int) -> None:
        """Count rows, and those of them that repeat the id of the row before them."""
        self.rows += rows
        self.neighbours += neighbours

    def compare(self, batch: Batch) -> None:
        """Count items whose further rows have another label than the first."""
        if batch.further is None:
            return
        of = pa.array(batch.further.items)
        differs = np.zeros(len(batch.items), bool)
        for level in {str(level) for level in Level} & set(batch.items.schema.names):
            first, further = batch.items[level].take(of), batch.further.rows.items[level]
            other = pc.fill_null(pc.not_equal(first, further), pc.and_(pc.is_null(first), pc.is_valid(further)))
            differs[batch.further.items[np.asarray(other.to_numpy(zero_copy_only=False), bool)]] = True
        if differs.any() and not self._example:
            self._example = batch.items["id"][int(np.flatnonzero(differs)[0])].as_py()
        self._differing += int(differs.sum())

    def remarks(self) -> Iterator[str]:
        """What is worth a remark, after the last row."""
        if self._differing:
            items = "item has rows" if self._differing == 1 else "items have rows"
            yield (
                f"--item-column {self._item_column}: {self._differing:,} {items} with another label than the first, "
                f"such as {self._example}; the first row of each counts"
            )
        if self._item_column is None and self.neighbours >= _MANY * max(self.rows, 1):
            yield (
                f"{self.neighbours:,} of {self.rows:,} rows repeat the id of the row before them, and are rejected; "
                "where such rows are images of one item, --item-column COLUMN joins them"
            )
