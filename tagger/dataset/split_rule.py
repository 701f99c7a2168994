"""How labelled items are split into train, val, test and control."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tagger.dataset.splits import as_times, chronological, connected, stratified
from tagger.errors import UsageError
from tagger.manifest.headings import listed
from tagger.manifest.no_value import NoValue
from tagger.runs.staging import passthrough
from tagger.schemas.configs.options import SplitKind, SplitOptions

DIGEST = "digest"
"""Stands in `group_by` for the image's digest, which groups items with identical images."""
DUPLICATES = "picture (tagger duplicates)"
"""Stands in `group_by` for the groups that tagger duplicates has written."""


@dataclass(frozen=True)
class SplitRule:
    """How labelled items are split."""

    kind: SplitKind
    shares: dict[str, float]
    """Of val, test and control; train takes the rest."""
    seed: int
    group_by: tuple[str, ...] = ()
    """Columns of the manifest, DIGEST or DUPLICATES."""
    time_by: str = ""
    """Column of the manifest; empty where it has none."""
    no_value: tuple[str, ...] = ()
    """Further spellings of an empty cell."""

    @classmethod
    def of(cls, config: SplitOptions, seed: int, columns: Sequence[str], no_value: Sequence[str] = ()) -> "SplitRule":
        """The rule of a config and a seed, for a manifest with these columns.

        Raises:
            UsageError: when the manifest lacks a column to split by.
        """
        time_by = config.time_by if config.time_by in columns else ""
        if config.split == "time" and not time_by:
            raise UsageError(f"--time-by {config.time_by}: the manifest has no such column; it has {listed(columns)}")
        duplicates = (DUPLICATES,) if config.duplicates else ()
        group_by = (*config.group_by, *duplicates) if config.split == "group" else ()
        absent = [name for name in group_by if name not in (DIGEST, DUPLICATES) and name not in columns]
        if absent:
            raise UsageError(f"--group-by {absent[0]}: the manifest has no such column; it has {listed(columns)}")
        shares = {"val": config.val, "test": config.test, "control": config.control}
        if not config.control:  # a policy needs items that neither training nor calibration has used
            shares |= {"val": config.val / 2, "control": config.val / 2}
        return cls(
            config.split,
            shares,
            seed if config.split_seed is None else config.split_seed,
            group_by,
            time_by,
            tuple(no_value),
        )

    def without_images(self) -> "SplitRule":
        """The part of the rule that needs no image."""
        group_by = tuple(name for name in self.group_by if name != DIGEST)
        kind = "stratified" if self.kind == "group" and not group_by else self.kind
        return replace(self, kind=kind, group_by=group_by)

    @property
    def columns(self) -> list[str]:
        """The manifest's columns that the rule needs."""
        return sorted({*self.group_by, self.time_by} - {DIGEST, DUPLICATES, ""})

    def sides(self, frame: pd.DataFrame) -> np.ndarray:
        """Names of SPLITS for items with id, leaf and the columns needed, object [N]."""
        ids, leaves = frame["id"].tolist(), frame["leaf"].tolist()
        match self.kind:
            case "time":
                cells = frame[passthrough(self.time_by)].tolist()
                times = as_times(ids, cells, self.time_by, NoValue(self.no_value))
                return chronological(ids, times, self.shares, self.seed)
            case _:
                return stratified(ids, leaves, self.shares, self.seed, self.groups(frame))

    def groups(self, frame: pd.DataFrame) -> np.ndarray | None:
        """Group number of each item, int [N], from the columns needed; None where items are not grouped."""
        if self.kind != "group":
            return None
        no_value = NoValue(self.no_value)
        computed = [frame[name].tolist() for name in self.group_by if name in (DIGEST, DUPLICATES)]
        mapped = [frame[passthrough(name)].tolist() for name in self.group_by if name not in (DIGEST, DUPLICATES)]
        return connected(computed + [[None if no_value.means_none(c) else c for c in cells] for cells in mapped])

    def __str__(self) -> str:
        """A description for a report."""
        match self.kind:
            case "time":
                return f"by {self.time_by}: the oldest items train; val, test and control come after them in time"
            case "group":
                names = ["image file" if name == DIGEST else name for name in self.group_by]
                return f"stratified by leaf, items with the same {' or '.join(names)} on one side"
            case _:
                return "stratified by leaf"
