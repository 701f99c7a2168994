"""Rows whose id was read before: found while a manifest is read from its start, or known when a part of it is read."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tagger.flow.seen_ids import SeenIds

_SAME_TABLE = 0.9
"""A file with at least this share of ids from other files is probably a copy of one."""


@dataclass
class FileIds:
    """How many ids a file has, and how many of them were read from earlier files."""

    file: str
    rows_before: int
    """Of other files."""
    ids: int = 0
    repeated: int = 0
    first_row: int | None = None
    """1-based row over the whole manifest at which the first of the repeated ids was read first."""

    def add(self, ids: int, first_rows: Collection[int]) -> None:
        """Count ids, and the rows at which the repeated ones were read first."""
        self.ids += ids
        earlier = [row for row in first_rows if row <= self.rows_before]
        self.repeated += len(earlier)
        if earlier and self.first_row is None:
            self.first_row = earlier[0]


def copied_files(files: Sequence[FileIds]) -> Iterator[str]:
    """A remark about each file whose ids nearly all occur in earlier files: probably the same table in two forms."""
    starts = [file.rows_before for file in files]
    for file in files:
        if file.first_row is not None and file.repeated >= _SAME_TABLE * file.ids:
            other = files[bisect_left(starts, file.first_row) - 1].file
            yield (
                f"{file.file}: {file.repeated:,} of its {file.ids:,} ids were read before, as in {other}; the "
                "first of each counts. If it is the same table twice, name one of the files"
            )


class FirstRows(Protocol):
    """Knows which rows repeat the id of an earlier row."""

    def begin(self, file: str, rows_before: int) -> None:
        """Begin a file, before which other files have so many rows."""
        ...

    def of(self, ids: Sequence[str], rows: Sequence[int]) -> dict[int, int]:
        """The repetitions among the next rows: by position, the row at which the id was read first.

        Args:
            ids: Of rows that have one.
            rows: Their 1-based numbers over the whole manifest.
        """
        ...


class RowsOfFiles:
    """The repetitions of a manifest that is read from its start.

    Args:
        seen: The ids that were read, with the row of each.
    """

    def __init__(self, seen: SeenIds[int]) -> None:
        self._seen = seen
        self.files: list[FileIds] = []

    def begin(self, file: str, rows_before: int) -> None:
        """Begin a file, before which other files have so many rows."""
        self.files.append(FileIds(file, rows_before))

    def of(self, ids: Sequence[str], rows: Sequence[int]) -> dict[int, int]:
        """The repetitions among the next rows; see `FirstRows`."""
        repeated = self._seen.add(ids, rows)
        self.files[-1].add(len(ids), repeated.values())
        return repeated


class RowsOfRange:
    """The repetitions of a range of rows, as far as they are known.

    Args:
        known: By row, the row at which its id was read first.
        watch: Called with all ids and rows, as they are read.
    """

    def __init__(self, known: Mapping[int, int], watch: Callable[[Sequence[str], Sequence[int]], None]) -> None:
        self._known = known
        self._watch = watch
        self.files: list[FileIds] = []

    def begin(self, file: str, rows_before: int) -> None:
        """Begin a file, before which other files have so many rows."""
        self.files.append(FileIds(file, rows_before))

    def of(self, ids: Sequence[str], rows: Sequence[int]) -> dict[int, int]:
        """The repetitions among the next rows; see `FirstRows`."""
        self._watch(ids, rows)
        repeated = {i: self._known[row] for i, row in enumerate(rows) if row in self._known} if self._known else {}
        self.files[-1].add(len(ids), repeated.values())
        return repeated
