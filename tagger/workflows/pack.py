"""Packs the images of a catalogue, or of a folder, into Parquet shards."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pyarrow as pa

from tagger.errors import UsageError
from tagger.images.failed import FailedImages
from tagger.images.near_misses import near_misses
from tagger.images.stores import ImageStore, fetch_all
from tagger.io.completion import is_complete
from tagger.io.location import Location, first_line
from tagger.packing.folder import CONTENT, PackFolder
from tagger.packing.shards import Image, Shard, total_of
from tagger.packing.source import FolderSource, Items, ManifestSource, Source
from tagger.reporter import LOG, Bar, Reporter
from tagger.runs.limits import exceeds, percent_of
from tagger.schemas.configs.pack import PackConfig
from tagger.schemas.documents.pack import PackCounts, ShardCounts
from tagger.schemas.tables.prediction import ErrorCode
from tagger.workflows.folder_locks import locks_out
from tagger.workflows.open_catalog import open_catalog, resolve_location

_DECIDES_NOTHING = {
    "out", "s3_endpoint", "s3_region", "store_concurrency", "http_per_host", "http_timeout", "max_failed",
    "max_rejected", "max_pixels", "merge_spellings",
}  # fmt: skip
"""Settings that may change between a call and the one that resumes it."""


@dataclass(frozen=True)
class PackResult:
    """A folder of packed images."""

    folder: Location
    counts: PackCounts
    """Counts of rows, items, images and files."""
    failed: FailedImages
    """Images that could not be read."""
    near_misses: tuple[str, ...]
    """Likely causes in words, if most images are missing."""
    too_many: tuple[str, ...]
    """Messages about counts above `max_failed` or `max_rejected`; empty if there are none."""


@locks_out
def pack(config: PackConfig, reporter: Reporter = LOG) -> PackResult:
    """Pack many small images into a few large Parquet files, which every command reads as `images`.

    The command is `tagger pack`.

    Args:
        config: The images, the folder to write, and a manifest of the items, if there is one.
        reporter: Receives steps, warnings and progress.

    Returns:
        The counts, with examples of images that could not be read. Too many of these are not an error, but are named
        in `too_many`.

    Raises:
        UsageError: when the folder holds other images, or another process writes to it.
        InputError: when the manifest cannot be read at all, or two files of a folder have one id.

    Example::

        from tagger import PackConfig, pack

        result = pack(PackConfig(images="images/", out="packed"))
        print(f"{result.counts.images:,} images are in {result.counts.shards:,} files")
    """
    folder = PackFolder(resolve_location(config.out, config))
    reporter.step(f"Looking at {' and '.join(filter(None, (config.manifest, config.images)))}")
    source = _open_source(config, folder, reporter)
    record = folder.begin(_inputs(config, source))
    if record.counts is not None and is_complete(folder.root):
        reporter.step(f"{folder.root} holds these images already; nothing to do")
    else:
        record = folder.finish(record, _pack(config, folder, source, reporter))
    counts = record.counts or PackCounts()
    failed = folder.failed_images(counts)
    hints = _near_misses(source.store, failed, counts)
    return PackResult(folder.root, counts, failed, hints, tuple(_too_many(config, counts)))


def _open_source(config: PackConfig, folder: PackFolder, reporter: Reporter) -> Source:
    """The items to pack. Raises UsageError or InputError."""
    if not config.manifest:
        try:
            return FolderSource.open(config, reporter.warn)
        except OSError as error:
            raise UsageError(f"--images {config.images} cannot be read: {first_line(error)}") from error
    parts = count()

    def write_rejects(rejects: pa.Table) -> None:
        folder.write_rejects(next(parts), rejects)

    return ManifestSource(*open_catalog(config, reporter), write_rejects)


def _inputs(config: PackConfig, source: Source) -> dict[str, str]:
    settings = config.model_dump(mode="json", exclude=_DECIDES_NOTHING)
    return {name: json.dumps(value, sort_keys=True) for name, value in settings.items()} | {
        CONTENT: source.fingerprint()
    }


def _pack(config: PackConfig, folder: PackFolder, source: Source, reporter: Reporter) -> PackCounts:
    """Pack what earlier calls have not packed; return the counts of all."""
    shards = folder.finished_shards()
    if shards:
        reporter.step(f"{len(shards):,} files are finished already, with {total_of(shards).items:,} items")
    with reporter.progress("Packing", source.total, "items") as bar:
        shard = Shard(config.shard_mb * 10**6)
        before = total_of(shards)
        for item, images in _fetched(source.store, source.batches(before.items)):
            shard.add(item, images)
            if shard.is_full:
                folder.write_shard(len(shards), shard)
                shards.append(shard.counts)
                shard, before = Shard(config.shard_mb * 10**6), total_of(shards)
            _show(bar, before, shard.counts)
        if shard.counts.items or not shards:
            folder.write_shard(len(shards), shard)
            shards.append(shard.counts)
    rows = source.row_counts()
    return PackCounts(
        **total_of(shards).model_dump(),
        rows=rows.rows,
        further=rows.further,
        rejects=rows.rejects.total(),
        reject_reasons=dict(sorted(rows.rejects.items())),
        shards=len(shards),
    )


def _fetched(store: ImageStore, batches: Iterator[Items]) -> Iterator[tuple[str, list[Image]]]:
    """Each item with its images, fetched as far ahead as the store does; an item without one has an error."""
    for batch in batches:
        refs_of: list[list[str | None]] = [[*refs] if refs else [None] for refs in batch.refs]
        fetched = fetch_all(store, [ref for refs in refs_of for ref in refs])
        for item, refs in zip(batch.ids, refs_of, strict=True):
            yield item, [(ref, next(fetched)) for ref in refs]


def _show(bar: Bar, before: ShardCounts, now: ShardCounts) -> None:
    size = (before.image_bytes + now.image_bytes) / 10**6
    bar.update(before.items + now.items, f"{size:,.0f} MB")


def _near_misses(store: ImageStore, failed: FailedImages, counts: PackCounts) -> tuple[str, ...]:
    if 2 * failed.counts[ErrorCode.NOT_FOUND] <= counts.images + failed.counts.total():
        return ()
    absent = [example.image for example in failed.examples[ErrorCode.NOT_FOUND] if example.image]
    return tuple(near_misses(store, absent))


def _too_many(config: PackConfig, counts: PackCounts) -> Iterator[str]:
    failed = sum(counts.failed.values())
    images = counts.images + failed
    if exceeds(failed, images, config.max_failed):
        yield (
            f"{failed:,} of {images:,} images cannot be read{percent_of(failed, images)}, more than --max-failed "
            f"{config.max_failed}"
        )
    if exceeds(counts.rejects, counts.rows, config.max_rejected):
        yield (
            f"{counts.rejects:,} of {counts.rows:,} rows of the manifest were rejected"
            f"{percent_of(counts.rejects, counts.rows)}, more than --max-rejected {config.max_rejected}"
        )
