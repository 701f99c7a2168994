"""Stages one range of a manifest: its rows, its rejects, and the hashes of its ids. Runs in any process."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import accumulate

import numpy as np
import pyarrow as pa

from tagger.flow.id_hashes import HASH, hashes_of
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.io.parquet import open_parquet, write_parquet
from tagger.manifest.first_rows import FileIds, RowsOfRange
from tagger.manifest.item_rows import ItemRows
from tagger.manifest.manifest import Manifest
from tagger.manifest.ranges import Range
from tagger.manifest.selection import Selection
from tagger.runs.staging import taken_items, write_shards
from tagger.schemas.tables.item import ITEM, REJECT

_READ_AT_ONCE = 16
_COUNTS, _COUNTS_AGAIN = "json", "again.json"
BUCKETS = 256
"""By the first byte of their hashes, so that those of all ranges can be compared in pieces."""
ID_ROW = np.dtype([*((name, HASH[name]) for name in HASH.names or ()), ("row", np.uint32)])
"""The hash of an id, and its row: 0 for the first of the range."""
REPEAT = np.dtype([("range", np.uint32), ("row", np.uint32), ("first", np.int64)])
"""A row, 0 for the first of its range, whose id was read first at the 1-based row `first` of the manifest."""


@dataclass(frozen=True)
class RangeCounts:
    """Counts of one range: rows = items + rejects + skipped rows."""

    rows: int
    items: int
    repaired: int
    skip_reasons: dict[str, int]
    reject_reasons: dict[str, int]
    neighbours: int
    """Rows that repeat the id of the row before them."""
    without_value: list[int]
    """By rule of --since, the items that had no value."""
    notices: list[str]
    files: list[FileIds]
    bucket_ends: list[int] = field(default_factory=list)
    """Where each bucket ends among the hashes."""


@dataclass(frozen=True)
class Span:
    """Consecutive rows of a file of REPEAT."""

    file: int
    start: int
    stop: int


@dataclass(frozen=True)
class RangeStaging:
    """What is needed to stage the ranges of a manifest; picklable.

    Args:
        manifest: The rows.
        store: Gives every row its image reference.
        selection: Which rows to take.
        keep: Additional columns of the manifest.
        work: Folder of the shards.
        rejects: Folder of the rejected rows.
        keys: Of the ids' hashes.
    """

    manifest: Manifest
    store: ImageStore
    selection: Selection
    keep: tuple[str, ...]
    work: Location
    rejects: Location
    keys: tuple[str, ...]

    @property
    def folder(self) -> Location:
        """Folder of what is kept of the ranges until the shards are written."""
        return ranges_folder(self.work)

    def stage(self, part: Range, repeats: Sequence[Span] | None = None) -> RangeCounts:
        """Write the items of a range, its rejects, and at last its counts.

        Args:
            part: The range.
            repeats: Where the rows that repeat an id are named, once they are known; until then they are items, and
                the hashes of all ids are written.
        """
        manifest, ids = self.manifest, list[np.ndarray]()
        before = part.rows_before + 1

        def hash_ids(texts: Sequence[str], rows: Sequence[int]) -> None:
            hashed = np.empty(len(texts), ID_ROW)
            hashes = hashes_of(texts, self.keys)
            for name in HASH.names or ():
                hashed[name] = hashes[name]
            hashed["row"] = np.asarray(rows, np.int64) - before
            ids.append(hashed)

        known = {before + int(r["row"]): int(r["first"]) for span in repeats or () for r in self._repeats(span)}
        first_rows = RowsOfRange(known, hash_ids if repeats is None else lambda *_: None)
        item_rows = ItemRows(None)
        notices_before, without_before = len(manifest.notices.texts), self.selection.without_value()
        skipped: dict[str, int] = {}
        rejects, items = [REJECT.empty_table()], list[pa.Table]()
        for batch in manifest.read_range(part, first_rows, item_rows):
            rejects.append(batch.rejects)
            taken, reasons = taken_items(batch, self.store, self.selection, self.keep)
            items.append(taken)
            for reason in filter(None, reasons):
                skipped[reason] = skipped.get(reason, 0) + 1
        rows = pa.concat_tables(items or [ITEM.empty_table()])
        write_parquet(self._file(part.number, "parquet"), rows)
        rejected = pa.concat_tables(rejects)
        if len(rejected):
            write_parquet(self.rejects / f"part-{part.number:05d}.parquet", rejected)
        counts = RangeCounts(
            rows=manifest.tally.rows - part.rows_before,
            items=len(rows),
            repaired=manifest.tally.repaired,
            skip_reasons=skipped,
            reject_reasons=dict(manifest.tally.rejects),
            neighbours=item_rows.neighbours,
            without_value=[
                count - earlier for count, earlier in zip(self.selection.without_value(), without_before, strict=True)
            ],
            notices=manifest.notices.texts[notices_before:],
            files=first_rows.files,
            bucket_ends=[] if repeats is not None else self._write_ids(part, ids),
        )
        self._file(part.number, _COUNTS if repeats is None else _COUNTS_AGAIN).write_text(json.dumps(asdict(counts)))
        return counts

    def staged(self, number: int, again: bool = False) -> RangeCounts:
        """The counts of a range that was staged, perhaps again with known repetitions."""
        fields = json.loads(self._file(number, _COUNTS_AGAIN if again else _COUNTS).read_bytes())
        return RangeCounts(**fields | {"files": [FileIds(**file) for file in fields["files"]]})

    def find_repeats(self, piece: "BucketsOfRanges") -> list[tuple[int, Span]]:
        """Find the rows that repeat an id, by the ids in some buckets; return the ranges that have some, and where."""
        repeats = piece.repeats(self._ids(piece))
        if not len(repeats):
            return []
        self._repeats_file(piece.first).write_bytes(repeats.tobytes())
        ranges, starts = np.unique(repeats["range"], return_index=True)
        stops = [*starts[1:].tolist(), len(repeats)]
        return [
            (number, Span(piece.first, start, stop))
            for number, start, stop in zip(ranges.tolist(), starts.tolist(), stops, strict=True)
        ]

    def write_shards(self, cut: "CutRange") -> int:
        """Write the shards of one range; return how many."""
        items = open_parquet(self._file(cut.range, "parquet")).read()
        starts = accumulate(cut.sizes[:-1], initial=0)
        shards = (items.slice(start, rows) for start, rows in zip(starts, cut.sizes, strict=True))
        return write_shards(self.work, shards, cut.first_shard)

    def _write_ids(self, part: Range, ids: Sequence[np.ndarray]) -> list[int]:
        """Write the hashes of a range's ids by bucket, in each in the order of the rows; return the buckets' ends."""
        hashed = np.concatenate([np.empty(0, ID_ROW), *ids])
        buckets = (hashed["slot"] >> np.uint64(56)).astype(np.uint8)
        self._file(part.number, "ids").write_bytes(hashed[np.argsort(buckets, kind="stable")].tobytes())
        ends: list[int] = np.cumsum(np.bincount(buckets, minlength=BUCKETS)).tolist()
        return ends

    def _ids(self, piece: "BucketsOfRanges") -> Iterator[np.ndarray]:
        """The hashes of each range in some buckets, by ID_ROW."""
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            files = (self._file(number, "ids") for number in range(len(piece.spans)))
            yield from pool.map(lambda file, span: _rows_of(file, ID_ROW, *span), files, piece.spans)

    def _repeats(self, span: Span) -> np.ndarray:
        return _rows_of(self._repeats_file(span.file), REPEAT, span.start, span.stop)

    def _repeats_file(self, number: int) -> Location:
        return self.folder / f"repeats-{number:03d}"

    def _file(self, number: int, suffix: str) -> Location:
        return self.folder / f"range-{number:05d}.{suffix}"


@dataclass(frozen=True)
class BucketsOfRanges:
    """Consecutive buckets of the hashes of all ranges."""

    first: int
    """Number of the first bucket."""
    spans: tuple[tuple[int, int], ...]
    """Of each range, where their hashes begin and end."""
    rows_before: tuple[int, ...]
    """Rows of the manifest before each range."""

    def repeats(self, ids: Iterator[np.ndarray]) -> np.ndarray:
        """The rows whose id occurs in an earlier row, by REPEAT, ordered by range.

        Args:
            ids: Of each range the ids of these buckets, by ID_ROW, in the order of their rows.
        """
        of_ranges = list(ids)
        everything = np.concatenate([np.empty(0, ID_ROW), *of_ranges])
        ranges = np.repeat(np.arange(len(of_ranges)), [len(of_range) for of_range in of_ranges])
        if not len(everything):
            return np.empty(0, REPEAT)
        order = np.argsort(everything["slot"], kind="stable")
        slots = everything["slot"][order]
        is_equal = np.concatenate([[False], slots[1:] == slots[:-1]])
        order = order[is_equal | np.concatenate([is_equal[1:], [False]])]  # few, or the manifest has a table twice
        order = order[np.lexsort((order, everything["step"][order], everything["slot"][order]))]
        hashes = everything[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = (hashes["slot"][1:] != hashes["slot"][:-1]) | (hashes["step"][1:] != hashes["step"][:-1])
        rows = np.array(self.rows_before, np.int64)[ranges[order]] + hashes["row"] + 1
        found = np.empty(int((~is_first).sum()), REPEAT)
        found["range"], found["row"] = ranges[order][~is_first], hashes["row"][~is_first]
        found["first"] = rows[np.flatnonzero(is_first)][np.cumsum(is_first) - 1][~is_first]
        return found[np.lexsort((found["row"], found["range"]))]


@dataclass(frozen=True)
class CutRange:
    """How the items of one range are cut into shards."""

    range: int
    first_shard: int
    sizes: tuple[int, ...]


def ranges_folder(work: Location) -> Location:
    """Folder of what is kept of ranges, in the folder of the shards."""
    return work / "ranges"


def staged_ranges(work: Location) -> dict[int, bool]:
    """The numbers of the ranges that are staged, and whether they were staged again with known repetitions."""
    names = [file.name.removeprefix("range-") for file in ranges_folder(work).files((_COUNTS,))]
    numbers = {name: int(name.split(".")[0]) for name in names if name[:1].isdigit()}
    again = {number for name, number in numbers.items() if name.endswith(_COUNTS_AGAIN)}
    return {number: number in again for number in numbers.values()}


def _rows_of(file: Location, dtype: np.dtype, start: int, stop: int) -> np.ndarray:
    """Some rows of a file of fixed-size rows."""
    if start == stop:
        return np.empty(0, dtype)
    with file.open_random() as source:
        return np.frombuffer(source.read_at((stop - start) * dtype.itemsize, start * dtype.itemsize), dtype)
