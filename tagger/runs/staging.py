"""Splits a manifest into shards on disk, one per part, so that a run can be resumed."""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.flow.sorted_spool import SortedSpool
from tagger.images.patterns import text_column
from tagger.images.several import first_and_further
from tagger.images.stores import ImageStore, OrderedStore
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.batch import Batch
from tagger.manifest.manifest import Manifest
from tagger.manifest.selection import EVERYTHING, KnownTags, Selection
from tagger.runs.shard_sizes import cut
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.item import ITEM

WRITTEN_AT_ONCE = 16
"""Shards that are written at the same time."""
_STAGED, _EARLIER_STAGED = "staged-3.json", ("staged.json", "staged-2.json")
"""The number changes with what a shard stores, so that a run of an earlier version is staged anew."""
KNOWN = "known"
"""Why an item has no prediction in a run, where an earlier one has the same."""
KNOWN_OUTCOME = "knownOutcome"
"""Column of a shard with known runs: the stored prediction if it is decided differently now, else null."""
_KNOWN_ETAG = "knownEtag"
"""Column of such a shard: the ETag that was sent with the image of `knownDigest` at this reference, else null."""
_KNOWN_IMAGES = "knownImages"
"""Column of such a shard: of an item with several images, the digest of each in an earlier run, else null."""


@dataclass(frozen=True)
class Staged:
    """Counts of staging: rows = items in shards + rejects + skipped + further rows of items."""

    rows: int
    items: int
    repaired: int
    rejects: int
    skip_reasons: dict[str, int]
    reject_reasons: dict[str, int]
    shards: int
    kept: tuple[str, ...] = ()
    """Additional columns of the manifest in the shards."""
    known: int = 0
    """Number of skipped rows that earlier runs tagged or a person decided."""
    further: int = 0
    """Number of rows of items after the first of each."""

    @property
    def skipped(self) -> int:
        """Number of rows skipped by the selection."""
        return sum(self.skip_reasons.values())


def stage(
    manifest: Manifest,
    store: ImageStore,
    work: Location,
    rejects: Location,
    part_rows: int,
    selection: Selection = EVERYTHING,
    keep: Sequence[str] = (),
    watch: Callable[[int], None] = lambda _: None,
    workers: int = 1,
) -> Staged:
    """Read the manifest once and write its items to `work/shard-*.parquet`, its rejects to `rejects/part-*.parquet`.

    Shards follow the manifest's order, or the store's if that is faster to read. A finished staging is not repeated.

    Args:
        manifest: The rows.
        store: Gives every row its image reference.
        work: Folder of the shards.
        rejects: Folder of the rejected rows.
        part_rows: Most rows in a shard.
        selection: Which rows to take; the others count as skipped.
        keep: Additional columns of the manifest, as text, named by `passthrough`; null if a file lacks the column.
        watch: Called periodically with the number of rows read so far.
        workers: How many will share the shards, as far as is known.
    """
    finished = finished_staging(work, keep)
    if finished:
        return finished
    for left_over in (work, rejects):  # of a call that was killed while staging
        for file in left_over.files((".parquet",)):
            file.delete()
    rows = _StagedRows(manifest, store, rejects, selection, keep, watch)
    stream = rows.tables()
    if isinstance(store, OrderedStore) and store.ordered_by_store:
        stream = _in_store_order(stream, store)
    staged = rows.staged(write_shards(work, cut(stream, part_rows, workers, manifest.row_count())))
    finish_staging(work, staged)
    return staged


def finished_staging(work: Location, keep: Sequence[str]) -> Staged | None:
    """The counts of a finished staging, whose shards have these additional columns of the manifest."""
    done = work / _STAGED
    if not done.exists():
        return None
    fields = json.loads(done.read_bytes())
    staged = Staged(**{**fields, "kept": tuple(fields.get("kept", ()))})
    return staged if set(keep) <= set(staged.kept) else None


def finish_staging(work: Location, staged: Staged) -> None:
    """Mark a staging as finished, all of whose shards are written."""
    (work / _STAGED).write_text(json.dumps(asdict(staged)))


def write_shards(work: Location, shards: Iterator[pa.Table], first: int = 0) -> int:
    """Write shards while the next ones are read, several at a time, because a bucket answers late; return how many.

    Args:
        work: Their folder.
        shards: By ITEM.
        first: Number of the first.
    """
    writing: deque[Future[None]] = deque()
    number = first
    with ThreadPoolExecutor(WRITTEN_AT_ONCE, thread_name_prefix="stage") as pool:
        for shard in shards:
            if len(writing) == WRITTEN_AT_ONCE:
                writing.popleft().result()
            writing.append(pool.submit(write_parquet, shard_of(work, number), shard))
            number += 1
        for future in writing:
            future.result()
    return number - first


