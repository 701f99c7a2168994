"""Passes one answer on to waiting items that look like it, where the catalogue's own labels show that this is right."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import mode
from sklearn.neighbors import NearestNeighbors

from tagger.confidence.target import fewest_items, lower_bound
from tagger.review.learning.material import NO_LEAF, Labelled, Waiting

COSINES = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
"""Distances at which precision is measured, from near to far."""
_COPY = 0.999
_MOST_COPIES = 10
_LOOK_ALIKES, _MAJORITY = 5, 3
_MOST_SEEDS = 10_000
_BATCH = 1024


@dataclass(frozen=True)
class MeasuredAt:
    """How precise propagation is on the catalogue's own labels, at one distance or nearer."""

    cosine: float
    """Least cosine of the two items' vectors."""
    items: int
    """Pairs of items that were looked at."""
    right: int
    """Pairs with one label."""
    at_least: float
    """Lower bound of the precision, 0 to 1, by Clopper and Pearson 1934."""

    @property
    def precision(self) -> float:
        """Share of right pairs, 0 to 1."""
        return self.right / self.items


@dataclass(frozen=True)
class Reach:
    """How far answers of each class may be passed on."""

    by_leaf: Mapping[int, MeasuredAt | None]
    """Of leaves with enough pairs of their own; None where not even near items are right often enough."""
    others: MeasuredAt | None
    """Of all other leaves together."""

    def of(self, leaf: int) -> MeasuredAt | None:
        """The farthest distance at which an answer of this leaf may be passed on; None for none."""
        return self.by_leaf.get(leaf, self.others)


@dataclass(frozen=True)
class Offer:
    """Waiting items that may get the tag of one answered item, if a person says so."""

    leaf: int
    ids: tuple[str, ...]
    """The most alike first."""
    cosines: tuple[float, ...]
    measured: MeasuredAt


