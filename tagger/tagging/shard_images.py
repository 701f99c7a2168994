"""The images of a shard's rows, with what earlier runs know of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tagger.runs.staging import known_etags, known_images
from tagger.tagging.item_images import ItemImages


@dataclass(frozen=True)
class ShardImages:
    """The images of a shard's rows, with what is known of each; each list has one entry per image."""

    of_items: ItemImages[str]
    known: list[bytes | None]
    """Digest of the image in an earlier run."""
    etags: list[str | None]
    known_items: list[list[bytes | None] | None]
    """By row, what `known` says of its images; None where no earlier run has tagged the item from as many."""

    @classmethod
    def of(cls, shard: pa.Table) -> "ShardImages":
        """The images of a shard, by ITEM."""
        images = ItemImages.of(shard["imageRef"].to_pylist(), shard["furtherImageRefs"].to_pylist())
        more = len(images.refs) - len(shard)
        of_one = [_as_bytes(digest) for digest in shard["knownDigest"].to_pylist()]
        known: list[bytes | None] = [*of_one, *[None] * more]
        known_items: list[list[bytes | None] | None] = [None if digest is None else [digest] for digest in of_one]
        for item, digests in known_images(shard).items():
            numbers = images.of_item(item)
            if len(digests) == len(numbers):
                known_items[item] = [_as_bytes(digest) for digest in digests]
                for n, digest in zip(numbers, digests, strict=True):
                    known[n] = _as_bytes(digest)
        return cls(images, known, known_etags(shard) + [None] * more, known_items)

    @property
    def refs(self) -> list[str | None]:
        """Where each image is; None for a row without one."""
        return self.of_items.refs

    def unchanged(self, digests: Sequence[bytes | None]) -> np.ndarray:
        """Whether the images of each row, by their digests, are those of an earlier run, bool [N]."""
        same = [
            known is not None and [digests[n] for n in self.of_items.of_item(item)] == known
            for item, known in enumerate(self.known_items)
        ]
        return np.array(same, bool)


def count_images(shard: pa.Table) -> int:
    """Number of images that `ShardTagger` looks at for a shard's rows; a row without one counts as one."""
    return len(ShardImages.of(shard).refs)


def _as_bytes(digest: str | None) -> bytes | None:
    return bytes.fromhex(digest) if digest else None
