"""Samples decoded images of a run, on which an engine is measured."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from tagger.engines.choice_progress import ChoiceProgress, Watch, unwatched
from tagger.engines.reference import CHECKED_IMAGES, MOST_CHECKED_IMAGES
from tagger.errors import ImageError
from tagger.images.digests import digest_of
from tagger.images.revisions import Unchanged
from tagger.images.stores import ImageStore, fetch_revisions
from tagger.imaging.decode import decode
from tagger.io.location import Location
from tagger.runs.staging import known_etags, read_shard
from tagger.schemas.documents.bundle import ModelCard

_SHARDS = 8
_READING = "reading"
_Image = tuple[str | None, str | None]
"""An image's reference and the ETag that it had when it was last read."""


@dataclass(frozen=True)
class RunSample:
    """The first decodable images of several shards; picklable.

    In each shard, images with a known ETag come last. When the server says that one is unchanged, it is neither
    downloaded nor part of the sample: the run does not read it either.
    """

    shards: Sequence[Location]
    store: ImageStore
    card: ModelCard
    max_pixels: int
    is_isolated: bool = False
    """Read and decode in subprocesses, and leave out the images that crash one."""
    crashed: frozenset[bytes] = frozenset()
    """SHA-256 of images that are known to crash a process; they are left out."""

    def pieces(self, watch: Watch = unwatched) -> Iterator[np.ndarray]:
        """Yield images uint8 [N, H, W, C], N about CHECKED_IMAGES, MOST_CHECKED_IMAGES in all; each is read when asked.

        Args:
            watch: Receives the progress of reading.
        """
        step = max(1, len(self.shards) // _SHARDS)
        chosen = self.shards[::step][:_SHARDS]
        each = -(-CHECKED_IMAGES // max(1, len(chosen)))
        of_shards = [_first_of(shard, MOST_CHECKED_IMAGES // CHECKED_IMAGES * each) for shard in chosen]
        for first in range(0, MOST_CHECKED_IMAGES // CHECKED_IMAGES * each, each):
            images = [image for of_shard in of_shards for image in of_shard[first : first + each]][:CHECKED_IMAGES]
            if images:
                yield self._decoded(images, watch)

    def _decoded(self, images: Sequence[_Image], watch: Watch) -> np.ndarray:
        if self.is_isolated:
            return _stacked(list(self._decode_isolated(images, watch)), self.card)
        return self._decode(images, watch)

    def _decode_isolated(self, images: Sequence[_Image], watch: Watch) -> Iterator[np.ndarray]:
        context = get_context("spawn")
        remaining = list(images)
        while remaining:
            with ProcessPoolExecutor(1, mp_context=context) as process:
                try:
                    while remaining:
                        watch(ChoiceProgress(_READING, len(images) - len(remaining), len(images)))
                        yield from process.submit(self._decode, remaining[:1]).result()
                        remaining.pop(0)
                except BrokenProcessPool:
                    remaining.pop(0)  # this image crashed the process

    def _decode(self, images: Sequence[_Image], watch: Watch = unwatched) -> np.ndarray:
        return decoded_sample(self._safe_files(images, watch), self.card, self.max_pixels)

    def _safe_files(self, images: Sequence[_Image], watch: Watch) -> Iterator[bytes | ImageError]:
        """Yield the files, without those that are unchanged or known to crash a process."""
        revisions = fetch_revisions(self.store, [ref for ref, _ in images], [etag for _, etag in images])
        for number, revision in enumerate(revisions):
            watch(ChoiceProgress(_READING, number, len(images)))
            if not isinstance(revision.data, Unchanged) and digest_of(revision.data) not in self.crashed:
                yield revision.data


def _first_of(shard: Location, count: int) -> list[_Image]:
    rows = read_shard(shard)
    images = zip(rows["imageRef"].to_pylist(), known_etags(rows), strict=True)
    return sorted(images, key=lambda image: image[1] is not None)[:count]


def decoded_sample(images: Iterable[bytes | ImageError], card: ModelCard, max_pixels: int) -> np.ndarray:
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
