"""Which rows of a manifest a run takes, and why it leaves the others alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.taxonomy import Level
from tagger.catalog.manifest import Batch
from tagger.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


class KnownTags(Protocol):
    """What earlier runs and people said of items."""

    def recall(self, items: pa.Table) -> tuple[list[str | None], list[bytes | None]]:
        """What is known of the items of a shard, by ITEM and the columns that it keeps besides.

        Returns:
            For every item the digest of the image that need not be looked at again, and where its stored prediction is
            decided otherwise now, that prediction.
        """
        ...

    def knows(self, ids: Sequence[str]) -> list[bool]:
        """Whether an earlier run tagged the item, or a person decided about it."""
        ...


@dataclass(frozen=True)
class Selection:
    """Rules that leave rows alone, and what is known of the others."""

    rules: Sequence[tuple[str, Callable[[Batch], np.ndarray]]] = ()
    """Reason, and which rows of a batch to leave alone for it, bool [N]."""
    known: KnownTags | None = field(default=None)

    def skipped(self, batch: Batch) -> list[str]:
        """For every item the first reason to leave it alone, or an empty text."""
        reasons = np.full(len(batch.items), "", object)
        for reason, rule in self.rules:
            reasons[rule(batch) & (reasons == "")] = reason
        return list(reasons)


EVERYTHING = Selection()


def tagged(batch: Batch) -> np.ndarray:
    """Items that have both labels."""
    if not {str(level) for level in Level} <= set(batch.items.schema.names):
        return np.zeros(len(batch.items), bool)
    both = pc.and_(*(pc.is_valid(batch.items[level]) for level in Level))
    return np.asarray(both.to_numpy(zero_copy_only=False), bool)


class Before:
    """Items whose column has a value before a given one.

    The value decides how the column is read: as a number, as a date or time (ISO 8601), else as text. An item whose
    cell is empty, or cannot be read so, is not before it: better tagged once more than never.
    """

    def __init__(self, column: str, value: str, columns: Sequence[str]) -> None:
        if column not in columns:
            raise UsageError(f"--since {column}={value}: the manifest has no column {column!r}; it has {list(columns)}")
        self._column = column
        self._value = _comparable(value)

    def __call__(self, batch: Batch) -> np.ndarray:
        """Which rows of a batch lie before the value, bool [N]."""
        column = batch.column(self._column)
        if column is None:
            return np.zeros(len(batch.items), bool)
        import pandas as pd

        if isinstance(self._value, float):
            return np.asarray(pd.to_numeric(_texts(column), errors="coerce") < self._value, bool)
        if isinstance(self._value, pd.Timestamp):
            times = pd.to_datetime(_texts(column), errors="coerce", format="ISO8601", utc=True)
            return np.asarray(times < self._value, bool)
        texts = _texts(column)
        return np.array([isinstance(t, str) and t.strip() != "" and t < self._value for t in texts], bool)


def _texts(column: pa.ChunkedArray) -> "pd.Series[str]":
    import pandas as pd

    cells = column.to_pylist()
    return pd.Series([c.isoformat() if isinstance(c, date | datetime) else c for c in cells], dtype=object)


def _comparable(value: str) -> "float | pd.Timestamp | str":
    import pandas as pd

    try:
        return float(value)
    except ValueError:
        found = pd.to_datetime(value, errors="coerce", format="ISO8601", utc=True)
        return value if pd.isna(found) else found
