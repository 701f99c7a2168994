"""A reference with the night's mix of types: how sure the model is depends on what came, and that is no fault.

With label shift, items of a type look as they did, and only the types' shares change. The night's shares are those
that make its predictions likeliest (Saerens, Latinne and Decaestecker 2002); items of the reference then count by how
likely they are of types that the night has more or less of.
"""

from dataclasses import dataclass

import numpy as np

from tagger.drift.sample import Sample

_RARE = 1e-6


@dataclass(frozen=True)
class SoftLabels:
    """The probabilities of the most probable of K leaves, of N items."""

    codes: np.ndarray
    """Leaves, int64 [N, ALTERNATIVES], 0 to K - 1."""
    probabilities: np.ndarray
    """Theirs, float64 [N, ALTERNATIVES]; the rows add up to 1."""
    leaves: int
    """K."""

    def take(self, rows: np.ndarray) -> "SoftLabels":
        """Some of the items."""
        return SoftLabels(self.codes[rows], self.probabilities[rows], self.leaves)

    def shares(self, weights: np.ndarray | None = None) -> np.ndarray:
        """The leaves' expected shares of the items, float64 [K]; with weights [N], of items that count so much."""
        probabilities = self.probabilities if weights is None else self.probabilities * weights[:, None]
        sums = np.bincount(self.codes.ravel(), probabilities.ravel(), self.leaves)
        return np.asarray(sums / sums.sum())

    def likely_shares(self, before: np.ndarray, start: np.ndarray, steps: int) -> np.ndarray:
        """The leaves' shares of these items that make their probabilities likeliest, float64 [K], by EM.

        Args:
            before: Shares of the items on which the probabilities are right.
            start: Where the search begins.
            steps: Number of its steps.
        """
        shares = start
        for _ in range(steps):
            joint = self.probabilities * _ratio(shares, before)[self.codes]
            joint /= joint.sum(axis=1, keepdims=True)
            shares = np.bincount(self.codes.ravel(), joint.ravel(), self.leaves) / len(joint)
        return shares

    def weights(self, shares: np.ndarray, before: np.ndarray) -> np.ndarray:
        """How much each item counts where the leaves have other shares, float64 [N], with a sum of 1."""
        counted = (self.probabilities * _ratio(shares, before)[self.codes]).sum(axis=1)
        return np.asarray(counted / counted.sum())


def soft_labels(night: Sample, reference: Sample) -> tuple[SoftLabels, SoftLabels]:
    """The probabilities of two samples' leaves, by common codes."""
    both = np.concatenate([night.leaves, reference.leaves])
    names, codes = np.unique(both.astype(str), return_inverse=True)
    whole = SoftLabels(
        codes.reshape(both.shape), _whole(np.concatenate([night.probabilities, reference.probabilities])), len(names)
    )
    return whole.take(np.arange(len(night))), whole.take(np.arange(len(night), len(both)))


def _whole(probabilities: np.ndarray) -> np.ndarray:
    wide = probabilities.astype(np.float64)
    return np.asarray(wide / wide.sum(axis=1, keepdims=True))


def _ratio(shares: np.ndarray, before: np.ndarray) -> np.ndarray:
    return np.asarray((shares + _RARE) / (before + _RARE))
