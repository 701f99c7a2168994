"""Stages a large Parquet manifest in ranges, by many processes.

Each range is read, located and filtered apart. Ids are compared by hash partitions: all ranges write the hashes of
their ids by bucket, and a bucket is then compared in one piece of memory, whatever the number of rows. Ranges with
repeated ids are read once more without them, and at last all ranges are cut into shards. What is staged of a range is
kept, so that a repeated call goes on after a kill.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

from tagger.flow.id_hashes import new_keys
from tagger.flow.tasks import Tasks
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.manifest.first_rows import FileIds, copied_files
from tagger.manifest.item_rows import ItemRows
from tagger.manifest.manifest import Manifest
from tagger.manifest.ranges import Range
from tagger.manifest.selection import Selection
from tagger.runs.range_staging import (
    BUCKETS,
    BucketsOfRanges,
    CutRange,
    RangeCounts,
    RangeStaging,
    Span,
    ranges_folder,
    staged_ranges,
)
from tagger.runs.shard_sizes import cut_ranges
from tagger.runs.staging import Staged, finish_staging, finished_staging

COMPARED_ROWS = 1 << 21
"""Rows whose ids are compared in one piece, of some 50 bytes each."""
_READ_AT_ONCE = 32
_KEYS = "keys-1.json"
"""The number changes with what is kept of ranges."""
WORTH_RANGES = 2_000_000
"""Rows from which on a manifest is staged in ranges: one process takes as long for them as several take to start."""


def ranges_to_stage(manifest: Manifest, store: ImageStore, selection: Selection) -> list[Range]:
    """The ranges of a manifest that is worth several processes and can be staged by them; none otherwise."""
    if store.ordered_by_store or not store.locates_in_copies or selection.known:
        return []
    if (manifest.row_count() or 0) < WORTH_RANGES:
        return []
    return manifest.ranges()


def stage_ranges(
    staging: RangeStaging, ranges: Sequence[Range], part_rows: int, watch: Callable[[int], None], workers: int,
    tasks: Tasks,
) -> Staged:  # fmt: skip
    """Write the items of all ranges to `work/shard-*.parquet`, and their rejects to `rejects/part-*.parquet`.

    A finished staging is not repeated, and of an unfinished one only what is missing.

    Args:
        staging: The manifest, and what to take of it; its keys are replaced by those of an unfinished staging.
        ranges: All of the manifest.
        part_rows: Most rows in a shard.
        watch: Called with the number of rows read so far.
        workers: How many will share the shards, as far as is known.
        tasks: Calls its methods.
    """
    finished = finished_staging(staging.work, staging.keep)
    if finished:
        return finished
    found = _stage_all(staging, ranges, watch, tasks)
    repeats = _repeats(staging, found, tasks)
    counts = _stage_again(staging, ranges, found, repeats, tasks)
    sizes = cut_ranges([part.items for part in counts], part_rows, workers)
    firsts = accumulate(map(len, sizes), initial=0)
    cuts = [CutRange(n, first, tuple(rows)) for n, (first, rows) in enumerate(zip(firsts, sizes, strict=False)) if rows]
    shards = sum(written for _, written in tasks(staging.write_shards, [(cut,) for cut in cuts]))
    staged = _all(staging, counts, shards)
    finish_staging(staging.work, staged)
    staging.folder.delete()
    return staged


def staging_keys(work: Location, rejects: Location, keep: Sequence[str]) -> tuple[str, ...]:
    """The keys of an unfinished staging with these additional columns, or new ones for a staging from the start.

    Before that, what a staging of another kind has left is deleted.
    """
    file = ranges_folder(work) / _KEYS
    if file.exists():
        stored = json.loads(file.read_bytes())
        if stored["keep"] == list(keep):
            return tuple(stored["keys"])
    for left_over in (ranges_folder(work), rejects):
        left_over.delete()
    keys = new_keys()
    file.write_text(json.dumps({"keys": keys, "keep": list(keep)}))
    return keys


def _stage_all(
    staging: RangeStaging, ranges: Sequence[Range], watch: Callable[[int], None], tasks: Tasks
) -> list[RangeCounts]:
    """Stage the ranges that are missing; the counts of all, with the hashes of their ids."""
    present = staged_ranges(staging.work)
    found = dict(_read(staging, list(present), again=False))
    missing = [part for part in ranges if part.number not in present]
    rows = sum(counts.rows for counts in found.values())
    for number, counts in tasks(staging.stage, [(part,) for part in missing]):
        found[missing[number].number] = counts
        rows += counts.rows
        watch(rows)
    return [found[part.number] for part in ranges]


def _repeats(staging: RangeStaging, found: Sequence[RangeCounts], tasks: Tasks) -> dict[int, list[Span]]:
    """For each range with rows that repeat an id, where these are named."""
    rows = sum(counts.rows for counts in found)
    before = tuple(accumulate((counts.rows for counts in found[:-1]), initial=0))
    step = max(1, BUCKETS * COMPARED_ROWS // max(rows, 1))
    ends = [[0, *counts.bucket_ends] for counts in found]
    pieces = [
        BucketsOfRanges(first, tuple((e[first], e[min(first + step, BUCKETS)]) for e in ends), before)
        for first in range(0, BUCKETS, step)
    ]
    repeats: dict[int, list[Span]] = {}
    for _, spans in tasks(staging.find_repeats, [(piece,) for piece in pieces]):
        for number, span in spans:
            repeats.setdefault(number, []).append(span)
    return repeats


def _stage_again(
    staging: RangeStaging, ranges: Sequence[Range], found: Sequence[RangeCounts], repeats: dict[int, list[Span]],
    tasks: Tasks,
) -> list[RangeCounts]:  # fmt: skip
    """Stage the ranges with repeated ids again without these; the counts of all ranges."""
    present = [number for number, again in staged_ranges(staging.work).items() if again]
    counts = dict(enumerate(found)) | dict(_read(staging, present, again=True))
    missing = [number for number in sorted(repeats) if number not in present]
    for position, again in tasks(staging.stage, [(ranges[number], repeats[number]) for number in missing]):
        counts[missing[position]] = again
    return [counts[number] for number in range(len(ranges))]


def _read(staging: RangeStaging, numbers: Sequence[int], again: bool) -> Iterator[tuple[int, RangeCounts]]:
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        yield from zip(numbers, pool.map(lambda number: staging.staged(number, again), numbers), strict=True)


def _all(staging: RangeStaging, counts: Sequence[RangeCounts], shards: int) -> Staged:
    """The counts of a whole manifest; its notices are given, and those of its selection can be."""
    skipped, rejects, files, item_rows = Counter[str](), Counter[str](), dict[str, FileIds](), ItemRows(None)
    for part in counts:
        skipped.update(part.skip_reasons)
        rejects.update(part.reject_reasons)
        item_rows.add(part.rows, part.neighbours)
        staging.selection.add_without_value(part.without_value)
        for of_part in part.files:
            file = files.setdefault(of_part.file, FileIds(of_part.file, of_part.rows_before))
            file.ids, file.repeated = file.ids + of_part.ids, file.repeated + of_part.repeated
            file.first_row = of_part.first_row if file.first_row is None else file.first_row
    notices = (notice for part in counts for notice in part.notices)
    for notice in (*notices, *copied_files(list(files.values())), *item_rows.remarks()):
        staging.manifest.notices.add(notice)
    return Staged(
        rows=sum(part.rows for part in counts),
        items=sum(part.items for part in counts),
        repaired=sum(part.repaired for part in counts),
        rejects=rejects.total(),
        skip_reasons=dict(skipped),
        reject_reasons=dict(rejects),
        shards=shards,
        kept=staging.keep,
    )
