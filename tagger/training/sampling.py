"""The items of an epoch, and their order."""

from collections.abc import Sequence

import numpy as np

from tagger.schemas.configs.learning import Sampling


def epoch_order(leaves: np.ndarray, odds: np.ndarray, count: int, seed: Sequence[int]) -> np.ndarray:
    """Draw the items of one epoch, in random order; no item of a leaf repeats before all of its items were drawn.

    Args:
        leaves: Leaf of each item, int64 [N].
        odds: Relative frequency of each leaf, [L]; see `leaf_shares`.
        count: Items to draw.
        seed: Different for each epoch and worker.

    Returns:
        Indices int64 [count] into the items.
    """
    rng = np.random.default_rng(seed)
    items = np.bincount(leaves, minlength=len(odds))
    shares = np.where(items > 0, odds, 0.0)
    if np.allclose(shares / shares.sum(), items / items.sum()):
        return _turns(np.arange(len(leaves)), count, rng)  # all items equally often
    drawn = _whole(shares * count / shares.sum(), rng)
    chosen = [_turns(np.flatnonzero(leaves == leaf), drawn[leaf], rng) for leaf in np.flatnonzero(drawn)]
    return rng.permutation(np.concatenate(chosen))


def leaf_shares(items: np.ndarray, sampling: Sampling, least: int = 0) -> np.ndarray:
    """Relative frequency of each leaf, float64 [L].

    `uniform`: proportional to its items. `balanced`: equal for all leaves. `sqrt`: proportional to the square root of
    its items, between the two (Mahajan et al. 2018, arXiv:1805.00932).

    Args:
        items: Training items of each leaf, [L].
        sampling: The formula.
        least: Leaves with fewer items count as if they had so many.
    """
    power = {"uniform": 1.0, "sqrt": 0.5, "balanced": 0.0}[sampling]
    shares: np.ndarray = np.power(np.maximum(items, least), power, dtype=np.float64)
    shares[items == 0] = 0
    return shares


def _turns(items: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    rounds = -(-count // len(items))
    turns: np.ndarray = np.concatenate([rng.permutation(items) for _ in range(rounds)])
    return turns[:count]


def _whole(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Round shares to integers with the same sum; each is rounded up with the probability of its fraction."""
    low: np.ndarray = np.floor(shares).astype(np.int64)
    missing = round(shares.sum()) - int(low.sum())
    if missing:
        fractions = shares - low
        low[rng.choice(len(shares), size=missing, replace=False, p=fractions / fractions.sum())] += 1
    return low
