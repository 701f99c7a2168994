"""From a manifest's labels to what a model is trained on: leaves, taxonomy, split, decoded images."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.dataset.long_tail import long_tail, unbalanced
from tagger.dataset.splits import SPLITS, as_times, chronological, connected, stratified
from tagger.dataset.trainable import why_unsplit, why_untrainable
from tagger.decisions.labels import OWN_LABELS, REVIEWED
from tagger.errors import ImageError, InputError, UsageError
from tagger.flow.hash_order import hash_order
from tagger.images.stores import ImageStore, fetch_all
from tagger.imaging.decode import decode_resized, pad
from tagger.imaging.quality import blur_score, blurred
from tagger.imaging.threads import decode_in_one_thread
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.labels import KnownLabels
from tagger.manifest.no_value import NoValue
from tagger.runs.staging import kept, read_shard, shard_of
from tagger.schemas.configs.options import SplitKind, SplitOptions
from tagger.schemas.documents.bundle import LeftOut, Preprocessing
from tagger.schemas.documents.taxonomy import Taxonomy

CHUNK_ROWS = 128
_LABELS = ("masterCategory", "articleType")
_SHARD_ROWS = 1024
FAILURE = pa.schema([(name, pa.string()) for name in ("id", "split", "imageRef", "errorCode", "errorMessage")])
"""An item to learn from whose image cannot be used, and the path that was tried."""

DIGEST = "digest"
"""What groups items by identical images, where other groups are named by column."""
DUPLICATES = "picture (tagger duplicates)"
"""What groups items by what tagger duplicates has found."""


@dataclass(frozen=True)
class SplitRule:
    """How labelled items are split."""

    kind: SplitKind
    shares: dict[str, float]
    """Of val, test and control."""
    seed: int
    group_by: tuple[str, ...] = ()
    """Columns of the manifest, DIGEST or DUPLICATES."""
    time_by: str = ""
    """Column of the manifest, where it has it."""
    no_value: tuple[str, ...] = ()
    """What the manifest says for no value besides the usual."""

    @classmethod
    def of(cls, config: SplitOptions, seed: int, columns: Sequence[str], no_value: Sequence[str] = ()) -> "SplitRule":
        """What a config and a seed ask for, of a manifest with these columns.

        Raises:
            UsageError: when it has not the columns to split by.
        """
        time_by = config.time_by if config.time_by in columns else ""
        if config.split == "time" and not time_by:
            raise UsageError(f"--time-by {config.time_by}: the manifest has no such column; it has {list(columns)}")
        found = (DUPLICATES,) if config.duplicates else ()
        group_by = (*config.group_by, *found) if config.split == "group" else ()
        absent = [name for name in group_by if name not in (DIGEST, DUPLICATES) and name not in columns]
        if absent:
            raise UsageError(f"--group-by {absent[0]}: the manifest has no such column; it has {list(columns)}")
        shares = {"val": config.val, "test": config.test, "control": config.control}
        if not config.control:  # a policy wants items that neither epochs nor calibration have seen
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
        """The rule as far as it can be applied before an image is read."""
        group_by = tuple(name for name in self.group_by if name != DIGEST)
        kind = "stratified" if self.kind == "group" and not group_by else self.kind
        return replace(self, kind=kind, group_by=group_by)

    @property
    def columns(self) -> list[str]:
        """The manifest's columns that it needs."""
        return sorted({*self.group_by, self.time_by} - {DIGEST, DUPLICATES, ""})

    def sides(self, frame: pd.DataFrame) -> np.ndarray:
        """Names of SPLITS for items with id, leaf and the columns needed, object [N]."""
        ids, leaves = frame["id"].tolist(), frame["leaf"].tolist()
        match self.kind:
            case "time":
                cells = frame[kept(self.time_by)].tolist()
                times = as_times(ids, cells, self.time_by, NoValue(self.no_value))
                return chronological(ids, times, self.shares, self.seed)
            case _:
                return stratified(ids, leaves, self.shares, self.seed, self.groups(frame))

    def groups(self, frame: pd.DataFrame) -> np.ndarray | None:
        """Number of the group of each item with the columns needed, int [N]; None where items stand alone."""
        if self.kind != "group":
            return None
        no_value = NoValue(self.no_value)
        computed = [frame[name].tolist() for name in self.group_by if name in (DIGEST, DUPLICATES)]
        given = [frame[kept(name)].tolist() for name in self.group_by if name not in (DIGEST, DUPLICATES)]
        return connected(computed + [[None if no_value.means_none(c) else c for c in cells] for cells in given])

    def __str__(self) -> str:
        """In words, for a report."""
        match self.kind:
            case "time":
                return f"by {self.time_by}: the oldest items train; val, test and control come after them in time"
            case "group":
                names = ["image file" if name == DIGEST else name for name in self.group_by]
                return f"stratified by leaf, items with the same {' or '.join(names)} on one side"
            case _:
                return "stratified by leaf"


