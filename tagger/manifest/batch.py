"""What reading a manifest yields: batches of items with their rejects, and counts."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from tagger.io.location import Location
from tagger.manifest.labels import LabelTally
from tagger.manifest.tables.csv_rows import BadRow
from tagger.printable import printable
from tagger.schemas.tables.item import REJECT

_TEXT_LIMIT = 2000


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one manifest file.

    `items` has the role columns under their role's name (`id` string, labels string or null) and every other column
    untouched, without the bytes of an image column. `rows` are 1-based numbers over the whole manifest, `positions`
    0-based rows of the file; both int64, one an item.
    """

    file: Location
    items: pa.Table
    rows: np.ndarray
    positions: np.ndarray
    rejects: pa.Table
    names: dict[str, str]
    """From the file's column names to those in `items`."""
    bytes_columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the file that hold bytes and are not read, with their types."""
    further: "FurtherRows | None" = None
    """With --item-column, the further rows of these items, if any."""

    def column(self, name: str) -> pa.ChunkedArray | None:
        """A column by the file's name for it or by its role; None where the file has none."""
        current = name if name in self.items.schema.names else self.names.get(name)
        return None if current is None else self.items[current]


@dataclass(frozen=True)
class FurtherRows:
    """Rows of items after the first of each, which name further images.

    `rows` are their cells, and `items` the position of each row's item in its batch, int64 [M], rising. Of an item, at
    most `most_images` images count.
    """

    rows: Batch
    items: np.ndarray
    most_images: int


@dataclass
class Tally:
    """Counts of what has been read so far: rows = items + further rows of items + rejects.

    Repaired rows are items or further rows.
    """

    rows: int = 0
    further: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    labels: LabelTally = field(default_factory=LabelTally)

    @property
    def repaired(self) -> int:
        """Rows that were repaired."""
        return sum(self.repairs.values())

    @property
    def rejected(self) -> int:
        """Rows that could not be read."""
        return sum(self.rejects.values())


class Labels(Protocol):
    """Labels from another source that replace the manifest's own."""

    def over(self, batch: Batch) -> Batch:
        """A batch with these labels."""
        ...

    def fingerprint(self) -> str:
        """A text that changes when the labels do."""
        ...


def reject_table(file: Location, bad_rows: Sequence[BadRow]) -> pa.Table:
    """Rejects of one file by REJECT, in the order of their lines."""
    rows = [
        {
            "file": str(file),
            **dataclasses.asdict(bad),
            "message": printable(bad.message),
            "text": printable(bad.text[:_TEXT_LIMIT])[:_TEXT_LIMIT],
        }
        for bad in bad_rows
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["line"]), schema=REJECT)
