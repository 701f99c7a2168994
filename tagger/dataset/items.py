"""Labelled items as a model is trained on them: leaves, taxonomy and split."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.dataset.long_tail import long_tail, unbalanced
from tagger.dataset.split_rule import SplitRule
from tagger.dataset.splits import SPLITS
from tagger.dataset.trainable import why_unsplit, why_untrainable
from tagger.decisions.labels import MANIFEST_LABELS, REVIEWED
from tagger.errors import InputError
from tagger.flow.hash_order import hash_order
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.labels import KnownLabels
from tagger.runs.staging import passthrough, shard_of
from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.documents.taxonomy import Taxonomy

_LABELS = ("masterCategory", "articleType")
_SHARD_ROWS = 1024
LEFT_OUT = "left_out"
"""The side of items of leaves that were left out of training."""


@dataclass(frozen=True)
class LabelledItems:
    """The items for training, in the fastest order for reading their images.

    Columns are id, imageRef, furtherImageRefs (the images after the first, or None), leaf, split, time, reviewed
    (whether a person decided the label), and times (how often an epoch sees the item).
    """

    frame: pd.DataFrame
    taxonomy: Taxonomy
    left_out: tuple[LeftOut, ...]
    of_left_out: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Items of the leaves that were left out, with id, imageRef, furtherImageRefs, time, which is None, and leaf, a
    negative number for each."""

    @classmethod
    def select(cls, rows: pa.Table, merge: Mapping[str, str], min_items: int, rule: SplitRule) -> "LabelledItems":
        """Keep the items of leaves with at least `min_items`, and split them; leaves without a train item are left out.

        Args:
            rows: By ITEM, with the columns that the rule needs; rows without both labels are ignored.
            merge: Master categories to count as another.
            min_items: Least number of items of a leaf.
            rule: How to split. Sides are drawn from the manifest's own labels, so that a review moves no item to
                another side. An item whose first label is a review decision trains: items are reviewed because they
                are doubtful, and would make the other sides harder than the catalogue. Where its group is on another
                side, it is left out.

        Raises:
            InputError: when fewer than two leaves are large enough, or val or test is empty.
        """
        frame = _labelled(rows, merge)
        counts = Counter(frame["pair"])
        large = {pair for pair, count in counts.items() if count >= min_items}
        if problem := why_untrainable(counts, min_items):
            raise InputError(problem)
        everything = frame
        frame = frame[frame["pair"].isin(large)].reset_index(drop=True)
        frame["leaf"] = frame["pair"].map(Taxonomy.of(large, merge).index)
        frame["split"] = _sides(rows, frame, merge, min_items, rule)
        frame = frame.dropna(subset=["split"]).reset_index(drop=True)
        if problem := why_unsplit(frame["pair"].tolist(), frame["split"].tolist(), rule.shares):
            raise InputError(problem)
        trained = set(frame.loc[frame["split"] == "train", "pair"])
        taxonomy = Taxonomy.of(trained, merge)
        left_out = tuple(
            LeftOut(master_category=m, article_type=a, items=n)
            for (m, a), n in sorted(counts.items(), key=lambda e: (-e[1], e[0]))
            if (m, a) not in trained
        )
        others = everything[~everything["pair"].isin(trained)].reset_index(drop=True)
        others = others.assign(time=None, leaf=-1 - others.groupby("pair").ngroup() if len(others) else -1)
        return cls(_with_leaves(frame, taxonomy, rule.time_by), taxonomy, left_out, others)

    @classmethod
    def of_split(cls, rows: pa.Table, taxonomy: Taxonomy, sides: Mapping[str, str], time_by: str) -> "LabelledItems":
        """The items of a known taxonomy that have a known side, by id.

        Args:
            rows: By ITEM; rows without both labels, of other leaves and of no side are ignored.
            taxonomy: The leaves.
            sides: Names of SPLITS by id.
            time_by: Column that was kept with the rows for its times; may be empty.
        """
        frame = _labelled(rows, {})
        known = KnownLabels(taxonomy)
        frame["pair"] = pd.Series(known.pairs(*zip(*frame["pair"], strict=True)) if len(frame) else [], dtype=object)
        frame["split"] = frame["id"].map(sides)
        return cls(_with_leaves(frame.dropna(subset=["split"]), taxonomy, time_by), taxonomy, ())

    def sample(self, size: int, seed: int) -> "LabelledItems":
        """`size` of the train and val items, drawn by hash of their id; the taxonomy keeps leaves without items."""
        candidates = self.frame[self.frame["split"].isin(("train", "val"))]
        keys = [f"sample {item}" for item in candidates["id"]]  # independent of the order of the split
        order = np.argsort(hash_order(keys, seed))[:size]
        return replace(self, frame=candidates.iloc[np.sort(order)].reset_index(drop=True))

    def with_few_train(self, size: int, seed: int) -> "LabelledItems":
        """A copy with `size` of the train items, drawn by hash of their id; other sides stay whole."""
        train = self.frame[self.frame["split"] == "train"]
        rest = train.index[np.argsort(hash_order([f"sample {item}" for item in train["id"]], seed))[size:]]
        return replace(self, frame=self.frame.drop(rest).reset_index(drop=True))

    def repeated(self, times: int) -> "LabelledItems":
        """A copy that has every reviewed train item `times` times in each epoch."""
        weights = self.frame["times"].mask(self.frame["reviewed"] & (self.frame["split"] == "train"), times)
        return replace(self, frame=self.frame.assign(times=weights))

    def thinned(self, ratio: float, seed: int) -> "LabelledItems":
        """A copy with a long tail among the train items, by `long_tail.long_tail`; other sides stay whole."""
        train = self.frame[self.frame["split"] == "train"]
        leaves = train["leaf"].tolist()
        stays = unbalanced(train["id"].tolist(), leaves, long_tail(leaves, ratio), seed)
        return replace(self, frame=self.frame.drop(train.index[~stays]).reset_index(drop=True))

    def fingerprint(self) -> str:
        """Hash of ids and labels, whatever their order."""
        names = [f"{leaf.masterCategory}\t{leaf.articleType}" for leaf in self.taxonomy.leaves]
        lines = sorted(f"{i}\t{names[leaf]}" for i, leaf in zip(self.frame["id"], self.frame["leaf"], strict=True))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def split_items(self) -> dict[str, int]:
        """Number of items on each side."""
        counts = self.frame["split"].value_counts()
        return {name: int(counts.get(name, 0)) for name in SPLITS}

    def split_table(self) -> pa.Table:
        """Id and side of each item, as a bundle stores them to repeat the split."""
        return pa.table({"id": pa.array(self.frame["id"], pa.string()), "split": pa.array(self.frame["split"])})

    def write_shards(self, work: Location, splits: Sequence[str] = SPLITS[:3]) -> dict[str, list[Location]]:
        """Write the images of each side to shards of id, imageRef, time, leaf and number; return them by side.

        An item has one row for each of its images, with their numbers from 0.
        """
        shards: dict[str, list[Location]] = {}
        for split in splits:
            side = self.frame[self.frame["split"] == split]
            side = side.loc[side.index.repeat(side["times"])].reset_index(drop=True)
            shards[split] = _written(side, work / split)
        return shards

    def write_left_out(self, work: Location, most: int, seed: int) -> list[Location]:
        """Write the images of some items of leaves that were left out, as `write_shards` does.

        Args:
            work: The working folder.
            most: Most items; of more, a random sample is drawn by hash of the id.
            seed: Of the sample.
        """
        items = self.of_left_out
        if len(items) > most:
            chosen = np.argsort(hash_order([f"left out {item}" for item in items["id"]], seed))[:most]
            items = items.iloc[np.sort(chosen)].reset_index(drop=True)
        return _written(items, work / LEFT_OUT) if len(items) else []


