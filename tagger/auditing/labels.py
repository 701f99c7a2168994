"""The labels that an audit judges: those of an index's items."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.auditing.findings import ARTICLE, MASTER
from tagger.errors import InputError, UsageError
from tagger.manifest.groups import pictures_of
from tagger.similarity.index import VectorIndex


@dataclass(frozen=True)
class LabelledIndex:
    """The labelled items of an index."""

    items: pd.DataFrame
    """As the index has them, N rows."""
    positions: np.ndarray
    """Their positions in the index, int [N]."""
    left_out: int
    """Items of the index that have no label."""

    @classmethod
    def of(cls, index: VectorIndex, title: str | None, no_label: str) -> "LabelledIndex":
        """Take the labelled items of an index.

        Args:
            index: The items.
            title: Column of titles that the index must keep; None without titles.
            no_label: The end of the message when there is no label: what a person can do.

        Raises:
            UsageError: when the index does not keep the titles.
            InputError: when no item has a label.
        """
        if title and title not in index.items.schema.names:
            raise UsageError(f"--title {title}: the index has no such column; tagger index --keep {title} keeps it")
        items = index.items.to_pandas()
        positions = np.flatnonzero(index.is_live & items["labelled"].to_numpy(bool))
        if not len(positions):
            raise InputError(f"there is no label among the {len(items):,} items; {no_label}")
        labelled = items.iloc[positions].reset_index(drop=True)
        return cls(labelled, positions, int(index.is_live.sum()) - len(positions))

    def in_conflict(self, groups: pd.DataFrame | None) -> np.ndarray:
        """Which items share their picture with an item that has another label, bool [N].

        Args:
            groups: The result of `read_groups`; without it, two items share a picture when they have the same file.
        """
        labels = self.items[MASTER] + " / " + self.items[ARTICLE]
        pictures = pictures_of(self.items["imageDigest"], groups)
        return np.asarray(labels.groupby(pictures).transform("nunique") > 1)
