"""An index of image vectors on disk: which items look most like an image, by the cosine of their vectors.

It consists of segments that are never changed. What is added makes a new one, and an item that is there already counts
as replaced in the older. Files are memory-mapped, so that opening an index reads next to nothing.
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
_SPARE, _MOST = 8, 4096
_COMPARED, _COMPARED_AT_LEAST = 4, 32
_QUERIES_AT_ONCE = 64
_FLAGS = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY

Allowed = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Numbers of queries, int [M, 1], and of items, int [M, K], to which of the items each query may find, bool [M, K]."""


@dataclass(frozen=True)
class Neighbours:
    """What was found for N queries, the most similar first."""

    numbers: np.ndarray
    """Numbers of items, int64 [N, K]; -1 where there are fewer."""
    cosines: np.ndarray
    """float32 [N, K]; -inf where there are fewer."""


class Segment:
    """One segment of an index, opened.

    A small one compares a query with all of its vectors. In a large one they lie in clusters, in eight bits a number
    (faiss: Douze et al. 2024, arXiv:2401.08281); what is nearest in some clusters is compared again with all bits.
    """

    def __init__(self, folder: Path, about: IndexSegment, dimension: int) -> None:
        self.about = about
        own = folder / about.name
        try:
            self.items = pa.ipc.open_file(pa.memory_map(str(own / ITEMS))).read_all()
            self._vectors = np.memmap(own / VECTORS, np.float16, "r", shape=(about.items, dimension))
            self._layouts = np.memmap(own / LAYOUTS, np.float16, "r", shape=(about.items, LAYOUT_SIZE))
            self._clusters = faiss.read_index(str(own / CLUSTERS), _FLAGS) if about.lists > 1 else None
            self.replaced = np.load(folder / about.replaced) if about.replaced else np.zeros(0, np.int64)
        except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
            raise InputError(f"INDEX: {own} cannot be read: {first_line(error)}") from error

    @cached_property
    def living(self) -> np.ndarray:
        """Places of the items that no later segment has, int64 [N]."""
        return np.setdiff1d(np.arange(self.about.items), self.replaced)

    def search(self, queries: np.ndarray, count: int, probes: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The places [N, K] and cosines [N, K] of the items most similar to vectors float32 [N, D]; -1 for none.

        Args:
            queries: Of length 1.
            count: K, or fewer where there are not so many.
            probes: Clusters to look at, where that is not to be what the segment says.
        """
        if self._clusters is None:
            cosines, found = faiss.knn(queries, self._all, min(count, len(self._all)), faiss.METRIC_INNER_PRODUCT)
            return self.living[found], cosines
        candidates = min(max(_COMPARED * count, _COMPARED_AT_LEAST), len(self.living))
        _, places = self._clusters.search(queries, candidates, params=self._parameters(probes or self.about.probes))
        cosines = self._cosines(queries, places)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(places, order, axis=1), np.take_along_axis(cosines, order, axis=1)

    def vectors(self, places: np.ndarray) -> np.ndarray:
        """The vectors at places, float16 [N, D]."""
        return np.asarray(self._vectors[places])

    def layouts(self, places: np.ndarray) -> np.ndarray:
        """The layouts at places, float16 [N, 216]."""
        return np.asarray(self._layouts[places])

    @cached_property
    def _all(self) -> np.ndarray:
        return self.vectors(self.living).astype(np.float32)

    def _parameters(self, probes: int) -> faiss.SearchParameters:
        return faiss.SearchParametersIVF(nprobe=probes, sel=self._selector)  # type: ignore[call-arg]

    @cached_property
    def _selector(self) -> faiss.IDSelector | None:
        if not len(self.replaced):
            return None
        self._gone = faiss.IDSelectorBatch(self.replaced)  # the selector points to it
        return faiss.IDSelectorNot(self._gone)

    def _cosines(self, queries: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Cosines, float32 [N, K], of queries [N, D] with the vectors at places [N, K]; -inf where there is none."""
        found = np.empty(places.shape, np.float32)
        for first in range(0, len(queries), _QUERIES_AT_ONCE):
            part = slice(first, first + _QUERIES_AT_ONCE)
            vectors = self._vectors[places[part]].astype(np.float32)
            found[part] = (vectors @ queries[part, :, None])[:, :, 0]
        return np.where(places >= 0, found, -np.inf)


class VectorIndex:
    """An index, opened for searching; items are numbered over its segments.

    Args:
        folder: Where it lies, on a disk.

    Raises:
        UsageError: when nothing is there.
        InputError: when it is not an index, or not whole.
    """

    def __init__(self, folder: Location) -> None:
        card = read_card(folder)
        if card is None:
            if (folder / "run.json").exists():
                raise UsageError(f"INDEX: {folder} is a run; tagger index {folder} --out FOLDER makes an index of it")
            raise UsageError(f"INDEX: there is no index {folder}; tagger index RUN --out {folder} makes one")
        self.card = card
        self.segments = [Segment(Path(folder.path), about, card.dimension) for about in card.segments]
        sizes = [segment.about.items for segment in self.segments]
        self._first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._gone = np.concatenate(
            [np.zeros(0, np.int64), *(s.replaced + f for s, f in zip(self.segments, self._first, strict=False))]
        )

    def __len__(self) -> int:
        """Numbers that items have; those of replaced items are among them."""
        return int(self._first[-1])

    @cached_property
    def items(self) -> pa.Table:
        """The items by number: INDEXED, and the columns that were kept."""
        return pa.concat_tables([segment.items for segment in self.segments])

    @cached_property
    def is_there(self) -> np.ndarray:
        """Whether the item of a number can be found, rather than replaced, bool [N]."""
        there = np.ones(len(self), bool)
        there[self._gone] = False
        return there

    def numbers(self, ids: Sequence[str]) -> np.ndarray:
        """The numbers of items, int64 [N]; -1 for those that are not there."""
        found = np.full(len(ids), -1, np.int64)
        wanted = pa.array(ids, pa.string())
        for first, segment in zip(self._first, self.segments, strict=False):  # what is newer has the last word
            places = pc.index_in(wanted, value_set=segment.items["id"].combine_chunks())
            there = np.asarray(places.is_valid())
            found[there] = np.asarray(places.drop_null()) + first
        return found

    def vectors(self, numbers: np.ndarray) -> np.ndarray:
        """The vectors of items, float32 [N, D]."""
        found = np.zeros((len(numbers), self.card.dimension), np.float32)
        for segment, chosen, places in self._by_segment(numbers):
            found[chosen] = segment.vectors(places).astype(np.float32)
        return found

    def layouts(self, numbers: np.ndarray) -> np.ndarray:
        """The layouts of items, float16 [N, 216]."""
        found = np.zeros((len(numbers), LAYOUT_SIZE), np.float16)
        for segment, chosen, places in self._by_segment(numbers):
            found[chosen] = segment.layouts(places)
        return found

    def _by_segment(self, numbers: np.ndarray) -> Iterator[tuple[Segment, np.ndarray, np.ndarray]]:
        """The segments that have some of the items, which of the items those are, bool [N], and their places."""
        owner = np.searchsorted(self._first, numbers, side="right") - 1
        for number, segment in enumerate(self.segments):
            chosen = owner == number
            if chosen.any():
                yield segment, chosen, numbers[chosen] - self._first[number]

    def search(self, vectors: np.ndarray, count: int, allowed: Allowed | None = None) -> Neighbours:
        """Find the items most similar to images.

        Args:
            vectors: float32 [N, D], of length 1.
            count: How many items to find for each.
            allowed: Which items each query may find; without it, all. Those that find too few look further, up to
                4,096 items.
        """
        if allowed is None:
            return self._search(vectors, count)
        numbers = np.full((len(vectors), count), -1, np.int64)
        cosines = np.full((len(vectors), count), -np.inf, np.float32)
        queries, asked = np.arange(len(vectors)), count + _SPARE
        while len(queries):
            found = self._search(vectors[queries], asked)
            good = (found.numbers >= 0) & allowed(queries[:, None], found.numbers)
            order = np.argsort(~good, axis=1, kind="stable")[:, :count]
            kept = np.take_along_axis(good, order, axis=1)
            numbers[queries] = np.where(kept, np.take_along_axis(found.numbers, order, axis=1), -1)
            cosines[queries] = np.where(kept, np.take_along_axis(found.cosines, order, axis=1), -np.inf)
            if asked >= min(_MOST, len(self)):
                break
            queries, asked = queries[~kept.all(axis=1)], min(4 * asked, _MOST)
        return Neighbours(numbers, cosines)

    def _search(self, vectors: np.ndarray, count: int) -> Neighbours:
        wanted = np.ascontiguousarray(vectors, np.float32)
        parts = [segment.search(wanted, count) for segment in self.segments]
        numbers = np.concatenate(
            [np.where(p >= 0, p + f, -1) for (p, _), f in zip(parts, self._first, strict=False)], axis=1
        )
        cosines = np.where(numbers >= 0, np.concatenate([c for _, c in parts], axis=1), -np.inf)
        short = count - numbers.shape[1]
        if short > 0:
            numbers = np.pad(numbers, ((0, 0), (0, short)), constant_values=-1)
            cosines = np.pad(cosines, ((0, 0), (0, short)), constant_values=-np.inf)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return Neighbours(
            np.take_along_axis(numbers, order, axis=1), np.take_along_axis(cosines, order, axis=1).astype(np.float32)
        )


def read_card(folder: Location) -> IndexCard | None:
    """What an index says of itself; None where there is none. Raises UsageError and InputError."""
    if folder.is_s3:
        raise UsageError(f"INDEX: {folder} lies in a bucket; an index is memory-mapped, and lies on a disk")
    if not (folder / CARD).exists():
        return None
    try:
        return IndexCard.model_validate_json((folder / CARD).read_bytes())
    except ValidationError as error:
        raise InputError(f"INDEX: {folder / CARD} is not an index: {error.errors()[0]['msg']}") from error
