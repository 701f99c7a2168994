"""Fits the model of columns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tagger.manifest.no_value import NoValue
from tagger.models.columns import Column, ColumnsModel, number_of, spelled
from tagger.models.evidence import class_prior

_LEAST_ITEMS = 5
_MOST_VALUES = 1000
_RANGES, _FEW_NUMBERS = 16, 20
_SPREAD = 5.0


def fit_columns(
    cells: Mapping[str, Sequence[str | None]], leaves: np.ndarray, count: int, no_value: NoValue
) -> ColumnsModel:
    """Fit a model to columns: naive Bayes over their values, or over ranges of their numbers.

    A value counts if five items have it. A column in which nearly all cells are numbers, of more than 20 different
    values, is one of numbers, with up to 16 ranges of as many items each. Columns with fewer than two values or ranges
    are left out.

    Args:
        cells: Of the training items, N, by column.
        leaves: Their leaf indices, int [N].
        count: The number of leaves, L.
        no_value: Recognises cells without a value.
    """
    fitted = (_fitted(name, column, leaves, count, no_value) for name, column in cells.items())
    return ColumnsModel(tuple(column for column in fitted if column is not None), class_prior(leaves, count))


def _fitted(name: str, cells: Sequence[str | None], leaves: np.ndarray, count: int, no_value: NoValue) -> Column | None:
    given = [None if no_value.means_none(cell) else cell for cell in cells]
    edges = _ranges([number_of(cell) for cell in given if cell is not None])
    counts = Counter(spelled(cell) for cell in given if cell is not None)
    values = () if edges else tuple(v for v, items in counts.most_common(_MOST_VALUES) if items >= _LEAST_ITEMS)
    size = len(edges) + 1 if edges else len(values)
    if size < 2:
        return None
    no_values = tuple(sorted(spelled(text) for text in no_value.more if np.isfinite(number_of(text))))
    column = Column(name, values, edges, np.zeros((size, count), np.float32), no_values)
    codes = column.codes(given)
    known = codes >= 0
    items = np.zeros((size, count))
    np.add.at(items, (codes[known], leaves[known]), 1)
    share = (items.sum(axis=1) + 1) / (items.sum() + size)
    # a leaf of few items is taken to have the values of all, which count as five of its items
    of_leaf = (items + _SPREAD * share[:, None]) / (items.sum(axis=0) + _SPREAD)
    return replace(column, log_ratio=np.log(of_leaf / share[:, None]).astype(np.float32))


def _ranges(numbers: Sequence[float]) -> tuple[float, ...]:
    """Borders of ranges of numbers with as many items each; none where they are too few, or no numbers."""
    values = np.array(numbers, np.float64)
    finite = values[np.isfinite(values)]
    if len(finite) < 0.95 * len(values) or len(np.unique(finite)) <= _FEW_NUMBERS:
        return ()
    inner = np.quantile(finite, np.linspace(0, 1, _RANGES + 1)[1:-1])
    return tuple(np.unique(inner[inner > finite.min()]).tolist())
