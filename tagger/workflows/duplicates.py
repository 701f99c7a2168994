"""Finds the items of an index that show one picture, and measures how many planted copies it finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.confidence.qa_sample import Precision
from tagger.deduplication.groups import DistinctImages, IndexLayouts, distinct_images, group_items, pair_table
from tagger.deduplication.judged import (
    NONE_JUDGED,
    apply_verdicts,
    locate_judged,
    precision_at,
    read_judged,
    sample_csv,
    sample_of,
    still_together,
    threshold_for,
    with_judged,
)
from tagger.deduplication.leakage import Leakage, TestedBundle, measure_leakage
from tagger.deduplication.page import page_of
from tagger.deduplication.planted import PlantedImages, PlantedLayouts, Trial, judged_pairs, make_copies, sample_images
from tagger.errors import InputError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.groups import GROUPS, PAIRS
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import Bundle
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.similarity import DuplicatesConfig
from tagger.schemas.documents.bundle import Preprocessing
from tagger.similarity.index import VectorIndex
from tagger.workflows.image_pairs import VerifiedPairs, find_pairs, refs_of, verify_pairs
from tagger.workflows.open_catalog import new_folder, open_catalog, resolve_location, resolve_model

_MAX_UNREAD = 0.05
PAGE, SAMPLE = "index.html", "sample.csv"


@dataclass(frozen=True)
class JudgedPairs:
    """Precision of the threshold in use, measured on judged pairs."""

    pairs: int
    structure: float
    """The threshold, 0 to 1."""
    precision: Precision
    """Precision of the judged pairs that reach the threshold, 0 to 1."""


@dataclass(frozen=True)
class DuplicatesResult:
    """Groups of items that show one picture, and the pairs of images that were compared for them."""

    out: Location
    groups: pa.Table
    """By DUPLICATE, the largest group first; each group begins with its representative."""
    pairs: pd.DataFrame
    """Pairs of images, by index: first, second, distance, mirrored, structure, colour, same, judged."""
    images: int
    """Number of distinct images in the pairs."""
    unread: int
    """Number of these that could not be read; their pairs were not compared."""
    judged: JudgedPairs | None
    """None without judged pairs."""
    split: Leakage | None
    """None without a bundle."""

    @property
    def too_many_unread(self) -> bool:
        """Whether more than 5% of the images to compare could not be read."""
        return self.unread > _MAX_UNREAD * self.images

    @property
    def conflicts(self) -> int:
        """Groups with items whose labels differ."""
        frame = self.groups.select(["group", "conflict"]).to_pandas()
        return int(frame.loc[frame["conflict"], "group"].nunique())

    @property
    def kinds(self) -> Mapping[str, int]:
        """Items of groups, by how their image relates to that of the representative."""
        counts = self.groups["sameness"].value_counts().to_pylist()
        return {row["values"]: row["counts"] for row in counts}


def duplicates(config: DuplicatesConfig, reporter: Reporter = LOG) -> DuplicatesResult:
    """Find the items of an index that show one picture: the same file, or resized, compressed, cropped or mirrored.

    Args:
        config: The index, its images, the thresholds, and the folder for groups, pairs, a page and a sample to judge.
        reporter: Receives steps, warnings and progress.

    Returns:
        The groups and their pairs; `out` has both as Parquet.

    Raises:
        UsageError: when `out` is missing or not empty, or no threshold reaches the requested precision.
        InputError: when the index or the judged pairs cannot be read.

    Example::

        from tagger import DuplicatesConfig, duplicates

        result = duplicates(DuplicatesConfig(index="index", manifest="styles.csv", images="images/", out="copies"))
        print(f"{len(result.groups):,} items share a picture with another one")
    """
    if not config.out:
        raise UsageError("--out is missing: the folder for what is found")
    index = VectorIndex(Location(config.index))
    manifest, store = open_catalog(config, reporter)
    distinct = distinct_images(index)
    out = new_folder(config.out, config)
    bundle = TestedBundle.read(resolve_model(config.model, config)) if config.model else None
    judged = _judged(config, reporter, index, distinct)
    structure = config.structure if config.precision is None else threshold_for(judged, config.precision)
    layouts = IndexLayouts(index, distinct.positions)
    absent = _not_in_index(config, reporter, manifest, index)
    pairs = with_judged(find_pairs(reporter, layouts), judged, layouts)
    refs = refs_of(index, distinct)
    verified = verify_pairs(config, reporter, pairs, refs, store, structure)
    pairs = apply_verdicts(verified.pairs, judged)
    groups = group_items(index, distinct, pairs[pairs["same"]])
    sample = sample_of(index, distinct, pairs, structure, config.colour, config.seed)
    write_parquet(out / PAIRS, pair_table(index, distinct, pairs))
    write_parquet(out / GROUPS, groups)
    (out / SAMPLE).write_bytes(sample_csv(sample))
    pictures = Pictures(store, config.max_pixels)
    (out / PAGE).write_text(page_of(groups, pictures, config.shown, sample, str(out)))
    if absent:
        reporter.warn(absent)
    if verified.unread:
        reporter.warn(_unread_in_words(verified, refs))
    together = still_together(index, distinct, judged, groups)
    if together:
        reporter.warn(f"{together:,} pairs that were judged different are in one group all the same, through others")
    precision = JudgedPairs(len(judged), structure, precision_at(judged, structure)) if config.judged else None
    leakage = measure_leakage(groups.to_pandas(), bundle) if bundle else None
    return DuplicatesResult(out, groups, pairs, verified.images, len(verified.unread), precision, leakage)


def _not_in_index(config: DuplicatesConfig, reporter: Reporter, manifest: Manifest, index: VectorIndex) -> str | None:
    """How many items of the manifest the index lacks, in words; None if it has all of them."""
    items = absent = 0
    with reporter.progress("Reading the manifest", None, "rows") as bar:
        for batch in manifest.batches():
            positions = index.positions(batch.items["id"].to_pylist())
            items += len(positions)
            absent += int((positions < 0).sum())
            bar.update(items)
    if not absent:
        return None
    return (
        f"{absent:,} of {items:,} items of {config.manifest} are not in the index, so their copies are not looked "
        "for: their images could not be read, or no run with image vectors has them"
    )


def _unread_in_words(verified: VerifiedPairs, refs: Sequence[str | None]) -> str:
    """How many of the images to compare could not be read, and why the first of them could not."""
    number, reason = next(iter(verified.unread.items()))
    pairs = int(verified.pairs["structure"].isna().sum())
    return (
        f"{len(verified.unread):,} of {verified.images:,} images to compare could not be read, so {pairs:,} of "
        f"{len(verified.pairs):,} pairs were not compared; the first: {refs[number]}: {reason}"
    )


def try_planted_copies(config: DuplicatesConfig, reporter: Reporter = LOG) -> Trial:
    """Plant altered copies of an index's images, and count the copies found and the wrong pairs.

    Args:
        config: As for `duplicates`, with `plant`; nothing is written.
        reporter: Receives steps, warnings and progress.

    Raises:
        UsageError: when `model` does not name the bundle of the index.
        InputError: when none of the images can be read.
    """
    index = VectorIndex(Location(config.index))
    _, store = open_catalog(config, reporter)
    distinct = distinct_images(index)
    preprocessing = _preprocessing(config, index)
    refs = refs_of(index, distinct)
    ids = index.items["id"].take(pa.array(distinct.positions)).to_pylist()
    chosen = sample_images(ids, config.plant, config.seed)
    reporter.step(f"Altering copies of {len(chosen):,} of {len(refs):,} images")
    copies = make_copies(chosen, refs, store, config.max_pixels, config.seed)
    origins = len(np.unique(copies.origins))
    if not origins:
        raise InputError(f"--plant: none of {len(chosen):,} images could be read; are they in --images?")
    if origins < len(chosen):
        reporter.warn(f"{len(chosen) - origins:,} of these images could not be read, and have no copies")
    layouts = PlantedLayouts(IndexLayouts(index, distinct.positions), copies, preprocessing, config.max_pixels)
    pairs = find_pairs(reporter, layouts)
    images: ImageStore = PlantedImages(store, dict(zip(copies.refs, copies.files, strict=True)))
    refs_of_all = [*refs, *copies.refs]
    pairs = pairs[copies.involved_in(pairs)]
    verified = verify_pairs(config, reporter, pairs, refs_of_all, images, config.structure)
    return Trial.of(judged_pairs(verified.pairs, copies), copies, config.colour)


def _judged(config: DuplicatesConfig, reporter: Reporter, index: VectorIndex, distinct: DistinctImages) -> pd.DataFrame:
    """The judged pairs by their images; none without a file. Raises UsageError or InputError."""
    if config.judged is None:
        return NONE_JUDGED
    file = resolve_location(config.judged, config)
    rows = read_judged(file)
    judged = locate_judged(rows, index, distinct, file)
    left_out = len(rows) - len(judged)
    if left_out:
        reporter.warn(
            f"{left_out:,} of {len(rows):,} judged pairs are left out: the index has not both items, or knows them "
            "to have one file, or the pair stands there twice"
        )
    return judged


def _preprocessing(config: DuplicatesConfig, index: VectorIndex) -> Preprocessing:
    """The preprocessing of the index's layouts. Raises UsageError for another bundle, or none."""
    model = config.model or index.card.model
    if model is None:
        raise UsageError("--model: name the bundle that the index was made with; --plant needs its preprocessing")
    card = Bundle.load(resolve_location(model, config)).card
    if card.model_id != index.card.model_id:
        raise UsageError(f"--model: {model} is {card.model_id}, but the index was made with {index.card.model_id}")
    return card.preprocessing
