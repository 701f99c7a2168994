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
            title: Column of titles that the index is to keep; None for none.
            no_label: What a person can do when there is no label, the end of a message.

        Raises:
            UsageError: when the index does not keep the titles.
            InputError: when no item has a label.
        """
        if title and title not in index.items.schema.names:
            raise UsageError(f"--title {title}: the index has no such column; tagger index --keep {title} keeps it")
        items = index.items.to_pandas()
        chosen = np.flatnonzero(index.is_live & items["labelled"].to_numpy(bool))
        if not len(chosen):
            raise InputError(f"there is no label among the {len(items):,} items; {no_label}")
        labelled = items.iloc[chosen].reset_index(drop=True)
        return cls(labelled, chosen, int(index.is_live.sum()) - len(chosen))

    def in_conflict(self, groups: pd.DataFrame | None) -> np.ndarray:
        """Items whose picture another one has with another label, bool [N].

        Args:
            groups: What `read_groups` gives; without it, one picture is one file.
        """
        labels = self.items[MASTER] + " / " + self.items[ARTICLE]
        pictures = pictures_of(self.items["imageDigest"], groups)
        return np.asarray(labels.groupby(pictures).transform("nunique") > 1)
