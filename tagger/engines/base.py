"""The protocols of engines: a prepared model that each worker starts once, and that maps images to predictions."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

BATCH_SIZE = {"cpu": 16, "cuda": 512}  # on a CPU, a batch that fits into the caches


class Engine(Protocol):
    """Maps uint8 images [N, H, W, 3] to leaf logits and embeddings.

    The result for an image depends on that image alone: every pass has the same batch size; the last one is padded.
    """

    name: str

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings [N, D], float32 or float16.

        Args:
            images: uint8 [N, H, W, C].
            embeddings: Whether they are wanted; if not, they are [N, 0], and are not copied from a GPU.
        """
        ...


class PreparedEngine(Protocol):
    """A model in the form that an engine loads: prepared once, picklable, started by every worker."""

    @property
    def name(self) -> str:
        """The engine's name."""
        ...

    def start(self) -> Engine:
        """Load the model in this process."""
        ...


class UnsuitableError(Exception):
    """Why an engine is not chosen. The message continues a sentence that begins with the engine's name."""


def as_batches(images: np.ndarray, size: int) -> Sequence[tuple[np.ndarray, int]]:
    """Split images [N, …] into batches of one size, each with its number of images; the last is padded with black."""
    return [(_padded(images[i : i + size], size), min(size, len(images) - i)) for i in range(0, len(images), size)]


def _padded(batch: np.ndarray, size: int) -> np.ndarray:
    if len(batch) == size:
        return np.ascontiguousarray(batch)
    padded = np.zeros((size, *batch.shape[1:]), np.uint8)
    padded[: len(batch)] = batch
    return padded
