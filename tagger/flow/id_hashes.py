"""Hashes of ids, under keys that nobody who writes ids can know."""

import secrets
from collections.abc import Sequence

import numpy as np

HASH = np.dtype([("slot", np.uint64), ("step", np.uint64)])
"""128 bits: two hashes of an id under different keys."""


def new_keys() -> tuple[str, ...]:
    """Random keys, one for each of the two hashes."""
    return tuple(secrets.token_urlsafe(12) for _ in HASH.names or ())


def hashes_of(ids: Sequence[str], keys: Sequence[str]) -> np.ndarray:
    """SipHash-2-4 of each id under both keys, by HASH [N].

    Equal hashes mean equal ids: among 10^9 ids, two different ones have the same hashes with a probability of 10^-21,
    whoever wrote them, because SipHash is made for texts that others choose.
    """
    from pandas.util import hash_array  # it takes most of a second to import

    texts = np.empty(len(ids), object)
    texts[:] = ids
    hashes = np.empty(len(ids), HASH)
    for name, key in zip(HASH.names or (), keys, strict=True):
        hashes[name] = hash_array(texts, hash_key=key, categorize=False)
    return hashes
