"""Columns of few values, such as gender or season: what a model can ask beside the image, or predict."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.manifest.batch import Batch
from tagger.manifest.no_value import NoValue
from tagger.manifest.selection import tagged
from tagger.schemas.tables.item import Role

_ROLES = set(map(str, Role))
_MOST_VALUES = 200
_FEWEST_ITEMS = 5
"""Mean number of items a value, from which a column is worth a proposal."""
_FEWEST_UNLABELLED = 20


@dataclass
class ValueColumn:
    """A column of few values: how many items have a value, by whether they have both labels, and which values."""

    labelled: int = 0
    unlabelled: int = 0
    values: set[str] = field(default_factory=set)

    def is_known_before(self, labelled: int, unlabelled: int) -> bool | None:
        """Whether items have a value before they are tagged, so far as items without labels show; None: too few do.

        Args:
            labelled: Number of the catalogue's items with both labels.
            unlabelled: Number of those without.
        """
        if unlabelled < _FEWEST_UNLABELLED:
            return None
        return 2 * self.unlabelled * max(labelled, 1) >= self.labelled * unlabelled


class ValueColumns:
    """Counts of a catalogue's columns of few values, batch by batch.

    Args:
        no_value: Recognises cells without a value.
    """

    def __init__(self, no_value: NoValue) -> None:
        self._no_value = no_value
        self._columns: dict[str, ValueColumn | None] = {}
        """By the file's name of the column; None for one of many values."""

    def add(self, batch: Batch) -> None:
        """Count the cells of a batch."""
        is_labelled = tagged(batch)
        file_names = {current: name for name, current in batch.names.items()}
        for name in (name for name in batch.items.schema.names if name not in _ROLES):
            known = self._columns.setdefault(file_names.get(name, name), ValueColumn())
            if known is None:
                continue
            counted = self._count(batch.items[name], is_labelled)
            if counted is None or len(known.values | set(counted)) > _MOST_VALUES:
                self._columns[file_names.get(name, name)] = None
                continue
            known.values |= set(counted)
            known.labelled += sum(labelled for labelled, _ in counted.values())
            known.unlabelled += sum(unlabelled for _, unlabelled in counted.values())

    def _count(self, column: pa.ChunkedArray, is_labelled: np.ndarray) -> dict[str, tuple[int, int]] | None:
        """By value, its items with and without both labels; None for a column that has no short texts or numbers."""
        try:
            cells = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
        except pa.ArrowException:
            return None
        if pc.count_distinct(cells).as_py() > _MOST_VALUES:
            return None
        pairs = Counter(zip(cells.to_pylist(), is_labelled.tolist(), strict=True))
        values = {cell for cell, _ in pairs if not self._no_value.means_none(cell)}
        return {value: (pairs[value, True], pairs[value, False]) for value in values}

    def worth_asking(self) -> dict[str, ValueColumn]:
        """The columns that tell items apart, and whose values have some items each; by the file's names."""
        return {
            name: column
            for name, column in self._columns.items()
            if column is not None
            and len(column.values) > 1
            and column.labelled + column.unlabelled >= _FEWEST_ITEMS * len(column.values)
            and "," not in name
        }
