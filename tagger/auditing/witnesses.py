"""Judges labels by the images and titles of their items."""

import numpy as np
import pandas as pd

from tagger.auditing import learning
from tagger.auditing.findings import ARTICLE, MASTER, Judged
from tagger.auditing.labels import LabelledIndex
from tagger.dataset.splits import connected
from tagger.errors import InputError
from tagger.reporter import Reporter
from tagger.similarity.index import VectorIndex


class Witnesses:
    """The image vectors and titles of labelled items. They are read once, and can judge any labels of these items.

    Args:
        index: The index that holds the vectors.
        labelled: Its labelled items.
        title: Column of titles; None to judge by images alone.
        seed: Seed of folds and subsamples.
        reporter: Receives the progress.

    Raises:
        InputError: when no title has a word.
    """

    def __init__(
        self, index: VectorIndex, labelled: LabelledIndex, title: str | None, seed: int, reporter: Reporter
    ) -> None:
        self._seed = seed
        self._reporter = reporter
        reporter.step("Reading the image vectors")
        self._image = learning.image_features(index, labelled.positions, seed)
        titles = labelled.items[title].fillna("").tolist() if title else None
        self._groups = connected([labelled.items["imageDigest"].tolist(), *([titles] if titles else [])])
        self._title = learning.title_features(titles) if titles else None

    def judge(self, items: pd.DataFrame, min_items: int, folds: int) -> Judged:
        """Judge the labels of the items whose leaf has enough items, each by models that have not seen the item.

        Args:
            items: The labelled items with the labels to judge: masterCategory and articleType, N rows.
            min_items: Leaves with fewer items are not judged.
            folds: Number of folds; each is judged by models fitted to the others.

        Raises:
            InputError: when fewer than two leaves have `min_items` items.
        """
        sizes = items.groupby([MASTER, ARTICLE])[ARTICLE].transform("size")
        rows = np.flatnonzero(sizes >= min_items)
        groups = items.iloc[rows].groupby([MASTER, ARTICLE])
        leaf, leaves = groups.ngroup().to_numpy(copy=True), groups.size().index.to_frame(index=False)
        if len(leaves) < 2:
            raise InputError(f"fewer than two leaves have {min_items} labelled items (--min-items)")
        self._reporter.step(f"Judging {len(rows):,} labels of {len(leaves)} leaves by their images")
        fold = learning.assign_folds(leaf, self._groups[rows], folds, self._seed)
        image = learning.image_probabilities(self._image[rows], leaf, len(leaves), fold, self._seed)
        title, both = None, image
        if self._title is not None:
            self._reporter.step("Judging them by their titles")
            title = learning.title_probabilities(self._title[rows], leaf, len(leaves), fold, self._seed)
            both = learning.combine_probabilities(image, title, leaf)
        return Judged(rows, leaves, leaf, image, title, both)