@dataclass(frozen=True)
class LabelledItems:
    """The items to learn from, in the order in which images are read best.

    Columns are id, imageRef, leaf, split, time, whether a person decided the label (`reviewed`), and how often an epoch
    sees the item (`times`).
    """

    frame: pd.DataFrame
    taxonomy: Taxonomy
    left_out: tuple[LeftOut, ...]

    @classmethod
    def select(cls, rows: pa.Table, merge: Mapping[str, str], min_items: int, rule: SplitRule) -> "LabelledItems":
        """Keep the items of leaves with at least `min_items`, and split them; leaves without a train item are left out.

        Args:
            rows: By ITEM, with what the rule needs besides; rows without both labels are ignored.
            merge: Master categories to count as another.
            min_items: Least number of items of a leaf.
            rule: How to split. Sides are drawn over the labels that the manifest has itself, so that a review moves no
                item to another side. An item whose first label is a review decision trains, because what is reviewed
                is chosen for its doubts, and would make the other sides harder than the catalogue; where its group
                is on another side, it is left out.

        Raises:
            InputError: when fewer than two leaves are large enough, or val or test is empty.
        """
        frame = _labelled(rows, merge)
        counts = Counter(frame["pair"])
        large = {pair for pair, count in counts.items() if count >= min_items}
        if problem := why_untrainable(counts, min_items):
            raise InputError(problem)
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
        return cls(_placed(frame, taxonomy, rule.time_by), taxonomy, left_out)

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
        return cls(_placed(frame.dropna(subset=["split"]), taxonomy, time_by), taxonomy, ())

    def sample(self, size: int, seed: int) -> "LabelledItems":
        """So many of the train and val items, drawn by hash of their id; leaves stay, even those without an item."""
        steering = self.frame[self.frame["split"].isin(("train", "val"))]
        keys = [f"sample {item}" for item in steering["id"]]  # another order than the one that has drawn the sides
        order = np.argsort(hash_order(keys, seed))[:size]
        return replace(self, frame=steering.iloc[np.sort(order)].reset_index(drop=True))

    def with_few_train(self, size: int, seed: int) -> "LabelledItems":
        """The same with so many of the train items, drawn by hash of their id; other sides stay."""
        train = self.frame[self.frame["split"] == "train"]
        rest = train.index[np.argsort(hash_order([f"sample {item}" for item in train["id"]], seed))[size:]]
        return replace(self, frame=self.frame.drop(rest).reset_index(drop=True))

    def repeated(self, times: int) -> "LabelledItems":
        """The same with every reviewed train item so many times in each epoch."""
        weights = self.frame["times"].mask(self.frame["reviewed"] & (self.frame["split"] == "train"), times)
        return replace(self, frame=self.frame.assign(times=weights))

    def thinned(self, ratio: float, seed: int) -> "LabelledItems":
        """The same with a long tail among the train items, as `unbalance.long_tail` makes it; other sides stay."""
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
        """Which item is on which side: what a bundle keeps, so that the split can be repeated."""
        return pa.table({"id": pa.array(self.frame["id"], pa.string()), "split": pa.array(self.frame["split"])})

    def write_shards(self, work: Location, splits: Sequence[str] = SPLITS[:3]) -> dict[str, list[Location]]:
        """Write the items of each side to shards of id, imageRef, time and leaf; return them by side."""
        found: dict[str, list[Location]] = {}
        for split in splits:
            side = self.frame[self.frame["split"] == split]
            side = side.loc[side.index.repeat(side["times"])]
            table = pa.Table.from_pandas(side[["id", "imageRef", "time", "leaf"]], preserve_index=False)
            found[split] = []
            for number, start in enumerate(range(0, len(table), _SHARD_ROWS)):
                shard = shard_of(work / split, number)
                write_parquet(shard, table.slice(start, _SHARD_ROWS))
                found[split].append(shard)
        return found


