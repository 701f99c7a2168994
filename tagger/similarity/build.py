"""Builds an index of image vectors and appends to it. Pieces are streamed: memory does not grow with their number."""

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
_TRAINED_ON, _MAX_TRAINED_ON = 50, 100_000  # vectors per cluster, and in all
_QUERIES, _NEAREST, _RECALL = 400, 5, 0.995
_TOLERANCE = 1e-3
_MERGED_FROM = 8


@dataclass(frozen=True)
class Piece:
    """Some items and their vectors."""

    items: pa.Table
    """Columns of INDEXED, and the columns that are kept."""
    vectors: np.ndarray
    """float16 [N, D], of length 1."""
    layouts: np.ndarray
    """float16 [N, 216]."""


def add(folder: Location, card: IndexCard, pieces: Iterable[Piece]) -> IndexCard:
    """Add items to an index, one segment at a time; return its new card.

    The card is written after each segment, so that an interrupted build keeps what it has added. Small segments are
    merged when there are many of them.

    Args:
        folder: The index's folder, on a local disk.
        card: The index's card; an empty one where there is no index yet.
        pieces: The items; each id occurs once.

    Raises:
        InputError: when the vectors do not have the index's dimension.
    """
    root = Path(folder.path)
    remaining = iter(pieces)
    for first in remaining:
        card = _with_segment(root, card, chain([first], remaining), without=())
        _save(folder, card)
    live_segments = tuple(s for s in card.segments if _is_live(root, s))
    if len(live_segments) < len(card.segments):
        card = card.model_copy(update={"segments": live_segments})
        _save(folder, card)
    small = [segment for segment in card.segments if segment.lists == 1]
    if len(small) >= _MERGED_FROM:
        live_pieces = _live_pieces([Segment(root, s, card.dimension) for s in small])
        card = _with_segment(root, card, live_pieces, without=small)
        _save(folder, card)
    return card


def _with_segment(root: Path, card: IndexCard, pieces: Iterator[Piece], without: Sequence[IndexSegment]) -> IndexCard:
    """Write one more segment and return the card with it.

    Args:
        root: The index's folder.
        card: The index's card.
        pieces: At least one; as many are consumed as fit into a segment.
        without: Segments that the new one replaces.
    """
    sequence = max((int(s.name.rpartition("-")[2]) for s in card.segments), default=-1) + 1
    name = f"segment-{sequence:05d}"
    with tempfile.TemporaryDirectory(dir=root, prefix="_building-") as work:
        added = _build(Path(work), name, pieces, card.dimension)
        (Path(work) / name).rename(root / name)
    new_ids = Segment(root, added, card.dimension).items["id"].combine_chunks()
    older = [Segment(root, s, card.dimension) for s in card.segments if s not in without]
    segments = (*(_mark_replaced(root, sequence, segment, new_ids) for segment in older), added)
    replaced = sum(len(np.load(root / s.replaced)) for s in segments if s.replaced)
    return card.model_copy(update={"segments": segments, "items": sum(s.items for s in segments) - replaced})


def _build(root: Path, name: str, pieces: Iterator[Piece], dimension: int) -> IndexSegment:
    """Write one segment below a folder: first the vectors, then the clusters, which read them from the disk."""
    segment_folder = root / name
    segment_folder.mkdir()
    size = _write_pieces(segment_folder, pieces, dimension)
    segment = IndexSegment(name=name, items=size, lists=1 if size < _EXACT else int(_LISTS_PER_ROOT * size**0.5))
    if segment.lists == 1:
        return segment
    vectors = np.memmap(segment_folder / VECTORS, np.float16, "r", shape=(size, dimension))
    _cluster(vectors, segment.lists, segment_folder / CLUSTERS)
    return _with_fewest_probes(Segment(root, segment, dimension), vectors)


