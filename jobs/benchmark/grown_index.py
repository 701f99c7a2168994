"""A script that builds or searches an index grown to a size with noisy copies of another index's vectors.

It runs in its own process, so that its memory can be measured, and prints the results as JSON.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import faiss
import numpy as np
import pyarrow as pa

from tagger.io.location import Location
from tagger.schemas.documents.index import INDEXED
from tagger.similarity.build import Piece, add
from tagger.similarity.index import VectorIndex

COSINE = 0.9
"""Cosine of a noisy copy and its original."""
TOP = 5
_PIECE, _BLOCK = 10_000, 20_000
_QUERIES, _AT_ONCE, _ALONE, _ROUNDS = 4096, 256, 200, 3
_CHECKED = 400
_STATUS = Path("/proc/self/status")


def noisy(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Copies of vectors float32 [N, D] of length 1, rotated in a random direction."""
    noise = rng.standard_normal(vectors.shape, np.float32)
    noise -= (noise * vectors).sum(axis=1, keepdims=True) * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    noisy_vectors: np.ndarray = COSINE * vectors + np.float32((1 - COSINE**2) ** 0.5) * noise
    return noisy_vectors


def build(source: VectorIndex, size: int, out: Path) -> dict[str, float]:
    """Build an index of `size` vectors; then add some more to it, without rebuilding it."""
    out.mkdir()
    card = source.card.model_copy(update={"segments": (), "items": 0, "keep": ()})
    started = time.perf_counter()
    card = add(Location(str(out)), card, _pieces(source, 0, size))
    built = time.perf_counter() - started
    more = max(1, size // 100)
    started = time.perf_counter()
    card = add(Location(str(out)), card, _pieces(source, size, size + more))
    grown = time.perf_counter() - started
    files = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return {"vectors": size, "buildSeconds": built, "added": more, "addSeconds": grown, "fileBytes": files, **_memory()}


def search(source: VectorIndex, grown: VectorIndex) -> dict[str, float]:
    """Search the five nearest of new vectors, in batches, one by one, and exhaustively."""
    rng = np.random.default_rng(1)
    living = np.flatnonzero(source.is_live)
    queries = noisy(source.vectors(rng.choice(living, _QUERIES)), rng)
    positions = np.concatenate([grown.search(part, TOP).positions for part in _parts(queries)])  # loads the files, too
    rates = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for part in _parts(queries):
            grown.search(part, TOP)
        rates.append(len(queries) / (time.perf_counter() - started))
    started = time.perf_counter()
    for n in range(_ALONE):
        grown.search(queries[n : n + 1], TOP)
    alone = (time.perf_counter() - started) / _ALONE
    memory = _memory()
    nearest = _nearest(grown, queries[:_CHECKED])
    hits = [
        len({*approximate} & {*exact})
        for approximate, exact in zip(positions[:_CHECKED].tolist(), nearest.tolist(), strict=True)
    ]
    return {
        "queriesPerSecond": median(rates),
        "aloneMilliseconds": 1000 * alone,
        "recall": sum(hits) / nearest.size,
        "threads": faiss.omp_get_max_threads(),
        **memory,
    }


def _parts(queries: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(queries), _AT_ONCE):
        yield queries[first : first + _AT_ONCE]


def _nearest(grown: VectorIndex, queries: np.ndarray) -> np.ndarray:
    """The nearest of all vectors, by exhaustive search, int64 [N, TOP]."""
    heap = faiss.ResultHeap(len(queries), TOP, keep_max=True)
    for first in range(0, len(grown), _BLOCK):
        block = np.arange(first, min(first + _BLOCK, len(grown)))
        cosines, places = faiss.knn(queries, grown.vectors(block), TOP, faiss.METRIC_INNER_PRODUCT)
        heap.add_result(cosines, places + first)
    heap.finalize()
    nearest: np.ndarray = heap.I
    return nearest


def _pieces(source: VectorIndex, start: int, stop: int) -> Iterator[Piece]:
    living = np.flatnonzero(source.is_live)
    for first in range(start, stop, _PIECE):
        positions = np.arange(first, min(first + _PIECE, stop))
        origins = living[positions % len(living)]
        vectors = noisy(source.vectors(origins), np.random.default_rng(first + 2)).astype(np.float16)
        items = source.items.select(INDEXED.names).take(pa.array(origins))
        ids = pa.array([f"item-{n}" for n in positions], pa.string())
        yield Piece(items.set_column(0, INDEXED.field("id"), ids), vectors, source.layouts(origins))


def _memory() -> dict[str, float]:
    """Peak memory of this process with mapped files, and its current anonymous memory, bytes; 0 if unknown."""
    try:
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    except OSError:
        return {"peakBytes": 0, "ownBytes": 0}
    peak, anonymous = (1024 * int(lines[name].split()[0]) for name in ("VmHWM", "RssAnon"))
    return {"peakBytes": peak, "ownBytes": anonymous}


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["build", "search"])
    parser.add_argument("--index", required=True)
    parser.add_argument("--grown", required=True)
    parser.add_argument("--size", type=int, default=0)
    given = parser.parse_args()
    source = VectorIndex(Location(given.index))
    if given.what == "build":
        result = build(source, given.size, Path(given.grown))
    else:
        result = search(source, VectorIndex(Location(given.grown)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
