"""Which labelled items train the model, which steer it, and which judge it."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd

SPLITS = ("train", "val", "test", "control")


def hash_order(ids: Sequence[str], seed: int) -> np.ndarray:
    """Return a uint64 for every id that depends on nothing but the id and the seed."""
    key = seed.to_bytes(8, "little", signed=True)
    digests = b"".join(blake2b(item.encode(), digest_size=8, key=key).digest() for item in ids)
    return np.frombuffer(digests, np.uint64)


def stratified(ids: Sequence[str], leaves: Sequence[int], shares: dict[str, float], seed: int) -> np.ndarray:
    """Split items by leaf: each side gets its share of every leaf, to the nearest item.

    The result does not depend on the order of the items, and an item of a leaf keeps its side as long as the leaf's
    items stay the same.

    Args:
        ids: Unique ids, [N].
        leaves: Leaf number of each item, [N].
        shares: Share of val, test and control; train takes the rest.
        seed: Another seed gives another split.

    Returns:
        Names of SPLITS, object [N].
    """
    frame = pd.DataFrame({"leaf": np.asarray(leaves), "order": hash_order(ids, seed)})
    rank = frame.groupby("leaf")["order"].rank(method="first").to_numpy() - 0.5
    size = frame.groupby("leaf")["order"].transform("size").to_numpy()
    side = np.full(len(frame), "train", object)
    begin = np.zeros(len(frame))
    for name in SPLITS[1:]:
        end = begin + shares.get(name, 0.0) * size
        side[(rank > np.round(begin)) & (rank < np.round(end))] = name
        begin = end
    return side