class Propagation:
    """Finds waiting items that look like an answered one, as far as the catalogue's labels show that to be precise.

    An answer is passed on to a waiting item if their vectors are near, and if the five labelled items that look most
    like the waiting one agree: at least `agreeing` of them have the leaf of the answer. So a wrong answer, whose
    look-alikes have another label, is passed on to nothing, nor is that of a class which the catalogue does not have.

    The precision is measured on labelled items, each left out of its own look-alikes. Waiting items are the part of a
    catalogue that is hard to tag, where look-alikes are wrong more often than elsewhere. So the precision is measured
    on the labelled items that would wait, too: those that the bundle's policy does not accept. What the bound promises
    is the share of right tags in offers of a class, if the waiting items are like those labelled ones. A bundle is
    surer of items that it was trained on, so those of them that it does not accept are rather harder than the queue.

    Args:
        labelled: M items.
        like_waiting: Labelled items that would wait, bool [M]; on these alone precision is measured.
        target: Precision that the lower bound has to reach, 0 to 1.
        probability: Of each lower bound, 0 to 1.
        agreeing: Of five look-alikes, those that need the answer's leaf, 3 to 5.
        seed: Seed of the pairs that are drawn.

    Raises:
        ValueError: when there are too few items to have five look-alikes each.
    """

    def __init__(
        self,
        labelled: Labelled,
        like_waiting: np.ndarray,
        target: float,
        probability: float = 0.95,
        agreeing: int = _LOOK_ALIKES,
        seed: int = 0,
    ) -> None:
        if len(labelled.leaves) <= _LOOK_ALIKES:
            raise ValueError(f"{len(labelled.leaves)} labelled items; look-alikes need {_LOOK_ALIKES + 1}")
        if len(like_waiting) != len(labelled.leaves):
            raise ValueError(f"like_waiting of {len(like_waiting)} items; there are {len(labelled.leaves)}")
        if not 0 < target < 1 or not 0 < probability < 1 or not _MAJORITY <= agreeing <= _LOOK_ALIKES:
            raise ValueError("target and probability lie between 0 and 1, agreeing between 3 and 5")
        self._leaves = labelled.leaves
        self._vectors = labelled.vectors.astype(np.float32)
        self._target, self._probability, self._agreeing = target, probability, agreeing
        self._neighbours = NearestNeighbors(n_neighbors=_LOOK_ALIKES, metric="cosine", algorithm="brute")
        self._neighbours.fit(self._vectors)
        self.reach = self._measured(np.flatnonzero(like_waiting), seed)

    def offer(self, vector: np.ndarray, leaf: int, waiting: Waiting) -> Offer | None:
        """The waiting items that one answer may be passed on to; None where there is none, or too little is known.

        Args:
            vector: Of the answered item, float [D], of length 1.
            leaf: The answer; for NO_LEAF nothing is offered.
            waiting: N items.
        """
        measured = None if leaf == NO_LEAF else self.reach.of(leaf)
        if measured is None or not len(waiting.ids):
            return None
        cosines = waiting.vectors.astype(np.float32) @ vector.astype(np.float32)
        near = np.flatnonzero((cosines >= measured.cosine) & waiting.may_leave)
        near = near[self.agree(waiting.vectors[near], leaf)]
        if not len(near):
            return None
        order = near[np.argsort(-cosines[near], kind="stable")]
        return Offer(leaf, tuple(waiting.ids[n] for n in order), tuple(cosines[order].tolist()), measured)

    def agree(self, vectors: np.ndarray, leaf: int) -> np.ndarray:
        """Whether the look-alikes of items have one leaf, bool [N].

        Args:
            vectors: Of the items, float [N, D], of length 1.
            leaf: The leaf.
        """
        if not len(vectors):
            return np.zeros(0, bool)
        looks = self._neighbours.kneighbors(vectors.astype(np.float32), return_distance=False)
        return np.asarray((self._leaves[looks] == leaf).sum(axis=1) >= self._agreeing)

    def _measured(self, like_waiting: np.ndarray, seed: int) -> Reach:
        """How far answers of each leaf may be passed on, by leaving labelled items out.

        Each labelled item in turn stands for an answered one. Of the other items that it would be passed on to at a
        distance, one is drawn, and the labels are compared; an item is drawn once at most. So pairs have no item in
        common, and each is one offer. Copies of the image itself do not count.
        """
        pairs = self._pairs(like_waiting, self._said(like_waiting), np.random.default_rng(seed))
        enough = fewest_items(self._target, self._probability)
        counts = np.bincount(pairs[COSINES[-1]][:, 0], minlength=int(self._leaves.max()) + 1)
        own = np.flatnonzero(counts >= enough)
        by_leaf = {int(leaf): self._farthest(pairs, np.array([leaf])) for leaf in own}
        return Reach(by_leaf, self._farthest(pairs, np.setdiff1d(np.unique(self._leaves), own)))

    def _said(self, rows: np.ndarray) -> np.ndarray:
        """The leaf on which the look-alikes of labelled items agree, int [K]; NO_LEAF where they do not.

        Args:
            rows: Of the items, int [K]; their copies are no look-alikes.
        """
        count = min(_LOOK_ALIKES + _MOST_COPIES, len(self._leaves) - 1)
        distances, looks = self._neighbours.kneighbors(self._vectors[rows], count + 1)
        is_other = (looks != rows[:, None]) & (distances > 1 - _COPY)
        first = np.argsort(~is_other, axis=1, kind="stable")[:, :_LOOK_ALIKES]
        commonest = mode(self._leaves[np.take_along_axis(looks, first, axis=1)], axis=1)
        agree = (commonest.count >= self._agreeing) & (is_other.sum(axis=1) >= _LOOK_ALIKES)
        return np.where(agree, commonest.mode, NO_LEAF)

    def _pairs(self, rows: np.ndarray, said: np.ndarray, rng: np.random.Generator) -> dict[float, np.ndarray]:
        """At each distance, the leaves of pairs, int [P, 2]: of an item as if answered, and of its look-alike."""
        seeds = rng.permutation(len(rows))[:_MOST_SEEDS]
        used = {cosine: np.zeros(len(rows), bool) for cosine in COSINES}
        pairs: dict[float, list[tuple[int, int]]] = {cosine: [] for cosine in COSINES}
        vectors, leaves = self._vectors[rows], self._leaves[rows]
        for first in range(0, len(seeds), _BATCH):
            batch = seeds[first : first + _BATCH]
            cosines = vectors[batch] @ vectors.T
            for row, answered in enumerate(batch.tolist()):
                may = np.flatnonzero((said == leaves[answered]) & (cosines[row] < _COPY))
                for cosine in COSINES:
                    near = may[cosines[row, may] >= cosine]
                    near = near[~used[cosine][near] & (near != answered)]
                    if len(near) and not used[cosine][answered]:
                        drawn = int(rng.choice(near))
                        used[cosine][[answered, drawn]] = True
                        pairs[cosine].append((leaves[answered], leaves[drawn]))
        return {cosine: np.array(drawn, np.int64).reshape(-1, 2) for cosine, drawn in pairs.items()}

    def _farthest(self, pairs: Mapping[float, np.ndarray], leaves: np.ndarray) -> MeasuredAt | None:
        """The farthest distance whose lower bound reaches the target, for answers of some leaves.

        All distances share the allowed error, so that the choice among them does not spoil the bound.
        """
        careful = 1 - (1 - self._probability) / len(COSINES)
        for cosine in reversed(COSINES):
            of_leaves = pairs[cosine][np.isin(pairs[cosine][:, 0], leaves)]
            items, right = len(of_leaves), int((of_leaves[:, 0] == of_leaves[:, 1]).sum())
            at_least = lower_bound(right, items, careful)
            if at_least is not None and at_least >= self._target:
                return MeasuredAt(cosine, items, right, at_least)
        return None