def _write_pieces(segment_folder: Path, pieces: Iterator[Piece], dimension: int) -> int:
    """Write vectors, layouts and items until a segment is full; return the number of items."""
    first = next(pieces)
    size = 0
    with (
        (segment_folder / VECTORS).open("wb") as vectors,
        (segment_folder / LAYOUTS).open("wb") as layouts,
        pa.OSFile(str(segment_folder / ITEMS), "wb") as sink,
        pa.ipc.new_file(sink, first.items.schema) as items,
    ):
        for piece in chain([first], pieces):
            width = piece.vectors.shape[1]
            if width != dimension:
                raise InputError(f"RUN: its vectors have {width} dimensions, those of the index {dimension}")
            vectors.write(np.ascontiguousarray(piece.vectors, np.float16).tobytes())
            layouts.write(np.ascontiguousarray(piece.layouts, np.float16).tobytes())
            items.write_table(piece.items.combine_chunks())
            size += len(piece.vectors)
            if size >= _SEGMENT:
                break
    return size


def _cluster(vectors: np.ndarray, lists: int, file: Path) -> None:
    """Write an inverted file of vectors float16 [N, D], quantised to eight bits per dimension."""
    size, dimension = vectors.shape
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
        False,  # quantise the vectors themselves, not their residuals from the centroid
    )
    sample = np.random.default_rng(0).permutation(size)[: min(_TRAINED_ON * lists, _MAX_TRAINED_ON)]
    index.cp.min_points_per_centroid = 1  # else it warns
    index.train(vectors[np.sort(sample)].astype(np.float32))
    for first in range(0, size, _EXACT):
        index.add(vectors[first : first + _EXACT].astype(np.float32))
    faiss.write_index(index, str(file))


def _with_fewest_probes(segment: Segment, vectors: np.ndarray) -> IndexSegment:
    """The segment's description, with the fewest probes that reach the recall that is required.

    A neighbour counts as a hit when it is as near as the true one: many items have the same image.
    """
    queries = vectors[np.random.default_rng(1).permutation(len(vectors))[:_QUERIES]].astype(np.float32)
    nearest = faiss.ResultHeap(len(queries), _NEAREST + 1, keep_max=True)
    for first in range(0, len(vectors), _EXACT):
        part = vectors[first : first + _EXACT].astype(np.float32)
        cosines, rows = faiss.knn(queries, part, min(_NEAREST + 1, len(part)), faiss.METRIC_INNER_PRODUCT)
        nearest.add_result(cosines, rows + first)
    nearest.finalize()
    needed = nearest.D[:, 1:] - _TOLERANCE  # without the query itself
    probes = 1
    while True:
        _, cosines_found = segment.search(queries, _NEAREST + 1, probes)
        recall = float((cosines_found[:, 1:] >= needed).mean())
        if recall >= _RECALL or probes >= segment.info.lists:
            return segment.info.model_copy(update={"probes": probes, "recall": recall})
        probes = min(probes + max(1, probes // 2), segment.info.lists)


def _replaced(segment: Segment, new_ids: pa.Array) -> np.ndarray:
    """Rows of a segment that are replaced once items with these ids are added, int64, sorted."""
    replaced_now = np.flatnonzero(np.asarray(pc.is_in(segment.items["id"].combine_chunks(), value_set=new_ids)))
    return np.union1d(segment.replaced, replaced_now)


def _is_live(root: Path, segment: IndexSegment) -> bool:
    """Whether a segment has items that no later segment replaces."""
    return segment.replaced is None or len(np.load(root / segment.replaced)) < segment.items


def _live_pieces(segments: Sequence[Segment]) -> Iterator[Piece]:
    for segment in segments:
        if len(segment.live_rows):
            rows = segment.live_rows
            yield Piece(segment.items.take(rows), segment.vectors(rows), segment.layouts(rows))


def _mark_replaced(root: Path, sequence: int, segment: Segment, new_ids: pa.Array) -> IndexSegment:
    """The description of an older segment after items were added; its replaced rows are written to a file."""
    replaced = _replaced(segment, new_ids)
    if len(replaced) == len(segment.replaced):
        return segment.info
    file = f"{segment.info.name}-replaced-{sequence:05d}.npy"
    np.save(root / file, replaced)
    return segment.info.model_copy(update={"replaced": file})


def _save(folder: Location, card: IndexCard) -> None:
    """Write the card, and delete segments that it does not name."""
    (folder / CARD).write_text(card.model_dump_json(by_alias=True, indent=2))
    named = {*(s.name for s in card.segments), *(s.replaced for s in card.segments)}
    for path in Path(folder.path).iterdir():
        if path.name not in named and path.name.startswith(("segment-", "_building-")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
