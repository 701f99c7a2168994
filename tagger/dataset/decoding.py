"""Turns shards of items into batches of decoded images, and into digests of image files."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from tagger.dataset.split_rule import DIGEST
from tagger.errors import ImageError
from tagger.images.stores import ImageStore, fetch_all
from tagger.imaging.decode import decode_resized, pad
from tagger.imaging.quality import blur_score, blurred
from tagger.imaging.threads import decode_in_one_thread
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.runs.staging import read_shard
from tagger.schemas.documents.bundle import Preprocessing

_CHUNK_ROWS = 128
FAILURE = pa.schema([(name, pa.string()) for name in ("id", "split", "imageRef", "errorCode", "errorMessage")])
"""A labelled item with an unusable image, and the path that was tried."""


class DecodeShard:
    """Turns shards into batches of decoded images; items whose image fails are left out, and written to `failures`."""

    def __init__(self, store: ImageStore, preprocessing: Preprocessing, max_pixels: int, failures: Location) -> None:
        self._store = store
        self._preprocessing = preprocessing
        self._max_pixels = max_pixels
        self._failures = failures

    def __call__(self, shards: Mapping[str, Sequence[object]]) -> Iterator[dict[str, np.ndarray]]:
        """Yield batches of the shards' columns and the decoded images.

        Columns are split, id, imageRef, time (empty without one), leaf int64 [n], number int64 [n] (of the image
        among those of its item), image uint8 [n, H, W, 3], blur float32 [n] (the blur score) and blurred float32 [n]
        (that of the image after `quality.blurred`).
        """
        decode_in_one_thread()
        for shard in shards["item"]:
            if not isinstance(shard, Location):
                raise TypeError(f"{shard!r} is not the location of a shard")
            yield from self._decode(shard)

    def _decode(self, shard: Location) -> Iterator[dict[str, np.ndarray]]:
        table = read_shard(shard)
        failed: list[tuple[str | None, ...]] = []
        for start in range(0, len(table), _CHUNK_ROWS):
            rows = table.slice(start, _CHUNK_ROWS).to_pandas()
            decoded: dict[int, np.ndarray] = {}
            for row, data in enumerate(fetch_all(self._store, rows["imageRef"].tolist())):
                try:
                    if isinstance(data, ImageError):
                        raise data
                    decoded[row] = decode_resized(data, self._preprocessing, self._max_pixels)
                except ImageError as error:
                    item = (rows["id"][row], shard.parent.name, rows["imageRef"][row])
                    failed.append((*item, str(error.code), error.message))
            if decoded:
                images = list(decoded.values())
                rows = rows.iloc[list(decoded)]
                yield {
                    "split": np.full(len(decoded), shard.parent.name, object),
                    **{name: rows[name].fillna("").to_numpy(object) for name in ("id", "imageRef", "time")},
                    **{name: rows[name].to_numpy(np.int64) for name in ("leaf", "number")},
                    "image": np.stack([pad(image, self._preprocessing) for image in images]),
                    "blur": np.array([blur_score(image) for image in images], np.float32),
                    "blurred": np.array([blur_score(blurred(image)) for image in images], np.float32),
                }
        if failed:
            name = f"{shard.parent.name}-{shard.name}"
            columns = [pa.array(c, pa.string()) for c in zip(*failed, strict=True)]
            write_parquet(self._failures / name, pa.table(columns, schema=FAILURE))


class DigestShard:
    """Turns shards of ITEM into id and DIGEST, the SHA-256 of the image's bytes; null without an image."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store

    def __call__(self, shards: Mapping[str, Sequence[object]]) -> Iterator[dict[str, np.ndarray]]:
        """Yield id and DIGEST, object [n], for every shard named."""
        for shard in shards["item"]:
            if not isinstance(shard, Location):
                raise TypeError(f"{shard!r} is not the location of a shard")
            rows = read_shard(shard).select(["id", "imageRef"]).to_pydict()
            images = fetch_all(self._store, rows["imageRef"])
            digests = [None if isinstance(data, ImageError) else hashlib.sha256(data).hexdigest() for data in images]
            yield {"id": np.array(rows["id"], object), DIGEST: np.array(digests, object)}
