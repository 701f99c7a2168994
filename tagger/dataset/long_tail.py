"""Makes leaves rare by leaving items out, to test what a recipe does for rare leaves."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from tagger.flow.hash_order import hash_order


def unbalanced(
    ids: Sequence[str], leaves: Sequence[Hashable], profile: Mapping[Hashable, float], seed: int = 0
) -> np.ndarray:
    """Keep a share of each leaf's items.

    Args:
        ids: Unique ids, [N].
        leaves: Leaf of each item, by any name, [N].
        profile: Share of each leaf's items to keep, 0 to 1; other leaves stay whole. Any share above 0 keeps at least
            one item.
        seed: Selects the items.

    Returns:
        The items to keep, bool [N], independent of their order.
    """
    outside = {leaf: share for leaf, share in profile.items() if not 0 <= share <= 1}
    if outside:
        raise ValueError(f"shares are 0 to 1: {outside}")
    sizes = Counter(leaves)
    remaining = {leaf: _items_to_keep(size, profile.get(leaf, 1.0)) for leaf, size in sizes.items()}
    keep = np.zeros(len(ids), bool)
    for position in np.argsort(hash_order(ids, seed), kind="stable"):
        leaf = leaves[position]
        keep[position] = remaining[leaf] > 0
        remaining[leaf] -= int(keep[position])
    return keep


def long_tail(leaves: Sequence[Hashable], ratio: float) -> dict[Hashable, float]:
    """A profile in which shares fall from 1 for the largest leaf to 1 / ratio for the smallest.

    The exponential profile of Cui et al. 2019, "Class-balanced loss based on effective number of samples"
    (arXiv:1901.05555).

    Args:
        leaves: Leaf of each item, [N].
        ratio: Share of the largest leaf divided by that of the smallest, 1 or more.
    """
    if ratio < 1:
        raise ValueError(f"ratio {ratio} is below 1")
    ordered = [leaf for leaf, _ in sorted(Counter(leaves).items(), key=lambda e: (-e[1], str(e[0])))]
    steps = max(1, len(ordered) - 1)
    return {leaf: ratio ** (-rank / steps) for rank, leaf in enumerate(ordered)}


def _items_to_keep(size: int, share: float) -> int:
    return max(1, round(share * size)) if share > 0 else 0
