"""Image vectors of length 1, so that the dot product of two is their cosine."""

import numpy as np


def of_length_one(vectors: np.ndarray) -> np.ndarray:
    """Normalise vectors [N, D] to length 1; float32 [N, D]."""
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny))
