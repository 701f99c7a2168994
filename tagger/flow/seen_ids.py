"""A map from ids to values, for any number of ids."""

from collections.abc import Sequence
from typing import Generic

import numpy as np

from tagger.flow.id_rows import IdRows
from tagger.flow.spilled import SpilledValues, Value


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
