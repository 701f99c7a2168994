"""Finds the items that look like an item or an image, with their labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import UsageError
from tagger.schemas.tables.similar import SIMILAR
from tagger.similarity.index import Neighbours, VectorIndex

_DIGEST = "imageDigest"
_MAX_PRODUCTS = 8192
_TINY = 1e-12  # avoids division by 0: the cosines of a zero vector are 0


@dataclass(frozen=True)
class Criteria:
    """Which items a search may return."""

    top: int = 5
    same: Sequence[str] = ()
    """Columns in which an item must have the query's value, such as masterCategory."""
    unlike: Sequence[str] = ()
    """Columns in which it must have another value, such as a product number; two items without a value differ."""
    other_images: bool = False
    """Leave out items that have the same image file as the query."""


@dataclass(frozen=True)
class Queries:
    """Items or images to find similar items for."""

    names: Sequence[str]
    vectors: np.ndarray
    """float32 [N, D], of length 1."""
    positions: np.ndarray
    """Positions of the items in the index, which do not find themselves; -1 for queries from outside, int64 [N]."""
    columns: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    """Values of the queries that are not in the index, by column."""


class Similar:
    """Finds similar items in an index.

    Args:
        index: The index to search.
        criteria: Which items may be found.

    Raises:
        UsageError: when the index lacks a column that the criteria name.
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
        """Find what looks like items of the index, as a table by SIMILAR; an id that the index lacks finds nothing."""
        positions = self._index.positions(ids)
        is_present = positions >= 0
        present_ids = [name for name, present in zip(ids, is_present, strict=True) if present]
        return self.find(Queries(present_ids, self._index.vectors(positions[is_present]), positions[is_present]))

    def find(self, queries: Queries) -> pa.Table:
        """Find what looks like items or images, by SIMILAR: up to `top` rows each, the most similar first."""
        size = len(queries.names)
        is_inside = queries.positions >= 0
        query_codes: dict[str, np.ndarray] = {}
        for name, codes in self._codes.items():
            outside = self._coded(name, pa.array(queries.columns.get(name, [None] * size), pa.string()))
            query_codes[name] = np.where(is_inside, codes[queries.positions], outside)

        def allowed(rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
            is_allowed: np.ndarray = positions != queries.positions[rows]
            for name in self._criteria.same:
                is_allowed &= self._codes[name][positions] == query_codes[name][rows]
            for name in self._unlike:
                of_query = query_codes[name][rows]
                is_allowed &= (self._codes[name][positions] != of_query) | (of_query < 0)
            return is_allowed

        neighbours = self._with_exact_cosines(
            queries.vectors, self._index.search(queries.vectors, self._criteria.top, allowed)
        )
        is_item = neighbours.positions >= 0
        query, rank = np.nonzero(is_item)
        items = self._index.items.take(pa.array(neighbours.positions[is_item]))
        columns = {
            "id": pa.array([queries.names[n] for n in query.tolist()], pa.string()),
            "rank": pa.array(rank + 1, pa.int32()),
            "similarId": items["id"],
            "cosine": pa.array(neighbours.cosines[is_item], pa.float32()),
            **{name: items[name] for name in ("masterCategory", "articleType", "labelled", "imageUri")},
        }
        return pa.table(columns, schema=SIMILAR)

    def _with_exact_cosines(self, vectors: np.ndarray, neighbours: Neighbours) -> Neighbours:
        """Neighbours with cosines that are free of rounding in the vectors' lengths: an image and itself have 1."""
        lengths = np.linalg.norm(vectors, axis=1)
        cosines = np.full(neighbours.positions.shape, -np.inf, np.float32)
        batch = max(1, _MAX_PRODUCTS // self._criteria.top)
        for first in range(0, len(vectors), batch):
            row, column = np.nonzero(neighbours.positions[first : first + batch] >= 0)
            row += first
            others = self._index.vectors(neighbours.positions[row, column])
            products = np.einsum("nd,nd->n", vectors[row], others)
            cosines[row, column] = products / (lengths[row] * np.linalg.norm(others, axis=1)).clip(_TINY)
        order = np.argsort(-cosines, axis=1, kind="stable")
        return Neighbours(
            np.take_along_axis(neighbours.positions, order, axis=1), np.take_along_axis(cosines, order, axis=1)
        )

    def _coded(self, name: str, values: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Codes of a column's values, int64 [N]; -1 for null, and for a value that the index does not have."""
        codes = pc.index_in(values, value_set=self._values[name].cast(values.type))
        return np.asarray(codes.fill_null(-1).to_numpy(zero_copy_only=False), np.int64) if len(values) else _NONE


_NONE = np.zeros(0, np.int64)
