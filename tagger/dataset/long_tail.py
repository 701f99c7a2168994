"""Takes items away from a catalogue, so that some leaves are rare: to see what a recipe does for them."""

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
        profile: Share of each leaf's items to keep, 0 to 1; what it does not name stays whole. A leaf that keeps
            anything keeps one item at least.
        seed: Another seed keeps other items.

    Returns:
        Which items stay, bool [N]: the same for an item whatever their order.
    """
    outside = {leaf: share for leaf, share in profile.items() if not 0 <= share <= 1}
    if outside:
        raise ValueError(f"shares are 0 to 1: {outside}")
    sizes = Counter(leaves)
    left = {leaf: _kept(size, profile.get(leaf, 1.0)) for leaf, size in sizes.items()}
    stays = np.zeros(len(ids), bool)
    for position in np.argsort(hash_order(ids, seed), kind="stable"):
        leaf = leaves[position]
        stays[position] = left[leaf] > 0
        left[leaf] -= int(stays[position])
    return stays


def long_tail(leaves: Sequence[Hashable], ratio: float) -> dict[Hashable, float]:
    """A profile in which leaves shrink step by step, the largest not at all, the smallest to a share of 1 / ratio.

    The exponential profile of Cui et al. 2019, "Class-balanced loss based on effective number of samples"
    (arXiv:1901.05555).

    Args:
        leaves: Leaf of each item, [N].
        ratio: How much more is kept of the largest leaf than of the smallest, 1 or more.
    """
    if ratio < 1:
        raise ValueError(f"ratio {ratio} is below 1")
    ordered = [leaf for leaf, _ in sorted(Counter(leaves).items(), key=lambda e: (-e[1], str(e[0])))]
    steps = max(1, len(ordered) - 1)
    return {leaf: ratio ** (-rank / steps) for rank, leaf in enumerate(ordered)}


def _kept(size: int, share: float) -> int:
    return max(1, round(share * size)) if share > 0 else 0
