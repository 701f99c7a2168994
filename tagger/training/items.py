"""From a manifest's labels to what a model is trained on: leaves, taxonomy, split, decoded images."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from schemas.bundle import LeftOut, Preprocessing
from schemas.taxonomy import Taxonomy
from tagger.catalog.shards import read_shard, shard_of, write_parquet
from tagger.catalog.splits import SPLITS, stratified
from tagger.catalog.stores import ImageStore, fetch_all
from tagger.errors import ImageError, InputError
from tagger.imaging.decode import decode
from tagger.storage import Location

CHUNK_ROWS = 128
_SHARD_ROWS = 1024
FAILURE = pa.schema([(name, pa.string()) for name in ("id", "split", "errorCode", "errorMessage")])
NO_LABELS = (
    "--manifest: no row has both a masterCategory and an articleType to learn from; "
    "if they stand in columns of other names, name them with --column"
)


@dataclass(frozen=True)
class LabelledItems:
    """The items to learn from: a frame of id, imageRef, leaf and split, in the order in which images are read best."""

    frame: pd.DataFrame
    taxonomy: Taxonomy
    left_out: tuple[LeftOut, ...]

    @classmethod
    def select(
        cls, rows: pa.Table, merge: Mapping[str, str], min_items: int, shares: dict[str, float], seed: int
    ) -> "LabelledItems":
        """Keep the items of leaves with at least `min_items`, and split them.

        Args:
            rows: By ITEM; rows without both labels are ignored.
            merge: Master categories to count as another.
            min_items: Least number of items of a leaf.
            shares: Share of val, test and control.
            seed: Of the split.

        Raises:
            InputError: when fewer than two leaves are large enough.
        """
        frame = rows.select(["id", "imageRef", "masterCategory", "articleType"]).to_pandas()
        frame = frame.dropna(subset=["masterCategory", "articleType"]).reset_index(drop=True)
        frame["masterCategory"] = frame["masterCategory"].map(lambda m: merge.get(m, m))
        pairs = list(zip(frame["masterCategory"], frame["articleType"], strict=True))
        counts = Counter(pairs)
        kept = {pair for pair, count in counts.items() if count >= min_items}
        if len(kept) < 2:
            raise InputError(_too_few(counts, min_items))
        taxonomy = Taxonomy.of(kept, merge)
        leaf = pd.Series([taxonomy.index.get(p, -1) for p in pairs], dtype=np.int64)
        frame = frame.assign(leaf=leaf)[leaf >= 0].reset_index(drop=True)
        frame["split"] = stratified(frame["id"].tolist(), frame["leaf"].tolist(), shares, seed)
        left_out = tuple(
            LeftOut(master_category=m, article_type=a, items=n)
            for (m, a), n in sorted(counts.items(), key=lambda e: (-e[1], e[0]))
            if (m, a) not in kept
        )
        return cls(frame[["id", "imageRef", "leaf", "split"]], taxonomy, left_out)

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

    def write_shards(self, work: Location) -> dict[str, list[Location]]:
        """Write the items of each side but control to shards of id, imageRef and leaf; return them by side."""
        found: dict[str, list[Location]] = {}
        for split in SPLITS[:3]:
            side = self.frame[self.frame["split"] == split]
            table = pa.Table.from_pandas(side[["id", "imageRef", "leaf"]], preserve_index=False)
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
        """Yield split, id, leaf int64 [n], image uint8 [n, H, W, 3] and blur float32 [n] for every shard named."""
        for shard in shards["item"]:
            if not isinstance(shard, Location):
                raise TypeError(f"{shard!r} is no location of a shard")
            yield from self._decode(shard)

    def _decode(self, shard: Location) -> Iterator[dict[str, np.ndarray]]:
        table = read_shard(shard)
        failed: list[tuple[str, str, str, str]] = []
        for start in range(0, len(table), CHUNK_ROWS):
            rows = table.slice(start, CHUNK_ROWS).to_pydict()
            found = []
            images = fetch_all(self._store, rows["imageRef"])
            for item, leaf, data in zip(rows["id"], rows["leaf"], images, strict=True):
                try:
                    if isinstance(data, ImageError):
                        raise data
                    found.append((item, leaf, decode(data, self._preprocessing, self._max_pixels)))
                except ImageError as error:
                    failed.append((item, shard.parent.name, str(error.code), error.message))
            if found:
                yield {
                    "split": np.full(len(found), shard.parent.name, object),
                    "id": np.array([f[0] for f in found], object),
                    "leaf": np.array([f[1] for f in found], np.int64),
                    "image": np.stack([f[2].pixels for f in found]),
                    "blur": np.array([f[2].blur_score for f in found], np.float32),
                }
        if failed:
            name = f"{shard.parent.name}-{shard.name}"
            columns = [pa.array(c, pa.string()) for c in zip(*failed, strict=True)]
            write_parquet(self._failures / name, pa.table(columns, schema=FAILURE))


def _too_few(counts: Counter[tuple[str, str]], min_items: int) -> str:
    if not counts:
        return NO_LABELS
    largest = ", ".join(f"{m}/{a} {n}" for (m, a), n in counts.most_common(3))
    return (
        f"--min-items {min_items}: fewer than two leaves have so many items (largest: {largest}); "
        "lower it, or label more items"
    )