class _StagedRows:
    """Streams a manifest's rows into shards: takes, skips or rejects each, and counts them."""

    def __init__(
        self,
        manifest: Manifest,
        store: ImageStore,
        rejects: Location,
        selection: Selection,
        keep: Sequence[str],
        watch: Callable[[int], None],
    ) -> None:
        self._manifest = manifest
        self._store = store
        self._rejects = rejects
        self._selection = selection
        self._keep = keep
        self._watch = watch
        self._skipped: Counter[str] = Counter()
        self._items = self._reject_parts = self._known = 0

    def tables(self) -> Iterator[pa.Table]:
        """Yield the items to take, in batches; writes rejects meanwhile."""
        for batch in self._manifest.batches():
            if len(batch.rejects):
                write_parquet(self._rejects / f"part-{self._reject_parts:05d}.parquet", batch.rejects)
                self._reject_parts += 1
            taken, reasons = taken_items(batch, self._store, self._selection, self._keep)
            self._skipped.update(filter(None, reasons))
            known = self._selection.known
            if known:
                ids = batch.items["id"].to_pylist()
                skipped = [item for item, reason in zip(ids, reasons, strict=True) if reason]
                self._known += sum(known.knows(skipped))
                taken, unchanged = _recalled(taken, known)
                self._known += unchanged
                self._skipped.update({KNOWN: unchanged} if unchanged else {})
            self._items += len(taken)
            self._watch(self._manifest.tally.rows)
            yield taken

    def staged(self, shards: int) -> Staged:
        """The counts, after the last of the tables."""
        tally = self._manifest.tally
        return Staged(
            rows=tally.rows,
            items=self._items,
            repaired=tally.repaired,
            rejects=tally.rejected,
            skip_reasons=dict(self._skipped),
            reject_reasons=dict(tally.rejects),
            shards=shards,
            kept=tuple(self._keep),
            known=self._known,
            further=tally.further,
        )


def taken_items(
    batch: Batch, store: ImageStore, selection: Selection, keep: Sequence[str]
) -> tuple[pa.Table, list[str]]:
    """The items of a batch to take, by ITEM with columns to keep; and for all, the reason to skip it, or no text."""
    reasons = selection.skipped(batch)
    return _items(batch, store, keep).filter(pa.array([not reason for reason in reasons], pa.bool_())), reasons


def passthrough(column: str) -> str:
    """The name of an additional column of the manifest among the columns of ITEM."""
    return f"column:{column}"


def is_staged(work: Location) -> bool:
    """Whether staging has finished, by this or an earlier version."""
    return any((work / name).exists() for name in (_STAGED, *_EARLIER_STAGED))


def shard_of(work: Location, number: int) -> Location:
    """The file of one shard."""
    return work / f"shard-{number:05d}.parquet"


def read_shard(shard: Location) -> pa.Table:
    """The rows of one shard, by ITEM."""
    with shard.open_random() as source:
        return pq.read_table(source)


def known_etags(shard: pa.Table) -> list[str | None]:
    """For every item of a shard, the ETag of the image that need not be downloaded again; None without one."""
    names = shard.schema.names
    return shard[_KNOWN_ETAG].to_pylist() if _KNOWN_ETAG in names else [None] * len(shard)


def known_images(shard: pa.Table) -> dict[int, list[str | None]]:
    """By row with several known images, the digest of each; None for one that could not be read."""
    digests = shard[_KNOWN_IMAGES].to_pylist() if _KNOWN_IMAGES in shard.schema.names else []
    return {row: known for row, known in enumerate(digests) if known is not None}


def _items(batch: Batch, store: ImageStore, keep: Sequence[str]) -> pa.Table:
    none = pa.nulls(len(batch.items), pa.string())
    columns = {str(level): batch.items[level] if level in batch.items.schema.names else none for level in Level}
    first, further = first_and_further(store, batch)
    several = pa.list_(pa.string())
    table = pa.table(
        {
            "id": batch.items["id"],
            "row": pa.array(batch.rows),
            **columns,
            "imageRef": pa.array(first, pa.string()),
            "furtherImageRefs": pa.nulls(len(none), several) if further is None else pa.array(further, several),
            "knownDigest": none,
        }
    ).cast(ITEM)
    for name in keep:
        is_present = batch.column(name) is not None
        table = table.append_column(passthrough(name), text_column(batch, name, "--manifest") if is_present else none)
    return table


def _recalled(items: pa.Table, known: KnownTags) -> tuple[pa.Table, int]:
    """Add what is known of items: `knownDigest` or the digests of several images, KNOWN_OUTCOME and the ETag.

    Items of which nothing can have changed are left out, and counted.
    """
    recall = known.recall(items)
    etags = known.etags(items, recall.digests)
    at = items.schema.get_field_index("knownDigest")
    table = items.set_column(at, ITEM.field("knownDigest"), pa.array(recall.digests, pa.string()))
    table = table.append_column(KNOWN_OUTCOME, pa.array(recall.outcomes, pa.binary()))
    table = table.append_column(_KNOWN_IMAGES, pa.array(recall.images, pa.list_(pa.string())))
    table = table.append_column(_KNOWN_ETAG, pa.array(etags, pa.string()))
    is_same = known.is_unchanged(items, etags) & np.array([outcome is None for outcome in recall.outcomes], bool)
    return table.filter(pa.array(~is_same)), int(is_same.sum())


def _in_store_order(tables: Iterator[pa.Table], store: OrderedStore) -> Iterator[pa.Table]:
    """All rows in the store's order; they wait in temporary files."""
    with closing(SortedSpool(store.row_count)) as spool:
        for table in tables:
            spool.append(table, store.positions(table["imageRef"].to_pylist()))
        yield from spool.tables()
