"""Compares what a night's pictures are like with a reference of the same types, by a bootstrap of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tagger.drift.label_shift import SoftLabels
from tagger.drift.resampling import p_values

Side = Literal["low", "high", "both"]
_BINS = 50
_STEPS, _STEPS_AGAIN = 100, 10


@dataclass(frozen=True)
class Score:
    """A number of each item whose distribution is compared: the largest difference of the two (Kolmogorov-Smirnov).

    `low` counts items that are lower than they should be, `high` those that are higher, `both` either.
    """

    night: np.ndarray
    """Float [N]; NaN where it is not known."""
    reference: np.ndarray
    """Float [M]."""
    side: Side


@dataclass(frozen=True)
class Limit:
    """A score, and whether the night has more items below it, or above."""

    value: float
    is_low: bool


class Conditional:
    """The comparison of N items of a night with M of the reference, of which those count that are of its types.

    Args:
        night: The leaves that the night's items may be of.
        reference: Those of the reference's.
        scores: What is compared.
        mean: A number of each whose mean is compared, too: by how much it has fallen; [N] and [M].
        features: Numbers of each, float [N, F] and [M, F], whose means are compared: the distance of the two.
        rng: Draws the resamples.
    """

    def __init__(
        self,
        night: SoftLabels,
        reference: SoftLabels,
        scores: Sequence[Score],
        rng: np.random.Generator,
        mean: tuple[np.ndarray, np.ndarray] | None = None,
        features: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self._reference, self._rng = reference, rng
        self._items = len(night.codes)
        self._bins = [_Binned.of(score) for score in scores]
        self._mean, self._features = mean, features
        before = reference.shares()
        self._shares = night.likely_shares(before, before, _STEPS)
        self.weights = reference.weights(self._shares, before)
        """How much each item of the reference counts, float64 [M]."""
        self.effective = float(1 / (self.weights**2).sum())
        """As how many items that count alike they are (Kish 1965); few, where the night's types were rare before."""
        self.observed = self._values(
            [binned.night_counts() for binned in self._bins],
            mean[0].mean() if mean else 0.0,
            features[0].mean(axis=0) if features else None,
            self.weights,
        )
        """Float64 [scores + 1 with a mean + 1 with features]."""

    def p_values(self, most: int) -> np.ndarray:
        """The p-values of what is observed, float64 [S], from at most so many resamples."""
        return p_values(self.observed, lambda number: np.stack([self._resampled() for _ in range(number)]), most)

    def _resampled(self) -> np.ndarray:
        """The values of a night drawn from the reference, as it counts, against a reference drawn from itself."""
        counts = self._rng.multinomial(self._items, self.weights)
        rows = np.flatnonzero(counts)
        times = counts[rows]
        size = len(self.weights)
        drawn = self._rng.multinomial(size, np.full(size, 1 / size)).astype(np.float64)
        before = self._reference.shares(drawn)
        night = self._reference.take(np.repeat(rows, times))
        shares = night.likely_shares(before, self._shares, _STEPS_AGAIN)
        weights = self._reference.weights(shares, before) * drawn
        return self._values(
            [binned.counts(counts) for binned in self._bins],
            (self._mean[1][rows] * times).sum() / self._items if self._mean else 0.0,
            (self._features[1][rows] * times[:, None]).sum(axis=0) / self._items if self._features else None,
            weights / weights.sum(),
        )

    def _values(
        self, counts: Sequence[np.ndarray], mean: float, features: np.ndarray | None, weights: np.ndarray
    ) -> np.ndarray:
        values = [binned.largest(of_night, weights) for binned, of_night in zip(self._bins, counts, strict=True)]
        if self._mean:
            values.append(float(weights @ self._mean[1]) - mean)
        if self._features and features is not None:
            values.append(float(np.linalg.norm(weights @ self._features[1] - features)))
        return np.array(values)

    def limit(self, number: int) -> Limit:
        """Of one score, where the two differ most: what lies beyond it is what has become more."""
        return self._bins[number].limit(self._bins[number].night_counts(), self.weights)


@dataclass(frozen=True)
class _Binned:
    """A score in bins with about equally many items of both sides; -1: not known."""

    night: np.ndarray
    reference: np.ndarray
    edges: np.ndarray
    side: Side

    @classmethod
    def of(cls, score: Score) -> "_Binned":
        both = np.concatenate([score.night, score.reference])
        known = both[~np.isnan(both)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else np.empty(0)
        night, reference = (
            np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="left"))
            for values in (score.night, score.reference)
        )
        return cls(night, reference, edges, score.side)

    def night_counts(self) -> np.ndarray:
        return np.bincount(self.night[self.night >= 0], minlength=len(self.edges) + 1).astype(np.float64)

    def counts(self, times: np.ndarray) -> np.ndarray:
        """Counts of the bins where items of the reference come so many times."""
        known = self.reference >= 0
        return np.bincount(self.reference[known], times[known], len(self.edges) + 1)

    def largest(self, night: np.ndarray, weights: np.ndarray) -> float:
        """The largest difference of the two distributions on the wanted side."""
        difference = self._difference(night, weights, self.side)
        return float(max(difference.max(), 0))

    def limit(self, night: np.ndarray, weights: np.ndarray) -> Limit:
        """Where the two distributions differ most."""
        place = int(self._difference(night, weights, self.side).argmax())
        is_low = bool(self._difference(night, weights, "low")[place] >= 0)
        return Limit(float(self.edges[min(place, len(self.edges) - 1)]) if len(self.edges) else 0.0, is_low)

    def _difference(self, night: np.ndarray, weights: np.ndarray, side: Side) -> np.ndarray:
        of_night = np.cumsum(night)
        of_reference = np.cumsum(self.counts(weights))
        if of_night[-1] == 0 or of_reference[-1] == 0:
            return np.zeros(1)
        more_low = of_night / of_night[-1] - of_reference / of_reference[-1]
        return np.asarray({"low": more_low, "high": -more_low, "both": np.abs(more_low)}[side])
