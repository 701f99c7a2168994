"""The labelled items of a catalogue, split and decoded: the first steps of train, tune and combine."""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import ray.data

from tagger.dataset.decoding import FAILURE, DecodeShard, DigestShard
from tagger.dataset.items import LabelledItems
from tagger.dataset.not_learnt import not_learnt
from tagger.dataset.split_rule import DIGEST, DUPLICATES, SplitRule
from tagger.dataset.splits import SPLITS
from tagger.dataset.trainable import why_unlabelled
from tagger.dataset.usable import USABLE_PREFIX, CheckShard, UsableRows
from tagger.decisions.labels import MANIFEST_LABELS, REVIEWED, ReviewedLabels, labelled_once
from tagger.decisions.read import named_decisions
from tagger.errors import InputError, UsageError
from tagger.images.failed import FailedImages
from tagger.images.near_misses import near_misses
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.groups import read_groups
from tagger.manifest.labels import Spellings
from tagger.manifest.manifest import Manifest
from tagger.manifest.selection import Selection
from tagger.reporter import Reporter
from tagger.runs.staging import Staged, read_shard, shard_of, stage
from tagger.schemas.configs.learning import Learning
from tagger.schemas.configs.train import CombineConfig, TrainConfig, TuneConfig
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.tables.prediction import ErrorCode
from tagger.training.on_ray import check_images, image_dataset
from tagger.training.row_images import Decoder
from tagger.workflows.image_errors import lines
from tagger.workflows.open_catalog import resolve_location

_STAGE_ROWS = 8192
_DIGESTS = pa.schema([("id", pa.string()), (DIGEST, pa.string())])
_LABELLED = Selection([("unlabelled", lambda batch: ~labelled_once(batch))])


def reviewed_labels(config: TrainConfig | CombineConfig) -> ReviewedLabels | None:
    """Review decisions of the named runs and files; None if none are named. Raises UsageError when one has none."""
    if not config.decisions:
        return None
    locations = [(name, resolve_location(name, config)) for name in config.decisions]
    return ReviewedLabels(
        table for name, location in locations for table in named_decisions(location, f"--decisions {name}")
    )


def read_labelled(
    manifest: Manifest, store: ImageStore, work: Location, columns: Sequence[str]
) -> tuple[pa.Table, Staged]:
    """Read the rows with both labels, by ITEM, with additional columns; rejects go to `work/rejects`.

    Raises:
        InputError: when there are none.
    """
    staged = stage(manifest, store, work / "items", work / "rejects", _STAGE_ROWS, _LABELLED, columns)
    if not staged.rows:
        raise InputError("--manifest: it has no rows, so there is nothing to learn from")
    if not staged.items:
        raise InputError(why_unlabelled(manifest.why_unlabelled(), staged.rows, staged.rows - staged.rejects))
    return pa.concat_tables([read_shard(shard_of(work / "items", n)) for n in range(staged.shards)]), staged


@dataclass(frozen=True)
class Learnable:
    """A catalogue's labelled rows, checked to be enough for training, as far as labels show."""

    rows: pa.Table
    staged: Staged
    rule: SplitRule
    merge: Mapping[str, str]
    min_items: int
    spellings: Spellings | None = None
    """The chosen spelling of each label, if spellings are merged."""


