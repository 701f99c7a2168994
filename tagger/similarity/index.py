"""An index of image vectors on disk: it finds the items nearest to an image, by the cosine of their vectors.

It consists of immutable segments. Added items make a new segment; an item that an older segment has already is marked
as replaced there. Files are memory-mapped, so that opening an index reads next to nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from tagger.errors import InputError, UsageError
from tagger.imaging.layout import LAYOUT_SIZE
from tagger.io.location import Location, first_line
from tagger.schemas.documents.index import IndexCard, IndexSegment

CARD, CLUSTERS, VECTORS = "index.json", "clusters.faiss", "vectors.f16"
LAYOUTS, ITEMS = "layouts.f16", "items.arrow"
_SPARE, _MAX_DEPTH = 8, 4096
_RERANKED, _MIN_RERANKED = 4, 32
_QUERY_BATCH = 64
_FLAGS = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY

Allowed = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A filter: rows of queries, int [M, 1], and positions of items, int [M, K], to whether a query may find the item, bool
[M, K]."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest items of N queries, the most similar first."""

    positions: np.ndarray
    """Positions of the items in the index, int64 [N, K]; -1 where there are fewer."""
    cosines: np.ndarray
    """float32 [N, K]; -inf where there are fewer."""


class Segment:
    """One segment of an index, opened.

    A small segment compares a query with all of its vectors. A large one is an inverted file of quantised vectors
    (faiss: Douze et al. 2024, arXiv:2401.08281); the nearest candidates are ranked again with their exact vectors.
    """

    def __init__(self, folder: Path, info: IndexSegment, dimension: int) -> None:
        self.info = info
        path = folder / info.name
        try:
            self.items = pa.ipc.open_file(pa.memory_map(str(path / ITEMS))).read_all()
            self._vectors = np.memmap(path / VECTORS, np.float16, "r", shape=(info.items, dimension))
            self._layouts = np.memmap(path / LAYOUTS, np.float16, "r", shape=(info.items, LAYOUT_SIZE))
            self._clusters = faiss.read_index(str(path / CLUSTERS), _FLAGS) if info.lists > 1 else None
            self.replaced = np.load(folder / info.replaced) if info.replaced else np.zeros(0, np.int64)
        except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
            raise InputError(f"INDEX: {path} cannot be read: {first_line(error)}") from error

    @cached_property
    def live_rows(self) -> np.ndarray:
        """Rows of the items that no later segment has, int64 [N]."""
        return np.setdiff1d(np.arange(self.info.items), self.replaced)

    def search(self, queries: np.ndarray, count: int, probes: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The rows [N, K] and cosines [N, K] of the nearest items, the nearest first; row -1 for none.

        Args:
            queries: float32 [N, D], of length 1.
            count: K; fewer where the segment has fewer items.
            probes: Clusters to look at; 0 for as many as the segment's description says.
        """
        if self._clusters is None:
            cosines, rows_found = faiss.knn(queries, self._all, min(count, len(self._all)), faiss.METRIC_INNER_PRODUCT)
            return self.live_rows[rows_found], cosines
        candidates = min(max(_RERANKED * count, _MIN_RERANKED), len(self.live_rows))
        _, rows = self._clusters.search(queries, candidates, params=self._parameters(probes or self.info.probes))
        cosines = self._cosines(queries, rows)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(rows, order, axis=1), np.take_along_axis(cosines, order, axis=1)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of rows, float16 [N, D]."""
        return np.asarray(self._vectors[rows])

    def layouts(self, rows: np.ndarray) -> np.ndarray:
        """The layouts of rows, float16 [N, 216]."""
        return np.asarray(self._layouts[rows])

    @cached_property
    def _all(self) -> np.ndarray:
        return self.vectors(self.live_rows).astype(np.float32)

    def _parameters(self, probes: int) -> faiss.SearchParameters:
        return faiss.SearchParametersIVF(nprobe=probes, sel=self._selector)  # type: ignore[call-arg]

    @cached_property
    def _selector(self) -> faiss.IDSelector | None:
        if not len(self.replaced):
            return None
        self._excluded = faiss.IDSelectorBatch(self.replaced)  # the selector points to it
        return faiss.IDSelectorNot(self._excluded)

    def _cosines(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Cosines, float32 [N, K], of queries [N, D] with the vectors of rows [N, K]; -inf where the row is -1."""
        cosines = np.empty(rows.shape, np.float32)
        for first in range(0, len(queries), _QUERY_BATCH):
            part = slice(first, first + _QUERY_BATCH)
            vectors = self._vectors[rows[part]].astype(np.float32)
            cosines[part] = (vectors @ queries[part, :, None])[:, :, 0]
        return np.where(rows >= 0, cosines, -np.inf)


class VectorIndex:
    """An index, opened for searching. An item's position counts through all segments.

    Args:
        folder: The index's folder, on a local disk.

    Raises:
        UsageError: when there is no index.
        InputError: when it is not an index, or is damaged.
    """

    def __init__(self, folder: Location) -> None:
        card = read_card(folder)
        if card is None:
            if (folder / "run.json").exists():
                raise UsageError(f"INDEX: {folder} is a run; tagger index {folder} --out FOLDER makes an index of it")
            raise UsageError(f"INDEX: there is no index {folder}; tagger index RUN --out {folder} makes one")
        self.card = card
        self.segments = [Segment(Path(folder.path), info, card.dimension) for info in card.segments]
        sizes = [segment.info.items for segment in self.segments]
        self._offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._replaced = np.concatenate(
            [np.zeros(0, np.int64), *(s.replaced + f for s, f in zip(self.segments, self._offsets, strict=False))]
        )

    def __len__(self) -> int:
        """The number of positions, replaced items included."""
        return int(self._offsets[-1])

    @cached_property
    def items(self) -> pa.Table:
        """The items by position: the columns of INDEXED, and those that were kept."""
        return pa.concat_tables([segment.items for segment in self.segments])

    @cached_property
    def is_live(self) -> np.ndarray:
        """Whether the item at each position can be found, as no later one replaces it, bool [N]."""
        is_live = np.ones(len(self), bool)
        is_live[self._replaced] = False
        return is_live

    def positions(self, ids: Sequence[str]) -> np.ndarray:
        """The positions of items by their ids, int64 [N]; -1 for those that the index lacks."""
        positions = np.full(len(ids), -1, np.int64)
        id_array = pa.array(ids, pa.string())
        for first, segment in zip(self._offsets, self.segments, strict=False):  # later segments win
            rows = pc.index_in(id_array, value_set=segment.items["id"].combine_chunks())
            is_present = np.asarray(rows.is_valid())
            positions[is_present] = np.asarray(rows.drop_null()) + first
        return positions

    def vectors(self, positions: np.ndarray) -> np.ndarray:
        """The vectors of items by position, float32 [N, D]."""
        vectors = np.zeros((len(positions), self.card.dimension), np.float32)
        for segment, chosen, rows in self._by_segment(positions):
            vectors[chosen] = segment.vectors(rows).astype(np.float32)
        return vectors

    def layouts(self, positions: np.ndarray) -> np.ndarray:
        """The layouts of items by position, float16 [N, 216]."""
        layouts = np.zeros((len(positions), LAYOUT_SIZE), np.float16)
        for segment, chosen, rows in self._by_segment(positions):
            layouts[chosen] = segment.layouts(rows)
        return layouts

    def _by_segment(self, positions: np.ndarray) -> Iterator[tuple[Segment, np.ndarray, np.ndarray]]:
        """Each segment that has some of the items, with which items those are, bool [N], and their rows in it."""
        segment_of = np.searchsorted(self._offsets, positions, side="right") - 1
        for n, segment in enumerate(self.segments):
            chosen = segment_of == n
            if chosen.any():
                yield segment, chosen, positions[chosen] - self._offsets[n]

    def search(self, vectors: np.ndarray, count: int, allowed: Allowed | None = None) -> Neighbours:
        """Find the items most similar to images.

        Args:
            vectors: float32 [N, D], of length 1.
            count: How many items to find for each image.
            allowed: Which items each query may find; all without it. A query that finds too few is searched again
                deeper, up to 4,096 items.
        """
        if allowed is None:
            return self._search(vectors, count)
        positions = np.full((len(vectors), count), -1, np.int64)
        cosines = np.full((len(vectors), count), -np.inf, np.float32)
        queries, depth = np.arange(len(vectors)), count + _SPARE
        while len(queries):
            neighbours = self._search(vectors[queries], depth)
            is_allowed = (neighbours.positions >= 0) & allowed(queries[:, None], neighbours.positions)
            order = np.argsort(~is_allowed, axis=1, kind="stable")[:, :count]
            is_filled = np.take_along_axis(is_allowed, order, axis=1)
            positions[queries] = np.where(is_filled, np.take_along_axis(neighbours.positions, order, axis=1), -1)
            cosines[queries] = np.where(is_filled, np.take_along_axis(neighbours.cosines, order, axis=1), -np.inf)
            if depth >= min(_MAX_DEPTH, len(self)):
                break
            queries, depth = queries[~is_filled.all(axis=1)], min(4 * depth, _MAX_DEPTH)
        return Neighbours(positions, cosines)

    def _search(self, vectors: np.ndarray, count: int) -> Neighbours:
        queries = np.ascontiguousarray(vectors, np.float32)
        parts = [segment.search(queries, count) for segment in self.segments]
        positions = np.concatenate(
            [np.where(p >= 0, p + f, -1) for (p, _), f in zip(parts, self._offsets, strict=False)], axis=1
        )
        cosines = np.where(positions >= 0, np.concatenate([c for _, c in parts], axis=1), -np.inf)
        missing = count - positions.shape[1]
        if missing > 0:
            positions = np.pad(positions, ((0, 0), (0, missing)), constant_values=-1)
            cosines = np.pad(cosines, ((0, 0), (0, missing)), constant_values=-np.inf)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return Neighbours(
            np.take_along_axis(positions, order, axis=1), np.take_along_axis(cosines, order, axis=1).astype(np.float32)
        )


def read_card(folder: Location) -> IndexCard | None:
    """An index's card; None where there is no index. Raises UsageError and InputError."""
    if folder.is_s3:
        raise UsageError(f"INDEX: {folder} is in a bucket; an index is memory-mapped, and must be on a disk")
    if not (folder / CARD).exists():
        return None
    try:
        return IndexCard.model_validate_json((folder / CARD).read_bytes())
    except ValidationError as error:
        raise InputError(f"INDEX: {folder / CARD} is not an index: {error.errors()[0]['msg']}") from error
