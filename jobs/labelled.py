"""What training, searching and combining begin with: a catalogue's labelled items, split, and their images decoded."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import ray.data

from jobs.console import Console
from jobs.inputs import place
from schemas.bundle import Preprocessing
from schemas.config import CombineConfig, TrainConfig, TuneConfig
from tagger.catalog.groups import read_groups
from tagger.catalog.manifest import Manifest
from tagger.catalog.reviewed import OWN_LABELS, REVIEWED, ReviewedLabels, labelled_once
from tagger.catalog.selection import Selection
from tagger.catalog.shards import Staged, read_shard, shard_of, stage
from tagger.catalog.splits import SPLITS
from tagger.catalog.stores import ImageStore
from tagger.errors import InputError
from tagger.review.decisions import named_decisions
from tagger.storage import Location
from tagger.training.items import (
    DIGEST,
    DUPLICATES,
    FAILURE,
    NO_LABELS,
    DecodeShard,
    DigestShard,
    LabelledItems,
    SplitRule,
)
from tagger.training.loop import image_dataset

_STAGE_ROWS = 8192
_LABELLED = Selection([("unlabelled", lambda batch: ~labelled_once(batch))])


def reviewed_labels(config: TrainConfig | CombineConfig) -> ReviewedLabels | None:
    """What people decided, of the runs and files named. Raises UsageError when there is nothing."""
    if not config.decisions:
        return None
    places = [(name, place(name, config)) for name in config.decisions]
    return ReviewedLabels(table for name, found in places for table in named_decisions(found, f"--decisions {name}"))


def read_labelled(
    manifest: Manifest, store: ImageStore, work: Location, columns: Sequence[str]
) -> tuple[pa.Table, Staged]:
    """The rows with both labels, by ITEM, with some of the manifest's columns besides; rejects go to `work/rejects`.

    Raises:
        InputError: when there are none.
    """
    staged = stage(manifest, store, work / "items", work / "rejects", _STAGE_ROWS, _LABELLED, columns)
    if not staged.items:
        raise InputError(NO_LABELS)
    return pa.concat_tables([read_shard(shard_of(work / "items", n)) for n in range(staged.shards)]), staged


def split_labelled(
    config: TrainConfig | TuneConfig,
    seed: int,
    merge: Mapping[str, str],
    min_items: int,
    manifest: Manifest,
    store: ImageStore,
    work: Location,
    console: Console,
    reviewed: bool = False,
) -> tuple[LabelledItems, Staged, SplitRule]:
    """Read and split a catalogue's labelled items, and say what was found; on request with what the review did to each.

    Raises:
        InputError: when there is not enough to learn from.
        UsageError: when the manifest has not the columns to split by.
    """
    rule = SplitRule.of(config, seed, manifest.columns, config.no_value)
    console.step("Reading the manifest")
    rows, staged = read_labelled(manifest, store, work, [*rule.columns, *([REVIEWED, *OWN_LABELS] if reviewed else [])])
    if DIGEST in rule.group_by:
        console.step("Looking for identical images")
        rows = _with_digests(rows, store, work, staged)
    if config.duplicates:
        groups = read_groups(place(config.duplicates, config))
        group_of = dict(zip(groups["id"], groups["group"].astype(str), strict=True))
        named = pa.array([group_of.get(item) for item in rows["id"].to_pylist()], pa.string())
        rows = rows.append_column(DUPLICATES, named)
    items = LabelledItems.select(rows, merge, min_items, rule)
    sides = ", ".join(f"{name} {count:,}" for name, count in items.split_items().items())
    console.step(
        f"{staged.rows:,} rows ({staged.repaired} repaired, {staged.rejects} rejected), "
        f"{staged.items:,} with both labels; "
        f"{len(items.taxonomy.leaves)} leaves, {len(items.left_out)} left out for too few items; {sides}"
    )
    return items, staged, rule


def decode_sides(
    items: LabelledItems,
    store: ImageStore,
    preprocessing: Preprocessing,
    max_pixels: int,
    work: Location,
    shuffle: int | None = None,
    sides: Sequence[str] = SPLITS[:3],
) -> dict[str, ray.data.Dataset]:
    """Decode the images of some sides, once; those that fail are noted in `work/failures`.

    Args:
        items: What to decode.
        store: Where the images are.
        preprocessing: The model's input.
        max_pixels: Largest image that is decoded.
        work: Folder for what lies around meanwhile.
        shuffle: Seed of the order of the training items; None keeps theirs.
        sides: Names of SPLITS.

    Raises:
        InputError: when not one image of a side can be used.
    """
    (work / "failures").delete()  # of an earlier call; images may be there now
    decode = DecodeShard(store, preprocessing, max_pixels, work / "failures")
    shards = items.write_shards(work, sides)
    found = {name: image_dataset(s, decode, shuffle if name == "train" else None) for name, s in shards.items()}
    empty = [name for name, images in found.items() if not images.count()]
    if empty:
        raise InputError(f"--images: not one image of the {', '.join(empty)} items can be used; tagger check says why")
    return found


def failures(work: Location) -> pa.Table:
    """The labelled items whose image cannot be used: id, split, errorCode, errorMessage."""
    found = pa.concat_tables([FAILURE.empty_table(), *(read_shard(f) for f in (work / "failures").files())])
    once = found.group_by(FAILURE.names, use_threads=False)  # an epoch may see an item twice
    return once.aggregate([])


def _with_digests(rows: pa.Table, store: ImageStore, work: Location, staged: Staged) -> pa.Table:
    """The rows with the digest of each image; all images are read for it."""
    shards = [shard_of(work / "items", n) for n in range(staged.shards)]
    found = ray.data.from_items(shards, override_num_blocks=len(shards))
    digests = found.map_batches(DigestShard(store).__call__, batch_size=1, zero_copy_batch=True).to_pandas()
    by_id = {item: d for item, d in zip(digests["id"], digests[DIGEST], strict=True) if isinstance(d, str)}
    return rows.append_column(DIGEST, pa.array([by_id.get(item) for item in rows["id"].to_pylist()], pa.string()))
