"""What is in a catalogue and what is wrong with it, in one pass over its rows and images."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pandas as pd

from schemas.bundle import Preprocessing
from tagger.catalog.drawing import hash_order
from tagger.catalog.manifest import Batch, Manifest
from tagger.catalog.stores import ImageStore, fetch_all, row_order
from tagger.errors import ImageError
from tagger.imaging.decode import decode, read_header

EXAMPLES = 20
_CHUNK_ROWS = 128
_PROBE = Preprocessing(height=64, width=64, fit="pad", resize="area")
_LABELS = ("masterCategory", "articleType")


@dataclass
class Census:
    """Counts over a catalogue."""

    rows: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    reject_examples: list[dict[str, object]] = field(default_factory=list)
    leaves: Counter[tuple[str, str]] = field(default_factory=Counter)
    partly_labelled: int = 0
    unlabelled: int = 0
    images_checked: int = 0
    image_errors: Counter[str] = field(default_factory=Counter)
    image_examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    formats: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def items(self) -> int:
        """Rows that could be read."""
        return self.rows - sum(self.rejects.values())

    @property
    def images_usable(self) -> int:
        """Images that were looked at and can be tagged."""
        return self.images_checked - sum(self.image_errors.values())

    def small_leaves(self, min_items: int) -> list[tuple[tuple[str, str], int]]:
        """Leaves with fewer items than training takes, smallest last."""
        return [(leaf, n) for leaf, n in self.leaves.most_common() if n < min_items]

    def ambiguous_types(self) -> dict[str, dict[str, int]]:
        """Article types that stand under more than one master category, with the items under each."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for (master, article), n in self.leaves.most_common():
            found[article][master] = n
        return {article: masters for article, masters in sorted(found.items()) if len(masters) > 1}

    def size_quantiles(self) -> dict[str, tuple[int, int]]:
        """Width and height (pixels) of the smallest, the median and the largest image, by area."""
        if not self.sizes:
            return {}
        table = pd.DataFrame([(w * h, w, h, n) for (w, h), n in self.sizes.items()], columns=["area", "w", "h", "n"])
        table = table.sort_values("area")
        reached = table["n"].cumsum() / table["n"].sum()
        rows = {"smallest": 0, "median": int(np.searchsorted(reached, 0.5)), "largest": len(table) - 1}
        return {name: (int(table["w"].iloc[i]), int(table["h"].iloc[i])) for name, i in rows.items()}


def take_census(
    manifest: Manifest,
    store: ImageStore,
    merge: Mapping[str, str],
    max_pixels: int,
    sample: int,
    seed: int,
    watch: Callable[[Census], None],
) -> Census:
    """Read all rows, and look at all images or at a sample.

    Args:
        manifest: The rows.
        store: Their images.
        merge: Master categories to count as another.
        max_pixels: Larger images are errors.
        sample: Number of images to look at, those with the smallest hash of id; 0 looks at all.
        seed: Of the hash.
        watch: Called after every batch.
    """
    census = Census()
    drawn: list[tuple[int, str, str | None]] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for batch in manifest.batches():
            _count_rows(census, manifest, batch, merge)
            ids = batch.items["id"].to_pylist()
            refs = store.locate(batch)
            if sample:
                hashes = hash_order(ids, seed).tolist() if ids else []
                drawn = sorted([*drawn, *zip(hashes, ids, refs, strict=True)], key=lambda d: d[0])[:sample]
            else:
                _look(census, store, ids, refs, max_pixels, pool)
            watch(census)
        if drawn:
            _look(census, store, [d[1] for d in drawn], [d[2] for d in drawn], max_pixels, pool)
            watch(census)
    return census


def _count_rows(census: Census, manifest: Manifest, batch: Batch, merge: Mapping[str, str]) -> None:
    census.rows = manifest.tally.rows
    census.repairs, census.rejects = manifest.tally.repairs, manifest.tally.rejects
    room = EXAMPLES - len(census.reject_examples)
    census.reject_examples += batch.rejects.slice(0, room).to_pylist() if room else []
    names = batch.items.schema.names
    none = [None] * len(batch.items)
    masters, articles = (batch.items[c].to_pylist() if c in names else none for c in _LABELS)
    for master, article in zip(masters, articles, strict=True):
        if master and article:
            census.leaves[merge.get(master, master), article] += 1
        elif master or article:
            census.partly_labelled += 1
        else:
            census.unlabelled += 1


def _look(
    census: Census,
    store: ImageStore,
    ids: Sequence[str],
    refs: Sequence[str | None],
    max_pixels: int,
    pool: ThreadPoolExecutor,
) -> None:
    def check(data: bytes | ImageError) -> tuple[str, int, int] | ImageError:
        try:
            if isinstance(data, ImageError):
                return data
            header = read_header(data)
            decode(data, _PROBE, max_pixels)
        except ImageError as error:
            return error
        return header.format, header.width, header.height

    order = iter(row_order(store, refs).tolist())
    while chunk := list(islice(order, _CHUNK_ROWS)):
        for position, found in zip(chunk, pool.map(check, fetch_all(store, [refs[i] for i in chunk])), strict=True):
            census.images_checked += 1
            if isinstance(found, ImageError):
                census.image_errors[found.code] += 1
                examples = census.image_examples[found.code]
                if len(examples) < EXAMPLES:
                    examples.append(ids[position])
            else:
                census.formats[found[0]] += 1
                census.sizes[found[1], found[2]] += 1