def _labelled(rows: pa.Table, merge: Mapping[str, str], labels: Sequence[str] = _LABELS) -> pd.DataFrame:
    """The rows with both labels, the master category merged, and `pair`, the two as a tuple."""
    frame: pd.DataFrame = rows.drop_columns(["row", "knownDigest"]).to_pandas()
    frame = frame.dropna(subset=list(labels)).reset_index(drop=True)
    masters, articles = (frame[name] for name in labels)
    masters = masters.map(lambda m: merge.get(m, m))
    frame["pair"] = pd.Series(list(zip(masters, articles, strict=True)), dtype=object)
    return frame


def _by_image(items: pd.DataFrame) -> pd.DataFrame:
    """One row for each image of the items: id, imageRef, time, leaf and number."""
    several = items["furtherImageRefs"].notna()
    first = items.assign(number=0)
    if several.any():
        further = items[several].explode("furtherImageRefs")
        further = further.assign(number=further.groupby(level=0).cumcount() + 1, imageRef=further["furtherImageRefs"])
        first = pd.concat([first, further]).sort_index(kind="stable")
    return first[["id", "imageRef", "time", "leaf", "number"]]


def _written(items: pd.DataFrame, folder: Location) -> list[Location]:
    """The shards of the images of some items, written to a folder."""
    table = pa.Table.from_pandas(_by_image(items), preserve_index=False)
    shards = []
    for number, start in enumerate(range(0, len(table), _SHARD_ROWS)):
        shards.append(shard_of(folder, number))
        write_parquet(shards[-1], table.slice(start, _SHARD_ROWS))
    return shards


def _sides(
    rows: pa.Table, frame: pd.DataFrame, merge: Mapping[str, str], min_items: int, rule: SplitRule
) -> np.ndarray:
    """The side of each item, object [N]; None for items that must be left out."""
    if passthrough(REVIEWED) not in frame:
        return rule.sides(frame)
    labelled = _labelled(rows, merge, [passthrough(name) for name in MANIFEST_LABELS])
    counts = Counter(labelled["pair"])
    labelled = labelled[[counts[pair] >= min_items for pair in labelled["pair"]]].reset_index(drop=True)
    labelled["leaf"] = labelled["pair"].map(Taxonomy.of(set(labelled["pair"]), merge).index) if len(labelled) else 0
    drawn = dict(zip(labelled["id"], rule.sides(labelled), strict=True)) if len(labelled) else {}
    sides = np.array([drawn.get(item, "train") for item in frame["id"]], object)
    groups = rule.groups(frame)
    if groups is not None:
        is_new = ~frame["id"].isin(list(drawn)).to_numpy()
        measuring = groups[~is_new & (sides != "train")]
        sides[is_new & np.isin(groups, measuring)] = None
    return sides


def _with_leaves(frame: pd.DataFrame, taxonomy: Taxonomy, time_by: str) -> pd.DataFrame:
    """The columns of LabelledItems, for the items of the taxonomy's leaves."""
    frame = frame[frame["pair"].isin(list(taxonomy.index))].reset_index(drop=True)
    frame["leaf"] = frame["pair"].map(taxonomy.index).astype(np.int64)
    frame["time"] = frame[passthrough(time_by)] if time_by else pd.Series([None] * len(frame), dtype=object)
    frame["reviewed"] = frame[passthrough(REVIEWED)].notna() if passthrough(REVIEWED) in frame else False
    frame["times"] = 1
    return frame[["id", "imageRef", "furtherImageRefs", "time", "leaf", "split", "reviewed", "times"]]
