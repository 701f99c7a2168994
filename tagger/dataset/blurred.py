"""Blurred copies of decoded images; what makes them loads no library that learns."""

import numpy as np

from tagger.imaging.quality import blurred

BLURRED = "blurred"
"""What their rows name as their side."""


def blurred_copies(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows with their images, uint8 [N, H, W, 3], blurred."""
    images = np.stack([blurred(image) for image in batch["image"]])
    return {**batch, "image": images, "split": np.full(len(images), BLURRED, object)}
