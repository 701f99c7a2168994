"""Makes an index of image vectors, and adds to one, in a stream: memory does not grow with the number of vectors."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.schemas.documents.index import IndexCard, IndexSegment
from tagger.similarity.index import CARD, CLUSTERS, ITEMS, LAYOUTS, VECTORS, Segment

_SEGMENT = 1_000_000
_EXACT = 10_000
_LISTS_PER_ROOT = 4
_TRAINED_ON, _TRAINED_ON_AT_MOST = 50, 100_000  # vectors a cluster, and in all
_QUERIES, _NEAREST, _RECALL = 400, 5, 0.995
_AS_NEAR = 1e-3
_MERGED_FROM = 8


@dataclass(frozen=True)
class Piece:
    """Some items and their vectors."""

    items: pa.Table
    """By INDEXED, and the columns that are kept."""
    vectors: np.ndarray
    """float16 [N, D], of length 1."""
    layouts: np.ndarray
    """float16 [N, 216]."""


def add(folder: Location, card: IndexCard, pieces: Iterable[Piece]) -> IndexCard:
    """Add items to an index, a segment at a time; return its new card.

    The card is written after each segment, so that whoever is stopped has what was added until then. Small segments
    are merged when there are many of them.

    Args:
        folder: Where it lies.
        card: Its card; that of an empty one where there is no index yet.
        pieces: The items; ids occur once.

    Raises:
        InputError: when the vectors have not the index's dimension.
    """
    root = Path(folder.path)
    coming = iter(pieces)
    for first in coming:
        card = _with(root, card, chain([first], coming), without=())
        _save(folder, card)
    living_segments = tuple(s for s in card.segments if _lives(root, s))
    if len(living_segments) < len(card.segments):
        card = card.model_copy(update={"segments": living_segments})
        _save(folder, card)
    small = [about for about in card.segments if about.lists == 1]
    if len(small) >= _MERGED_FROM:
        living = _living([Segment(root, s, card.dimension) for s in small])
        card = _with(root, card, living, without=small)
        _save(folder, card)
    return card


def _with(root: Path, card: IndexCard, pieces: Iterator[Piece], without: Sequence[IndexSegment]) -> IndexCard:
    """The card of the index with one more segment, which is written, and without some older ones.

    Args:
        root: Where the index lies.
        card: What it has.
        pieces: At least one; so many are taken as a segment holds.
        without: Segments that the new one stands for.
    """
    number = max((int(s.name.rpartition("-")[2]) for s in card.segments), default=-1) + 1
    name = f"segment-{number:05d}"
    with tempfile.TemporaryDirectory(dir=root, prefix="_building-") as work:
        found = _build(Path(work), name, pieces, card.dimension)
        (Path(work) / name).rename(root / name)
    new_ids = Segment(root, found, card.dimension).items["id"].combine_chunks()
    older = [Segment(root, s, card.dimension) for s in card.segments if s not in without]
    segments = (*(_mark(root, number, segment, new_ids) for segment in older), found)
    gone = sum(len(np.load(root / s.replaced)) for s in segments if s.replaced)
    return card.model_copy(update={"segments": segments, "items": sum(s.items for s in segments) - gone})


def _build(root: Path, name: str, pieces: Iterator[Piece], dimension: int) -> IndexSegment:
    """Write one segment below a folder: first to disk, then from there into clusters."""
    place = root / name
    place.mkdir()
    size = _put_down(place, pieces, dimension)
    about = IndexSegment(name=name, items=size, lists=1 if size < _EXACT else int(_LISTS_PER_ROOT * size**0.5))
    if about.lists == 1:
        return about
    vectors = np.memmap(place / VECTORS, np.float16, "r", shape=(size, dimension))
    _cluster(vectors, about.lists, place / CLUSTERS)
    return _with_fewest_probes(Segment(root, about, dimension), vectors)


def _put_down(place: Path, pieces: Iterator[Piece], dimension: int) -> int:
    """Write vectors, layouts and items; return how many there are."""
    first = next(pieces)
    size = 0
    with (
        (place / VECTORS).open("wb") as vectors,
        (place / LAYOUTS).open("wb") as layouts,
        pa.OSFile(str(place / ITEMS), "wb") as sink,
        pa.ipc.new_file(sink, first.items.schema) as items,
    ):
        for piece in chain([first], pieces):
            own = piece.vectors.shape[1]
            if own != dimension:
                raise InputError(f"RUN: its vectors have {own} numbers, those of the index {dimension}")
            vectors.write(np.ascontiguousarray(piece.vectors, np.float16).tobytes())
            layouts.write(np.ascontiguousarray(piece.layouts, np.float16).tobytes())
            items.write_table(piece.items.combine_chunks())
            size += len(piece.vectors)
            if size >= _SEGMENT:
                break
    return size


def _cluster(vectors: np.ndarray, lists: int, file: Path) -> None:
    """Write the clusters of vectors float16 [N, D], with eight bits a number."""
    size, dimension = vectors.shape
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
        False,  # the numbers themselves, not what is left of them when a cluster's mean is taken away
    )
    sample = np.random.default_rng(0).permutation(size)[: min(_TRAINED_ON * lists, _TRAINED_ON_AT_MOST)]
    index.cp.min_points_per_centroid = 1  # else it warns
    index.train(vectors[np.sort(sample)].astype(np.float32))
    for first in range(0, size, _EXACT):
        index.add(vectors[first : first + _EXACT].astype(np.float32))
    faiss.write_index(index, str(file))


def _with_fewest_probes(segment: Segment, vectors: np.ndarray) -> IndexSegment:
    """What a segment says of itself, with the fewest clusters to look at for the recall that is wanted.

    What is found counts where it is as near as what should have been: many items have the same image.
    """
    queries = vectors[np.random.default_rng(1).permutation(len(vectors))[:_QUERIES]].astype(np.float32)
    nearest = faiss.ResultHeap(len(queries), _NEAREST + 1, keep_max=True)
    for first in range(0, len(vectors), _EXACT):
        part = vectors[first : first + _EXACT].astype(np.float32)
        cosines, places = faiss.knn(queries, part, min(_NEAREST + 1, len(part)), faiss.METRIC_INNER_PRODUCT)
        nearest.add_result(cosines, places + first)
    nearest.finalize()
    needed = nearest.D[:, 1:] - _AS_NEAR  # without the query itself
    probes = 1
    while True:
        _, found = segment.search(queries, _NEAREST + 1, probes)
        recall = float((found[:, 1:] >= needed).mean())
        if recall >= _RECALL or probes >= segment.about.lists:
            return segment.about.model_copy(update={"probes": probes, "recall": recall})
        probes = min(probes + max(1, probes // 2), segment.about.lists)


def _replaced(segment: Segment, new_ids: pa.Array) -> np.ndarray:
    """Places in a segment that cannot be found once other items are there, int64, sorted."""
    now = np.flatnonzero(np.asarray(pc.is_in(segment.items["id"].combine_chunks(), value_set=new_ids)))
    return np.union1d(segment.replaced, now)


def _lives(root: Path, about: IndexSegment) -> bool:
    """Whether a segment has items that no later one has."""
    return about.replaced is None or len(np.load(root / about.replaced)) < about.items


def _living(segments: Sequence[Segment]) -> Iterator[Piece]:
    for segment in segments:
        if len(segment.living):
            there = segment.living
            yield Piece(segment.items.take(there), segment.vectors(there), segment.layouts(there))


def _mark(root: Path, number: int, segment: Segment, new_ids: pa.Array) -> IndexSegment:
    """What is to be said of an older segment, of which some items are replaced."""
    gone = _replaced(segment, new_ids)
    if len(gone) == len(segment.replaced):
        return segment.about
    file = f"{segment.about.name}-replaced-{number:05d}.npy"
    np.save(root / file, gone)
    return segment.about.model_copy(update={"replaced": file})


def _save(folder: Location, card: IndexCard) -> None:
    """Write the card, and delete what it does not name."""
    (folder / CARD).write_text(card.model_dump_json(by_alias=True, indent=2))
    named = {*(s.name for s in card.segments), *(s.replaced for s in card.segments)}
    for path in Path(folder.path).iterdir():
        if path.name not in named and path.name.startswith(("segment-", "_building-")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
