"""Some decoded images of a run, to measure an engine on."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from tagger.engines.choose import CHECKED_IMAGES
from tagger.errors import ImageError
from tagger.images.digests import digest_of
from tagger.images.revisions import Unchanged
from tagger.images.stores import ImageStore, fetch_revisions
from tagger.imaging.decode import decode
from tagger.io.location import Location
from tagger.runs.staging import known_etags, read_shard
from tagger.schemas.documents.bundle import ModelCard

_SHARDS = 8
_Image = tuple[str | None, str | None]
"""A reference, and the ETag of the image that is known by it."""


@dataclass(frozen=True)
class RunSample:
    """The first images of several shards that can be decoded; picklable.

    Images whose server may say that they are unchanged come after all others of their shard. Those that are unchanged
    are neither downloaded nor in the sample: the run does not look at them either.
    """

    shards: Sequence[Location]
    store: ImageStore
    card: ModelCard
    max_pixels: int
    is_careful: bool = False
    """Read and decode in processes apart, and leave out what ends one of them."""
    crashed: frozenset[bytes] = frozenset()
    """SHA-256 of images that are known to end a process, which are left out, too."""

    def __call__(self) -> np.ndarray:
        """Images uint8 [N, H, W, C], N at most CHECKED_IMAGES."""
        step = max(1, len(self.shards) // _SHARDS)
        chosen = self.shards[::step][:_SHARDS]
        each = -(-CHECKED_IMAGES // max(1, len(chosen)))
        images = [image for shard in chosen for image in _first_of(shard, each)][:CHECKED_IMAGES]
        if self.is_careful:
            return _stacked(list(self._decoded_apart(images)), self.card)
        return self._decode(images)

    def _decoded_apart(self, images: Sequence[_Image]) -> Iterator[np.ndarray]:
        context = get_context("spawn")
        left = list(images)
        while left:
            with ProcessPoolExecutor(1, mp_context=context) as process:
                try:
                    while left:
                        yield from process.submit(self._decode, left[:1]).result()
                        left.pop(0)
                except BrokenProcessPool:
                    left.pop(0)  # this one ended it

    def _decode(self, images: Sequence[_Image]) -> np.ndarray:
        revisions = fetch_revisions(self.store, [ref for ref, _ in images], [etag for _, etag in images])
        read = [revision.data for revision in revisions if not isinstance(revision.data, Unchanged)]
        sound = [data for data in read if digest_of(data) not in self.crashed]
        return decoded_sample(sound, self.card, self.max_pixels)


def _first_of(shard: Location, count: int) -> list[_Image]:
    rows = read_shard(shard)
    images = zip(rows["imageRef"].to_pylist(), known_etags(rows), strict=True)
    return sorted(images, key=lambda image: image[1] is not None)[:count]


def decoded_sample(images: Sequence[bytes | ImageError], card: ModelCard, max_pixels: int) -> np.ndarray:
    """The images that can be decoded, uint8 [N, H, W, C]."""
    pixels = []
    for data in images:
        try:
            if isinstance(data, bytes):
                pixels.append(decode(data, card.preprocessing, max_pixels).pixels)
        except ImageError:
            continue
    return _stacked(pixels, card)


def _stacked(pixels: Sequence[np.ndarray], card: ModelCard) -> np.ndarray:
    size = card.preprocessing
    return np.stack(pixels) if pixels else np.zeros((0, size.height, size.width, size.channels), np.uint8)
