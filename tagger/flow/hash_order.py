"""A pseudorandom order of items by the hash of their ids and a seed, for samples and splits."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np


def hash_order(ids: Sequence[str], seed: int) -> np.ndarray:
    """Return a uint64 for every id, a hash of the id and the seed alone."""
    key = seed.to_bytes(8, "little", signed=True)
    digests = b"".join(blake2b(item.encode(), digest_size=8, key=key).digest() for item in ids)
    return np.frombuffer(digests, np.uint64)


def sample_order(ids: Sequence[str], seed: int = 0) -> np.ndarray:
    """The same for quality samples, uint64 [N]: independent of the order that draws the sides of a split."""
    return hash_order([f"qa {item}" for item in ids], seed)
