"""Which items look like an item or an image, with what is known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import UsageError
from tagger.schemas.tables.similar import SIMILAR
from tagger.similarity.index import Neighbours, VectorIndex

_DIGEST = "imageDigest"
_COMPARED_AT_ONCE = 8192
_TINY = 1e-12  # a vector of zeros has no direction; its cosines are 0


@dataclass(frozen=True)
class Criteria:
    """What is to be found."""

    top: int = 5
    same: Sequence[str] = ()
    """Columns in which an item must be like the one that was asked for, such as masterCategory."""
    unlike: Sequence[str] = ()
    """Columns in which it must differ, such as a product's number; two items without a value differ."""
    other_images: bool = False
    """Leave out items that have the very same image."""


@dataclass(frozen=True)
class Queries:
    """Items or images to find others for."""

    names: Sequence[str]
    vectors: np.ndarray
    """float32 [N, D], of length 1."""
    numbers: np.ndarray
    """Those of items in the index, which do not find themselves; -1 for others."""
    columns: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    """What is known of those that are not in the index."""


class Similar:
    """Finds similar items in an index.

    Args:
        index: Where to look.
        criteria: What is to be found.

    Raises:
        UsageError: when the index has not a column that the criteria name.
    """

    def __init__(self, index: VectorIndex, criteria: Criteria) -> None:
        self._index = index
        self._criteria = criteria
        unlike = [*criteria.unlike, *([_DIGEST] if criteria.other_images else [])]
        names = index.items.schema.names
        for name in (*criteria.same, *unlike):
            if name not in names:
                raise UsageError(f"{name}: the index has no such column; tagger index --keep {name} keeps it")
        self._unlike = unlike
        self._values = {name: pc.unique(index.items[name]).drop_null() for name in {*criteria.same, *unlike}}
        self._codes = {name: self._coded(name, index.items[name]) for name in self._values}

    def items(self, ids: Sequence[str]) -> pa.Table:
        """What looks like items of the index, by SIMILAR; an id that is not there finds nothing."""
        numbers = self._index.numbers(ids)
        there = numbers >= 0
        known = [name for name, good in zip(ids, there, strict=True) if good]
        return self.find(Queries(known, self._index.vectors(numbers[there]), numbers[there]))

    def find(self, queries: Queries) -> pa.Table:
        """What looks like items or images, by SIMILAR: at most `top` rows for each, the most similar first."""
        size = len(queries.names)
        is_inside = queries.numbers >= 0
        query_codes: dict[str, np.ndarray] = {}
        for name, codes in self._codes.items():
            outside = self._coded(name, pa.array(queries.columns.get(name, [None] * size), pa.string()))
            query_codes[name] = np.where(is_inside, codes[queries.numbers], outside)

        def allowed(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
            good: np.ndarray = numbers != queries.numbers[rows]
            for name in self._criteria.same:
                good &= self._codes[name][numbers] == query_codes[name][rows]
            for name in self._unlike:
                of_query = query_codes[name][rows]
                good &= (self._codes[name][numbers] != of_query) | (of_query < 0)
            return good

        neighbours = self._with_exact_cosines(
            queries.vectors, self._index.search(queries.vectors, self._criteria.top, allowed)
        )
        is_item = neighbours.numbers >= 0
        query, rank = np.nonzero(is_item)
        items = self._index.items.take(pa.array(neighbours.numbers[is_item]))
        columns = {
            "id": pa.array([queries.names[n] for n in query.tolist()], pa.string()),
            "rank": pa.array(rank + 1, pa.int32()),
            "similarId": items["id"],
            "cosine": pa.array(neighbours.cosines[is_item], pa.float32()),
            **{name: items[name] for name in ("masterCategory", "articleType", "labelled", "imageUri")},
        }
        return pa.table(columns, schema=SIMILAR)

    def _with_exact_cosines(self, vectors: np.ndarray, neighbours: Neighbours) -> Neighbours:
        """Neighbours by cosines that do not depend on the rounded lengths of vectors: an image and itself have 1."""
        lengths = np.linalg.norm(vectors, axis=1)
        cosines = np.full(neighbours.numbers.shape, -np.inf, np.float32)
        at_once = max(1, _COMPARED_AT_ONCE // self._criteria.top)
        for first in range(0, len(vectors), at_once):
            row, column = np.nonzero(neighbours.numbers[first : first + at_once] >= 0)
            row += first
            others = self._index.vectors(neighbours.numbers[row, column])
            products = np.einsum("nd,nd->n", vectors[row], others)
            cosines[row, column] = products / (lengths[row] * np.linalg.norm(others, axis=1)).clip(_TINY)
        order = np.argsort(-cosines, axis=1, kind="stable")
        return Neighbours(
            np.take_along_axis(neighbours.numbers, order, axis=1), np.take_along_axis(cosines, order, axis=1)
        )

    def _coded(self, name: str, values: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Numbers of values, int64 [N]; -1 for none, and for one that the index does not have."""
        codes = pc.index_in(values, value_set=self._values[name].cast(values.type))
        return np.asarray(codes.fill_null(-1).to_numpy(zero_copy_only=False), np.int64) if len(values) else _NONE


_NONE = np.zeros(0, np.int64)
