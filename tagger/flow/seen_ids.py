"""A map from ids to values for any number of rows, and files that repeat the ids of others."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Generic

import numpy as np

from tagger.flow.id_rows import IdRows
from tagger.flow.spilled import SpilledValues, Value
from tagger.notices import Notices

_SAME_TABLE = 0.9
"""A file with at least this share of ids from other files is probably a copy of one."""


class SeenIds(Generic[Value]):
    """Ids with the first value of each, in memory and then in temporary files; see IdRows for what equal ids are."""

    def __init__(self, memory_kib: int = 65536) -> None:
        """Use so much memory for hashes and values before they go to the disk, besides 11 to 22 bytes an id."""
        self._rows = IdRows(memory_kib * 512)
        self._values: SpilledValues[Value] = SpilledValues(memory_kib * 512)

    def add(self, ids: Sequence[str], values: Sequence[Value]) -> dict[int, Value]:
        """Add ids; return {position in `ids`: first value} for those that were added before.

        Raises WriteError when the disk has no room for them.
        """
        numbers, is_new = self._rows.add(ids)
        if is_new.all():
            self._values.append(values)
            return {}
        self._values.append([values[i] for i in np.flatnonzero(is_new).tolist()])
        repeated = np.flatnonzero(~is_new)
        return dict(zip(repeated.tolist(), self._values.take(numbers[repeated]), strict=True))

    def get(self, ids: Sequence[str]) -> list[Value | None]:
        """The first value of each id; None for an unknown id."""
        if not len(self._rows):
            return [None] * len(ids)
        numbers = self._rows.numbers(ids)
        is_known = numbers >= 0
        values = iter(self._values.take(numbers[is_known]))
        return [next(values) if known else None for known in is_known.tolist()]

    def close(self) -> None:
        """Delete the files."""
        self._rows.close()
        self._values.close()


class FileRepeats:
    """Notices a file whose ids nearly all occur in earlier files: probably the same table in two forms."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._files: list[str] = []
        self._starts: list[int] = []
        self._ids = self._repeated = 0
        self._first_row: int | None = None

    def begin(self, file: str, rows_before: int) -> None:
        """Begin a file after so many rows of other files."""
        self._files.append(file)
        self._starts.append(rows_before)
        self._ids = self._repeated = 0
        self._first_row = None

    def add(self, ids: int, first_rows: Collection[int]) -> None:
        """Count ids of the file, and the 1-based rows where repeated ones were read first."""
        self._ids += ids
        earlier = [row for row in first_rows if row <= self._starts[-1]]
        self._repeated += len(earlier)
        if earlier and self._first_row is None:
            self._first_row = earlier[0]

    def end(self) -> None:
        """End the file, and add a notice where it only repeats others."""
        if self._first_row is None or self._repeated < _SAME_TABLE * self._ids:
            return
        other = self._files[bisect_left(self._starts, self._first_row) - 1]
        self._notices.add(
            f"{self._files[-1]}: {self._repeated:,} of its {self._ids:,} ids were read before, as in {other}; the "
            "first of each counts. If it is the same table twice, name one of the files"
        )
