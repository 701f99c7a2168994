"""Ranges of a manifest that can be read apart from each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tagger.io.location import Location

RANGE_ROWS = 1 << 18
"""Least rows of a range, except the last."""


@dataclass(frozen=True)
class Piece:
    """Consecutive row groups of one Parquet file."""

    file: Location
    groups: tuple[int, ...]
    rows: int
    rows_before: int
    """Of the same file."""


@dataclass(frozen=True)
class Range:
    """Consecutive rows of a manifest."""

    number: int
    pieces: tuple[Piece, ...]
    rows_before: int
    """Of the manifest."""

    @property
    def rows(self) -> int:
        """Number of its rows."""
        return sum(piece.rows for piece in self.pieces)


def ranges_of(files: Sequence[tuple[Location, Sequence[int]]], least_rows: int = RANGE_ROWS) -> Iterator[Range]:
    """Divide Parquet files into ranges, in order, by their row groups.

    Args:
        files: Each file with the rows of its row groups.
        least_rows: Of each range except the last.
    """
    pieces: list[Piece] = []
    number = before = 0
    for file, group_rows in files:
        first = rows = rows_before = 0
        for group, more in enumerate(group_rows):
            rows += more
            if sum(piece.rows for piece in pieces) + rows >= least_rows:
                pieces.append(Piece(file, tuple(range(first, group + 1)), rows, rows_before))
                yield Range(number, tuple(pieces), before)
                number, before = number + 1, before + sum(piece.rows for piece in pieces)
                pieces, first, rows_before, rows = [], group + 1, rows_before + rows, 0
        if first < len(group_rows):
            pieces.append(Piece(file, tuple(range(first, len(group_rows))), rows, rows_before))
    if pieces:
        yield Range(number, tuple(pieces), before)