def read_learnable(
    config: TrainConfig | TuneConfig,
    seed: int,
    learning: Learning,
    manifest: Manifest,
    store: ImageStore,
    work: Location,
    reporter: Reporter,
    reviewed: bool = False,
) -> Learnable:
    """Read a catalogue's labelled items, on request with the effect of review decisions. Needs neither images nor Ray.

    Raises:
        InputError: when there are too few labelled items, or a side of the split is empty.
        UsageError: when the manifest lacks the columns to split by.
    """
    rule = SplitRule.of(config, seed, manifest.columns, config.no_value)
    reporter.step("Reading the manifest")
    rows, staged = read_labelled(
        manifest, store, work, [*rule.columns, *([REVIEWED, *MANIFEST_LABELS] if reviewed else [])]
    )
    if config.duplicates:
        groups = read_groups(resolve_location(config.duplicates, config))
        group_of = dict(zip(groups["id"], groups["group"].astype(str), strict=True))
        named = pa.array([group_of.get(item) for item in rows["id"].to_pylist()], pa.string())
        rows = rows.append_column(DUPLICATES, named)
    LabelledItems.select(rows, learning.merge, learning.min_items, rule.without_images())  # raises before Ray starts
    return Learnable(rows, staged, rule, learning.merge, learning.min_items, manifest.spellings())


def split_labelled(learnable: Learnable, store: ImageStore, work: Location, reporter: Reporter) -> LabelledItems:
    """Split a catalogue's labelled items, and report their counts; reads each image if copies stay together.

    Raises:
        InputError: when copies that stay together leave a side empty.
    """
    rows, staged, rule = learnable.rows, learnable.staged, learnable.rule
    if DIGEST in rule.group_by:
        rows = _with_digests(rows, store, work, staged, reporter)
    items = LabelledItems.select(rows, learnable.merge, learnable.min_items, rule)
    if learnable.spellings:
        taxonomy = items.taxonomy.model_copy(update={"spellings": learnable.spellings.of_names(items.taxonomy)})
        items = replace(items, taxonomy=taxonomy)
    sides = ", ".join(f"{name} {count:,}" for name, count in items.split_items().items())
    reporter.step(
        f"{staged.rows:,} rows ({staged.repaired} repaired, {staged.rejects} rejected), "
        f"{staged.items:,} with both labels; "
        f"{len(items.taxonomy.leaves)} leaves, {len(items.left_out)} left out for too few items; {sides}"
    )
    if warning := not_learnt(items.left_out, items.taxonomy, len(items.frame)):
        reporter.warn(warning)
    return items


@contextmanager
def clean_up_if_refused(work: Location, begun: Location) -> Iterator[None]:
    """Delete the working folder when a command is refused; use it while `--out` is locked.

    Args:
        work: The working folder.
        begun: Exists once training has begun; then the folder is kept.
    """
    try:
        yield
    except (InputError, UsageError):
        if not begun.exists():
            work.delete()
        raise


def decode_sides(
    items: LabelledItems,
    store: ImageStore,
    preprocessing: Preprocessing,
    max_pixels: int,
    work: Location,
    reporter: Reporter,
    sides: Sequence[str] = SPLITS[:3],
) -> dict[str, ray.data.Dataset]:
    """Decode the images of some sides, once, into Ray's object store, which spills to disk.

    Failures are written to `work/failures`, and some are shown.

    Args:
        items: What to decode.
        store: Where the images are.
        preprocessing: The model's input.
        max_pixels: Most pixels of an image.
        work: The working folder.
        reporter: Where failures are shown.
        sides: Names of SPLITS; a control side without a usable image is left out.

    Raises:
        InputError: when another side has no usable image.
    """
    (work / "failures").delete()  # of an earlier call; the images may exist now
    decode = DecodeShard(store, preprocessing, max_pixels, work / "failures")
    shards = {name: files for name, files in items.write_shards(work, sides).items() if files or name != "control"}
    images = {name: image_dataset(s, decode).materialize() for name, s in shards.items()}
    empty = {name for name, side in images.items() if not side.count()}
    _show_failures(reporter, failures(work), sum(items.split_items()[name] for name in sides), store)
    _refuse_empty(empty)
    return {name: side for name, side in images.items() if name not in empty}


