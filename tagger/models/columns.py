"""A model of columns such as gender or price: it predicts an item's leaf from what its cells say, as naive Bayes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tagger.models.levels import softmax

_DECIMAL = re.compile(r"-?\d+\.\d+")


@dataclass(frozen=True)
class Column:
    """One column: its values, or ranges of its numbers, and what each says of the leaves."""

    name: str
    values: tuple[str, ...]
    """V values as `spelled`; empty for a column of numbers."""
    edges: tuple[float, ...]
    """The V - 1 borders of the ranges of a column of numbers, ascending; empty for other columns."""
    log_ratio: np.ndarray
    """log p(value | leaf) / p(value), float32 [V, L]."""
    no_values: tuple[str, ...] = ()
    """Numbers, as `spelled`, that stand for no value."""

    def codes(self, cells: Sequence[str | None]) -> np.ndarray:
        """Index of each cell's value or range, int [N]; -1 for none, and for one that was never seen."""
        if self.values:
            return np.array([self._index.get(spelled(cell), -1) for cell in cells], np.int64)
        numbers = np.array([self._number(cell) for cell in cells], np.float64)
        return np.where(np.isfinite(numbers), np.searchsorted(self.edges, numbers, side="right"), -1)

    def _number(self, cell: str | None) -> float:
        return np.nan if self.no_values and spelled(cell) in self.no_values else number_of(cell)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {value: n for n, value in enumerate(self.values)}


@dataclass(frozen=True)
class ColumnsModel:
    """Probabilities of a bundle's leaves by columns; one without a known value says nothing."""

    columns: tuple[Column, ...]
    prior: np.ndarray
    """Share of the training items that each leaf has, float32 [L]."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the manifest."""
        return tuple(column.name for column in self.columns)

    def read(self, cells: Mapping[str, Sequence[str | None]], count: int) -> tuple[np.ndarray, np.ndarray]:
        """What the cells of N items say.

        Args:
            cells: By column, one cell an item; columns may be absent.
            count: N.

        Returns:
            Probabilities of the leaves, float32 [N, L], and which items have a known value at least, bool [N].
        """
        logits = np.repeat(np.log(self.prior, dtype=np.float64)[None], count, axis=0)
        speaks = np.zeros(count, bool)
        for column in self.columns:
            if column.name in cells:
                codes = column.codes(cells[column.name])
                known = codes >= 0
                logits[known] += column.log_ratio[codes[known]]
                speaks |= known
        return softmax(logits, 1.0), speaks


def spelled(cell: str | None) -> str:
    """A cell without regard to case, to white space and to zeros that end a number; empty for none."""
    text = " ".join(cell.split()).casefold() if cell else ""
    return text.rstrip("0").rstrip(".") if _DECIMAL.fullmatch(text) else text


def number_of(cell: str | None) -> float:
    """The number in a cell; NaN where it is none."""
    try:
        return float(cell) if cell else np.nan
    except ValueError:
        return np.nan
