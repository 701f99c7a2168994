"""Some decoded images of a run, to measure an engine on."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from schemas.bundle import ModelCard
from tagger.catalog.shards import read_shard
from tagger.catalog.stores import ImageStore, fetch_all
from tagger.errors import ImageError
from tagger.imaging.decode import decode
from tagger.models.engines import CHECKED_IMAGES
from tagger.storage import Location

_SHARDS = 8


@dataclass(frozen=True)
class RunSample:
    """The first images of several shards that can be decoded; picklable."""

    shards: Sequence[Location]
    store: ImageStore
    card: ModelCard
    max_pixels: int
    is_careful: bool = False
    """Read and decode in processes apart, and leave out what ends one of them."""

    def __call__(self) -> np.ndarray:
        """Images uint8 [N, H, W, C], N at most CHECKED_IMAGES."""
        step = max(1, len(self.shards) // _SHARDS)
        chosen = self.shards[::step][:_SHARDS]
        each = -(-CHECKED_IMAGES // max(1, len(chosen)))
        refs = [ref for shard in chosen for ref in read_shard(shard)["imageRef"].slice(0, each).to_pylist()]
        refs = refs[:CHECKED_IMAGES]
        if self.is_careful:
            return _stacked(list(self._decoded_apart(refs)), self.card)
        return decoded_sample(list(fetch_all(self.store, refs)), self.card, self.max_pixels)

    def _decoded_apart(self, refs: Sequence[str | None]) -> Iterator[np.ndarray]:
        context = get_context("spawn")
        left = list(refs)
        while left:
            with ProcessPoolExecutor(1, mp_context=context) as process:
                try:
                    while left:
                        yield from process.submit(self._decode_one, left[0]).result()
                        left.pop(0)
                except BrokenProcessPool:
                    left.pop(0)  # this one ended it

    def _decode_one(self, ref: str | None) -> np.ndarray:
        return decoded_sample(list(fetch_all(self.store, [ref])), self.card, self.max_pixels)


def decoded_sample(images: Sequence[bytes | ImageError], card: ModelCard, max_pixels: int) -> np.ndarray:
    """The images that can be decoded, uint8 [N, H, W, C]."""
    found = []
    for data in images:
        try:
            if isinstance(data, bytes):
                found.append(decode(data, card.preprocessing, max_pixels).pixels)
        except ImageError:
            continue
    return _stacked(found, card)


def _stacked(found: Sequence[np.ndarray], card: ModelCard) -> np.ndarray:
    size = card.preprocessing
    return np.stack(found) if found else np.zeros((0, size.height, size.width, size.channels), np.uint8)