def usable_sides(
    items: LabelledItems, decoder: Decoder, work: Location, reporter: Reporter, keep: bool
) -> dict[str, UsableRows]:
    """Find the images of all sides that can be decoded; failures are written to `work/failures`, and some are shown.

    Args:
        items: What to look at.
        decoder: Decodes an image.
        work: The working folder.
        reporter: Where progress and failures are shown.
        keep: Keep what an earlier call found, rather than look at the images again, which may exist now.

    Returns:
        The usable rows by side; a control side without any is left out.

    Raises:
        InputError: when another side has no usable image.
    """
    shards = items.write_shards(work, SPLITS)
    if not keep:
        (work / "failures").delete()
        for file in (file for name in SPLITS for file in (work / name).files()):
            if file.name.startswith(USABLE_PREFIX):
                file.delete()
    check = CheckShard(DecodeShard(decoder.store, decoder.preprocessing, decoder.max_pixels, work / "failures"))
    with reporter.progress("images", len(items.frame)) as bar:
        check_images([shard for side in shards.values() for shard in side], check, bar.update)
    rows = {name: UsableRows.of(side) for name, side in shards.items()}
    empty = {name for name, side in rows.items() if not len(side.columns("leaf"))}
    _show_failures(reporter, failures(work), len(items.frame), decoder.store)
    _refuse_empty({name for name in empty if shards[name] or name != "control"})
    return {name: side for name, side in rows.items() if name not in empty}


def _refuse_empty(sides: Set[str]) -> None:
    """Raise InputError when a side that is needed has no usable image."""
    if needed := [name for name in SPLITS if name in sides and name != "control"]:
        raise InputError(f"--images: not one image of the {', '.join(needed)} items can be used; see above why")


def failures(work: Location) -> pa.Table:
    """The labelled items with unusable images, by FAILURE."""
    tables = pa.concat_tables([FAILURE.empty_table(), *(read_shard(f) for f in (work / "failures").files())])
    once = tables.group_by(FAILURE.names, use_threads=False)  # an epoch may see an item twice
    return once.aggregate([])


def _show_failures(reporter: Reporter, table: pa.Table, items: int, store: ImageStore) -> None:
    """Show the unusable images, by code with examples; if most are missing, with likely causes."""
    if not len(table):
        return
    failed = FailedImages()
    for row in table.to_pylist():
        failed.add_row(row["id"], row["imageRef"], row["errorCode"], row["errorMessage"])
    without = len(set(table["id"].to_pylist()))
    some = "" if without == len(table) else f"; {len(table):,} images in all"
    reporter.warn(f"{without:,} of {items:,} labelled items have an image that cannot be used, and is left out{some}")
    absent = table.filter(pc.equal(table["errorCode"], str(ErrorCode.NOT_FOUND)))["imageRef"].drop_null().to_pylist()
    for line in lines(failed, near_misses(store, absent) if 2 * len(absent) > items else []):
        reporter.step(line)


def _with_digests(rows: pa.Table, store: ImageStore, work: Location, staged: Staged, reporter: Reporter) -> pa.Table:
    """Add the digest of each image; reads all images, once per command."""
    cache = work / "digests.parquet"
    if not cache.exists():
        reporter.step("Looking for copies of one image file (--split stratified does without)")
        shards = [shard_of(work / "items", n) for n in range(staged.shards)]
        digests = ray.data.from_items(shards, override_num_blocks=len(shards))
        digests = digests.map_batches(DigestShard(store).__call__, batch_size=1, zero_copy_batch=True)
        tables = []
        with reporter.progress("images", len(rows)) as bar:
            for batch in digests.iter_batches(batch_size=None, batch_format="pyarrow"):
                tables.append(batch.select(["id", DIGEST]).cast(_DIGESTS))
                bar.update(sum(map(len, tables)))
        write_parquet(cache, pa.concat_tables([_DIGESTS.empty_table(), *tables]))
    table = read_shard(cache)
    digest_of = dict(zip(table["id"].to_pylist(), table[DIGEST].to_pylist(), strict=True))
    return rows.append_column(DIGEST, pa.array([digest_of.get(item) for item in rows["id"].to_pylist()], pa.string()))
