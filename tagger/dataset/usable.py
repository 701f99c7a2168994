"""The rows whose images can be decoded: found once, in shards without pixels, and dealt out to training workers."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.dataset.decoding import DecodeShard
from tagger.io.location import Location
from tagger.io.parquet import write_parquet

USABLE = pa.schema(
    [
        ("id", pa.string()),
        ("imageRef", pa.string()),
        ("time", pa.string()),
        ("leaf", pa.int64()),
        ("number", pa.int64()),
        ("blur", pa.float32()),
        ("blurred", pa.float32()),
    ]
)
"""A row of a usable image: its item's leaf, its number among those of the item, its blur score, and that of a blurred
copy."""

USABLE_PREFIX = "usable-"
"""Of the names of such shards, which are beside the shards of items."""

_READERS = 32
"""Shards that are read at once: each takes two requests in a bucket."""


def usable_shard(shard: Location) -> Location:
    """Where the usable rows of a shard of items are written."""
    return shard.parent / f"{USABLE_PREFIX}{shard.name}"


class CheckShard:
    """Turns shards of items into shards by USABLE, which hold no pixels; failures are written as `DecodeShard` does.

    A shard that was checked before is not read again, so that a repeated training has the same rows.
    """

    def __init__(self, decode: DecodeShard) -> None:
        self._decode = decode

    def __call__(self, shards: Mapping[str, Sequence[object]]) -> Iterator[dict[str, np.ndarray]]:
        """Yield the number of usable rows of each shard, `rows` int64 [1]."""
        for shard in shards["item"]:
            if not isinstance(shard, Location):
                raise TypeError(f"{shard!r} is not the location of a shard")
            target = usable_shard(shard)
            if not target.exists():
                batches = [_without_pixels(batch) for batch in self._decode({"item": [shard]})]
                write_parquet(target, pa.concat_tables([USABLE.empty_table(), *batches]))
            yield {"rows": np.array([len(_read(target, ["leaf"]))], np.int64)}


@dataclass(frozen=True)
class UsableRows:
    """The usable rows of one side, in shards by USABLE; their order is that of the shards."""

    shards: tuple[Location, ...]

    @classmethod
    def of(cls, shards: Sequence[Location]) -> "UsableRows":
        """The usable rows of checked shards of items."""
        return cls(tuple(usable_shard(shard) for shard in shards))

    def columns(self, *names: str) -> pa.Table:
        """Some columns of all rows."""
        schema = pa.schema([USABLE.field(name) for name in names])
        with ThreadPoolExecutor(_READERS) as pool:
            tables = list(pool.map(lambda shard: _read(shard, names), self.shards))
        return pa.concat_tables([schema.empty_table(), *tables])

    def share(self, rank: int, workers: int, seed: int) -> pa.Table:
        """The imageRef and leaf of one worker's rows, in the order of the shards.

        Rows are drawn at random, the same ones for the same seed; the workers' shares are disjoint, cover all rows,
        and differ in size by at most one.

        Args:
            rank: Of the worker, from 0.
            workers: Number of workers.
            seed: The same for all workers.
        """
        with ThreadPoolExecutor(_READERS) as pool:
            counts = np.array([0, *pool.map(_rows_of, self.shards)])
            starts = counts.cumsum()
            mine = np.sort(np.random.default_rng(seed).permutation(starts[-1])[rank::workers])
            cuts = np.searchsorted(mine, starts)
            parts = [mine[cuts[n] : cuts[n + 1]] - starts[n] for n in range(len(self.shards))]
            columns = ("imageRef", "leaf")
            tables = list(pool.map(lambda s, p: _read(s, columns).take(pa.array(p)), self.shards, parts))
        return pa.concat_tables([pa.schema([USABLE.field(n) for n in columns]).empty_table(), *tables])

    def sample(self, size: int, seed: int, folder: Location) -> "UsableRows":
        """A random sample of the rows, the same ones for the same seed; all of them if they are not more.

        Args:
            size: Of the sample.
            seed: Of the draw.
            folder: Where its shards are written.
        """
        with ThreadPoolExecutor(_READERS) as pool:
            starts = np.array([0, *pool.map(_rows_of, self.shards)]).cumsum()
        if starts[-1] <= size:
            return self
        chosen = np.sort(np.random.default_rng(seed).permutation(starts[-1])[:size])
        shards = []
        for n, shard in enumerate(self.shards):
            rows = chosen[(chosen >= starts[n]) & (chosen < starts[n + 1])] - starts[n]
            if len(rows):
                shards.append(folder / shard.name)
                write_parquet(shards[-1], _read(shard, USABLE.names).take(pa.array(rows)))
        return UsableRows(tuple(shards))


def _without_pixels(batch: dict[str, np.ndarray]) -> pa.Table:
    return pa.table([pa.array(batch[field.name], field.type) for field in USABLE], schema=USABLE)


def _rows_of(shard: Location) -> int:
    with shard.open_random() as source:
        return int(pq.read_metadata(source).num_rows)


def _read(shard: Location, columns: Sequence[str]) -> pa.Table:
    with shard.open_random() as source:
        return pq.read_table(source, columns=list(columns))