class DecodeShard:
    """Turns shards into batches of decoded images; items whose image fails are left out, and written to `failures`."""

    def __init__(self, store: ImageStore, preprocessing: Preprocessing, max_pixels: int, failures: Location) -> None:
        self._store = store
        self._preprocessing = preprocessing
        self._max_pixels = max_pixels
        self._failures = failures

    def __call__(self, shards: Mapping[str, Sequence[object]]) -> Iterator[dict[str, np.ndarray]]:
        """Yield batches of what is in the shards, and of what is in the images.

        These are split, id, imageRef, time (empty where there is none), leaf int64 [n], image uint8 [n, H, W, 3], blur
        float32 [n], the blur score, and blurred float32 [n], that of the image after `quality.blurred`.
        """
        decode_in_one_thread()
        for shard in shards["item"]:
            if not isinstance(shard, Location):
                raise TypeError(f"{shard!r} is no location of a shard")
            yield from self._decode(shard)

    def _decode(self, shard: Location) -> Iterator[dict[str, np.ndarray]]:
        table = read_shard(shard)
        failed: list[tuple[str | None, ...]] = []
        for start in range(0, len(table), CHUNK_ROWS):
            rows = table.slice(start, CHUNK_ROWS).to_pandas()
            found: dict[int, np.ndarray] = {}
            for row, data in enumerate(fetch_all(self._store, rows["imageRef"].tolist())):
                try:
                    if isinstance(data, ImageError):
                        raise data
                    found[row] = decode_resized(data, self._preprocessing, self._max_pixels)
                except ImageError as error:
                    tried = (rows["id"][row], shard.parent.name, rows["imageRef"][row])
                    failed.append((*tried, str(error.code), error.message))
            if found:
                images = list(found.values())
                rows = rows.iloc[list(found)]
                yield {
                    "split": np.full(len(found), shard.parent.name, object),
                    **{name: rows[name].fillna("").to_numpy(object) for name in ("id", "imageRef", "time")},
                    "leaf": rows["leaf"].to_numpy(np.int64),
                    "image": np.stack([pad(image, self._preprocessing) for image in images]),
                    "blur": np.array([blur_score(image) for image in images], np.float32),
                    "blurred": np.array([blur_score(blurred(image)) for image in images], np.float32),
                }
        if failed:
            name = f"{shard.parent.name}-{shard.name}"
            columns = [pa.array(c, pa.string()) for c in zip(*failed, strict=True)]
            write_parquet(self._failures / name, pa.table(columns, schema=FAILURE))


class DigestShard:
    """Turns shards of ITEM into id and DIGEST, the SHA-256 of the image's bytes; null where there is no image."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store

    def __call__(self, shards: Mapping[str, Sequence[object]]) -> Iterator[dict[str, np.ndarray]]:
        """Yield id and DIGEST, object [n], for every shard named."""
        for shard in shards["item"]:
            if not isinstance(shard, Location):
                raise TypeError(f"{shard!r} is no location of a shard")
            rows = read_shard(shard).select(["id", "imageRef"]).to_pydict()
            images = fetch_all(self._store, rows["imageRef"])
            digests = [None if isinstance(data, ImageError) else hashlib.sha256(data).hexdigest() for data in images]
            yield {"id": np.array(rows["id"], object), DIGEST: np.array(digests, object)}


def _labelled(rows: pa.Table, merge: Mapping[str, str], labels: Sequence[str] = _LABELS) -> pd.DataFrame:
    """The rows with both labels, the master category merged, and `pair`, the two as a tuple."""
    frame: pd.DataFrame = rows.drop_columns(["row", "knownDigest"]).to_pandas()
    frame = frame.dropna(subset=list(labels)).reset_index(drop=True)
    masters, articles = (frame[name] for name in labels)
    masters = masters.map(lambda m: merge.get(m, m))
    frame["pair"] = pd.Series(list(zip(masters, articles, strict=True)), dtype=object)
    return frame


def _sides(
    rows: pa.Table, frame: pd.DataFrame, merge: Mapping[str, str], min_items: int, rule: SplitRule
) -> np.ndarray:
    """The side of every item of a frame, object [N]; None for those that fit none."""
    if kept(REVIEWED) not in frame:
        return rule.sides(frame)
    own = _labelled(rows, merge, [kept(name) for name in OWN_LABELS])
    counts = Counter(own["pair"])
    own = own[[counts[pair] >= min_items for pair in own["pair"]]].reset_index(drop=True)
    own["leaf"] = own["pair"].map(Taxonomy.of(set(own["pair"]), merge).index) if len(own) else 0
    drawn = dict(zip(own["id"], rule.sides(own), strict=True)) if len(own) else {}
    sides = np.array([drawn.get(item, "train") for item in frame["id"]], object)
    groups = rule.groups(frame)
    if groups is not None:
        fresh = ~frame["id"].isin(list(drawn)).to_numpy()
        measuring = groups[~fresh & (sides != "train")]
        sides[fresh & np.isin(groups, measuring)] = None
    return sides


def _placed(frame: pd.DataFrame, taxonomy: Taxonomy, time_by: str) -> pd.DataFrame:
    """The columns of LabelledItems, for the items of the taxonomy's leaves."""
    frame = frame[frame["pair"].isin(list(taxonomy.index))].reset_index(drop=True)
    frame["leaf"] = frame["pair"].map(taxonomy.index).astype(np.int64)
    frame["time"] = frame[kept(time_by)] if time_by else pd.Series([None] * len(frame), dtype=object)
    frame["reviewed"] = frame[kept(REVIEWED)].notna() if kept(REVIEWED) in frame else False
    frame["times"] = 1
    return frame[["id", "imageRef", "time", "leaf", "split", "reviewed", "times"]]
