"""The progress of choosing an engine."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tagger.engines.base import Engine

_PIECE_IMAGES = 64


@dataclass(frozen=True)
class ChoiceProgress:
    """The progress of one step: images are read, or an engine runs on them. Picklable."""

    step: str
    """The step in words."""
    done: int
    """Images that are done."""
    images: int
    """Images of the step in all."""


Watch = Callable[[ChoiceProgress], None]
"""A callback that receives the progress."""


def unwatched(progress: ChoiceProgress) -> None:
    """Ignore the progress."""


def watched_logits(engine: Engine, images: np.ndarray, batch_size: int, watch: Watch) -> np.ndarray:
    """Run an engine on images, and report the progress.

    Args:
        engine: Runs batches of `batch_size` images. Pieces are whole batches, so that the outputs are the same.
        images: uint8 [N, H, W, C], at least one.
        batch_size: Images per pass.
        watch: Receives the progress before the first piece and after each one.

    Returns:
        Leaf logits float32 [N, L].
    """
    piece_size = batch_size * max(1, _PIECE_IMAGES // batch_size)
    step = f"running {engine.name}"
    watch(ChoiceProgress(step, 0, len(images)))
    pieces = []
    for first in range(0, len(images), piece_size):
        pieces.append(engine.run(images[first : first + piece_size], embeddings=False)[0])
        watch(ChoiceProgress(step, min(first + piece_size, len(images)), len(images)))
    return np.concatenate(pieces)
