"""Pairs of similar images, for the duplicates job and its trial with planted copies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.deduplication.groups import (
    QUERY_BATCH,
    DistinctImages,
    Layouts,
    candidate_pairs,
    compare_pairs,
    nearest_of_each_pair,
)
from tagger.images.stores import ImageStore
from tagger.imaging.alignment import Likeness
from tagger.reporter import Reporter
from tagger.schemas.configs.similarity import DuplicatesConfig
from tagger.similarity.index import VectorIndex


@dataclass(frozen=True)
class VerifiedPairs:
    """Pairs of images, closely compared."""

    pairs: pd.DataFrame
    """With structure, colour and same; NaN and False where an image could not be read."""
    images: int
    """Number of distinct images in these pairs."""
    unread: Mapping[int, str]
    """Numbers of those that could not be read, and why."""


def refs_of(index: VectorIndex, distinct: DistinctImages) -> list[str | None]:
    """The reference of each distinct image."""
    refs: list[str | None] = index.items["imageUri"].take(pa.array(distinct.positions)).to_pylist()
    return refs


def find_pairs(reporter: Reporter, layouts: Layouts) -> pd.DataFrame:
    """Find pairs of images with similar layouts."""
    pieces = []
    with reporter.progress("images", 2 * len(layouts)) as bar:
        for done, piece in enumerate(candidate_pairs(layouts), 1):
            pieces.append(piece)
            bar.update(min(done * QUERY_BATCH, 2 * len(layouts)))
    return nearest_of_each_pair(pieces)


def verify_pairs(
    config: DuplicatesConfig,
    reporter: Reporter,
    pairs: pd.DataFrame,
    refs: Sequence[str | None],
    store: ImageStore,
    structure: float,
) -> VerifiedPairs:
    """Add structure and colour to pairs, and whether these make them the same picture."""
    images = len(np.unique(pairs[["first", "second"]].to_numpy()))
    likenesses_of_pairs: list[Likeness | None] = []
    unread: dict[int, str] = {}
    with reporter.progress("pairs", len(pairs)) as bar:
        for compared in compare_pairs(pairs, refs, store, config.max_pixels):
            likenesses_of_pairs += compared.likenesses
            unread |= compared.unread
            bar.update(len(likenesses_of_pairs))
    pairs = pairs.assign(
        structure=np.array([np.nan if f is None else f.structure for f in likenesses_of_pairs], float),
        colour=np.array([np.nan if f is None else f.colour for f in likenesses_of_pairs], float),
    )
    same = (pairs["structure"] >= structure) & (pairs["colour"] <= config.colour)
    return VerifiedPairs(pairs.assign(same=same), images, unread)
