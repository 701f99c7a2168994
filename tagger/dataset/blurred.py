"""Blurred copies of decoded images; imports no PyTorch."""

import numpy as np

from tagger.imaging.quality import blurred

BLURRED = "blurred"
"""The split side of their rows."""


def blurred_copies(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the rows with blurred images, uint8 [N, H, W, 3]."""
    images = np.stack([blurred(image) for image in batch["image"]])
    return {**batch, "image": images, "split": np.full(len(images), BLURRED, object)}
