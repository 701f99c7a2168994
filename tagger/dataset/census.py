"""Counts of a catalogue's content and faults, from one pass over its rows and images."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.dataset.label_words import TextColumns
from tagger.dataset.value_columns import ValueColumns
from tagger.errors import ImageError
from tagger.flow.hash_order import hash_order
from tagger.images.failed import FailedImages
from tagger.images.patterns import text_column
from tagger.images.several import locate_all
from tagger.images.stores import ImageStore, fetch_all, row_order
from tagger.imaging.decode import decode, read_header
from tagger.machine import usable_cores
from tagger.manifest.batch import Batch
from tagger.manifest.labels import LabelTally
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.manifest.selection import tagged
from tagger.manifest.spelling import look_alike, variants
from tagger.runs.staging import passthrough
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import ErrorCode

EXAMPLES = 20
_MAX_ABSENT = 200
_CHUNK_ROWS = 128
_DIGEST_LETTERS = 16
_PROBE = Preprocessing(height=64, width=64, fit="pad", resize="area")


@dataclass
class Census:
    """Counts over a catalogue."""

    rows: int = 0
    further: int = 0
    """Rows of items after the first of each."""
    repairs: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    reject_examples: list[dict[str, object]] = field(default_factory=list)
    cells: LabelTally = field(default_factory=LabelTally)
    """Cells without a value, and labels that were corrected on reading."""
    labels: dict[Level, Counter[str]] = field(default_factory=lambda: {level: Counter() for level in Level})
    """Items by label, also those with only one of the two labels."""
    leaves: Counter[tuple[str, str]] = field(default_factory=Counter)
    partly_labelled: int = 0
    unlabelled: int = 0
    labelled: list[pa.Table] = field(default_factory=list)
    """The items with both labels: id, labels, the columns to keep, and digest (text) where all images are checked."""
    texts: TextColumns = field(default_factory=TextColumns)
    values: ValueColumns = field(default_factory=lambda: ValueColumns(NoValue()))
    with_several: int = 0
    """Items with several images."""
    images_checked: int = 0
    failed: FailedImages = field(default_factory=FailedImages)
    failed_ids: set[str] = field(default_factory=set)
    """Items of whose images none can be used."""
    absent: list[str] = field(default_factory=list)
    """The first references that the store lacks."""
    formats: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def items(self) -> int:
        """Items that could be read."""
        return self.rows - self.further - sum(self.rejects.values())

    @property
    def images_usable(self) -> int:
        """Checked images that can be tagged."""
        return self.images_checked - sum(self.failed.counts.values())

    def small_leaves(self, min_items: int) -> list[tuple[tuple[str, str], int]]:
        """Leaves with fewer items than training needs, smallest last."""
        return [(leaf, n) for leaf, n in self.leaves.most_common() if n < min_items]

    def ambiguous_types(self) -> dict[str, dict[str, int]]:
        """Article types under more than one master category, with the items under each."""
        masters_of: dict[str, dict[str, int]] = defaultdict(dict)
        for (master, article), n in self.leaves.most_common():
            masters_of[article][master] = n
        return {article: masters for article, masters in sorted(masters_of.items()) if len(masters) > 1}

    def spelling_variants(self) -> dict[Level, list[dict[str, int]]]:
        """Labels that differ in case, spaces, invisible characters or Unicode form alone, with their items."""
        return {level: variants(counts) for level, counts in self.labels.items()}

    def look_alikes(self) -> dict[Level, list[dict[str, int]]]:
        """Labels that differ also in hyphens, punctuation or accents, with their items."""
        spelt = self.spelling_variants()
        return {
            level: [g for g in variants(self.labels[level], look_alike) if g not in spelt[level]] for level in Level
        }

    def size_quantiles(self) -> dict[str, tuple[int, int]]:
        """Width and height (pixels) of the smallest, the median and the largest image, by area."""
        if not self.sizes:
            return {}
        table = pd.DataFrame([(w * h, w, h, n) for (w, h), n in self.sizes.items()], columns=["area", "w", "h", "n"])
        table = table.sort_values("area")
        cumulative = table["n"].cumsum() / table["n"].sum()
        rows = {"smallest": 0, "median": int(np.searchsorted(cumulative, 0.5)), "largest": len(table) - 1}
        return {name: (int(table["w"].iloc[i]), int(table["h"].iloc[i])) for name, i in rows.items()}


@dataclass(frozen=True)
class ImageChecks:
    """Which images a census checks, and their limit.

    Args:
        max_pixels: Larger images are errors.
        sample: Number of images to check, those with the smallest hash of id; 0 checks all.
        seed: Of the hash.
    """

    max_pixels: int
    sample: int = 0
    seed: int = 0


def take_census(
    manifest: Manifest,
    store: ImageStore,
    merge: Mapping[str, str],
    checks: ImageChecks,
    keep: Sequence[str],
    watch: Callable[[Census], None],
) -> Census:
    """Read all rows, and check all images or a sample.

    Args:
        manifest: The rows.
        store: Their images.
        merge: Master categories to count as another.
        checks: Which images to check.
        keep: Further columns of the manifest for `labelled`.
        watch: Called after every batch.
    """
    census = Census(values=ValueColumns(manifest.no_value))
    drawn: list[tuple[int, str, list[str | None]]] = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        checker = _ImageChecker(census, store, checks.max_pixels, pool)
        for batch in manifest.batches():
            _count_rows(census, manifest, batch, merge)
            ids = batch.items["id"].to_pylist()
            images: list[list[str | None]] = [[*refs] or [None] for refs in locate_all(store, batch)]
            census.with_several += sum(len(refs) > 1 for refs in images)
            digests = None
            if checks.sample:
                hashes = hash_order(ids, checks.seed).tolist() if ids else []
                drawn = sorted([*drawn, *zip(hashes, ids, images, strict=True)], key=lambda d: d[0])[: checks.sample]
            else:
                digests = checker.check(ids, images)
            census.labelled.append(_labelled(batch, keep, digests))
            watch(census)
        if drawn:
            checker.check([d[1] for d in drawn], [d[2] for d in drawn])
            watch(census)
    return census


def _count_rows(census: Census, manifest: Manifest, batch: Batch, merge: Mapping[str, str]) -> None:
    census.rows, census.cells = manifest.tally.rows, manifest.tally.labels
    census.further = manifest.tally.further
    census.repairs, census.rejects = manifest.tally.repairs, manifest.tally.rejects
    room = EXAMPLES - len(census.reject_examples)
    census.reject_examples += batch.rejects.slice(0, room).to_pylist() if room else []
    names = batch.items.schema.names
    nulls = [None] * len(batch.items)
    columns = [batch.items[str(level)].to_pylist() if str(level) in names else nulls for level in Level]
    for (master, article), count in Counter(zip(*columns, strict=True)).items():
        if master:
            census.labels[Level.MASTER_CATEGORY][master] += count
        if article:
            census.labels[Level.ARTICLE_TYPE][article] += count
        if master and article:
            census.leaves[merge.get(master, master), article] += count
        elif master or article:
            census.partly_labelled += count
        else:
            census.unlabelled += count
    census.texts.add(batch)
    census.values.add(batch)


def _labelled(batch: Batch, keep: Sequence[str], digests: Sequence[str | None] | None) -> pa.Table:
    """The items of a batch that have both labels."""
    nulls = pa.nulls(len(batch.items), pa.string())
    names = batch.items.schema.names
    table = pa.table({str(c): batch.items[str(c)] if str(c) in names else nulls for c in ("id", *Level)})
    for name in keep:
        column = text_column(batch, name, "--manifest") if batch.column(name) is not None else nulls
        table = table.append_column(passthrough(name), column)
    if digests is not None:
        table = table.append_column("digest", pa.array(digests, pa.string()))
    return table.filter(pa.array(tagged(batch)))


class _ImageChecker:
    """Decodes images, and counts formats, sizes and failures."""

    def __init__(self, census: Census, store: ImageStore, max_pixels: int, pool: ThreadPoolExecutor) -> None:
        self._census = census
        self._store = store
        self._max_pixels = max_pixels
        self._pool = pool

    def check(self, ids: Sequence[str], images: Sequence[Sequence[str | None]]) -> list[str | None]:
        """Check the images of items; return the digest of the first of each, None for an image without bytes."""
        flat = [(item, number, ref) for item, refs in enumerate(images) for number, ref in enumerate(refs)]
        digests: list[str | None] = [None] * len(ids)
        usable: set[int] = set()
        order = iter(row_order(self._store, [ref for *_, ref in flat]).tolist())
        while chunk := list(islice(order, _CHUNK_ROWS)):
            fetched = fetch_all(self._store, [flat[i][2] for i in chunk])
            for position, (digest, result) in zip(chunk, self._pool.map(self._one, fetched), strict=True):
                item, number, ref = flat[position]
                digests[item] = digests[item] if number else digest
                usable |= set() if isinstance(result, ImageError) else {item}
                self._count(ids[item], ref, result)
        self._census.failed_ids.update(ids[item] for item in range(len(ids)) if item not in usable)
        return digests

    def _one(self, data: bytes | ImageError) -> tuple[str | None, tuple[str, int, int] | ImageError]:
        if isinstance(data, ImageError):
            return None, data
        digest = hashlib.sha256(data).hexdigest()[:_DIGEST_LETTERS]
        try:
            header = read_header(data)
            decode(data, _PROBE, self._max_pixels)
        except ImageError as error:
            return digest, error
        return digest, (header.format, header.width, header.height)

    def _count(self, item: str, ref: str | None, result: tuple[str, int, int] | ImageError) -> None:
        self._census.images_checked += 1
        if not isinstance(result, ImageError):
            self._census.formats[result[0]] += 1
            self._census.sizes[result[1], result[2]] += 1
            return
        self._census.failed.add(item, ref, result)
        if ref and result.code == ErrorCode.NOT_FOUND and len(self._census.absent) < _MAX_ABSENT:
            self._census.absent.append(ref)
