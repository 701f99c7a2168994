"""What image and title of each item are like, by which labels are judged."""

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
    """The image vectors and titles of labelled items; they are read once, and judge any labels of these items.

    Args:
        index: Where the vectors are.
        labelled: Its labelled items.
        title: Column of titles; None where images judge alone.
        seed: Of what is drawn.
        reporter: What is told how it goes.

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
        """Judge the labels of the items whose leaf has enough of them, each by models that have not seen the item.

        Args:
            items: The labelled items with the labels to judge: masterCategory and articleType, N rows.
            min_items: Leaves with fewer items are not judged.
            folds: Parts of the items; each is judged by models fitted to the others.

        Raises:
            InputError: when fewer than two leaves have so many items.
        """
        sizes = items.groupby([MASTER, ARTICLE])[ARTICLE].transform("size")
        rows = np.flatnonzero(sizes >= min_items)
        groups = items.iloc[rows].groupby([MASTER, ARTICLE])
        leaf, leaves = groups.ngroup().to_numpy(copy=True), groups.size().index.to_frame(index=False)
        if len(leaves) < 2:
            raise InputError(f"fewer than two leaves have {min_items} labelled items (--min-items)")
        self._reporter.step(f"Judging {len(rows):,} labels of {len(leaves)} leaves by their images")
        fold = learning.folds_of(leaf, self._groups[rows], folds, self._seed)
        image = learning.by_image(self._image[rows], leaf, len(leaves), fold, self._seed)
        title, both = None, image
        if self._title is not None:
            self._reporter.step("Judging them by their titles")
            title = learning.by_title(self._title[rows], leaf, len(leaves), fold, self._seed)
            both = learning.together(image, title, leaf)
        return Judged(rows, leaves, leaf, image, title, both)
