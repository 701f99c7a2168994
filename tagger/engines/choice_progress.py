"""How far the choice of an engine is, for whoever waits for it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tagger.engines.base import Engine

_IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class ChoiceProgress:
    """One step of the choice: images are read, or an engine runs on them. Picklable."""

    step: str
    """What is done, in words."""
    done: int
    images: int
    """How many images the step has."""


Watch = Callable[[ChoiceProgress], None]
"""Is told how far the choice is."""


def unwatched(progress: ChoiceProgress) -> None:
    """Tell nobody."""


def watched_logits(engine: Engine, images: np.ndarray, batch_size: int, watch: Watch) -> np.ndarray:
    """Run an engine on images, and tell meanwhile on how many.

    Args:
        engine: Runs batches of `batch_size` images; whole ones are run together, so that the outputs are the same.
        images: uint8 [N, H, W, C], at least one.
        batch_size: Images per pass.
        watch: Is told before the first images and after each piece.

    Returns:
        Leaf logits float32 [N, L].
    """
    at_once = batch_size * max(1, _IMAGES_AT_ONCE // batch_size)
    step = f"running {engine.name}"
    watch(ChoiceProgress(step, 0, len(images)))
    pieces = []
    for first in range(0, len(images), at_once):
        pieces.append(engine.run(images[first : first + at_once])[0])
        watch(ChoiceProgress(step, min(first + at_once, len(images)), len(images)))
    return np.concatenate(pieces)
