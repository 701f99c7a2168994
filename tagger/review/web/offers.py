"""Offers: waiting items that look like the one just answered, to be given the same class by one key press.

How alike they have to be, the catalogue's own labels say. Items that wait are harder than those: behind a policy of
92% on a real catalogue, 73% of what was offered had the class of the answer where labels had promised 90%
(`python -m tests.refit_value --like all`). So a person looks at each before it is decided, and the page says how many
of those that were offered so far got the class.
"""

import threading
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tagger.review.learning.from_review import labelled_items
from tagger.review.learning.propagation import MeasuredAt, Propagation
from tagger.review.store.leaves import Leaf, Leaves
from tagger.review.store.reading import standing_of
from tagger.review.store.records import QueuedItem
from tagger.review.store.review import ReviewStore
from tagger.similarity.index import VectorIndex

MOST_OFFERED = 48
_SEARCHED = 200
_MOST_LABELLED = 10_000
_FEWEST_LABELLED = 6


@dataclass(frozen=True)
class Offer:
    """Waiting items that look like an answered one."""

    leaf: Leaf
    """The answer."""
    positions: tuple[int, ...]
    """The most alike first."""
    measured: MeasuredAt
    """How often labelled items that look so much alike have one class."""


class Offers:
    """Finds what to offer; until `prepare` has measured, nothing.

    Args:
        store: The review.
        index: Has the vectors of its items, and labelled items.
        leaves: What may be chosen.
        target: Share of pairs of labelled items that must have one class, as a lower bound, 0 to 1.
    """

    def __init__(self, store: ReviewStore, index: VectorIndex, leaves: Leaves, target: float) -> None:
        self._store = store
        self._index = index
        self._leaves = leaves
        self._target = target
        self._propagation: Propagation | None = None
        self._counting = threading.Lock()
        self._declined: set[tuple[int, Leaf]] = set()
        self.shown = self.taken = 0
        """Items that were offered, and of these those that got the class, since this server was started."""
        self._queued = np.zeros(0, np.int64)

    def prepare(self, ended: threading.Event | None = None) -> None:
        """Measure how alike items have to be: takes seconds. It is left out where the page ends meanwhile."""
        ids = self._store.ids()
        positions = self._index.positions(list(ids))
        queued = np.zeros(len(self._index), np.int64)
        queued[positions[positions >= 0]] = np.array(list(ids.values()), np.int64)[positions >= 0]
        labelled = labelled_items(self._index, ids, _MOST_LABELLED)
        code = {(leaf.master, leaf.article): leaf.number for leaf in self._leaves}
        can_be_chosen = np.array([pair in code for pair in labelled.pairs], bool)
        labelled = labelled.only(can_be_chosen)
        if len(labelled.pairs) < _FEWEST_LABELLED or not queued.any():
            return
        if ended is not None and ended.is_set():
            return
        everything = np.ones(len(labelled.pairs), bool)
        self._queued = queued
        self._propagation = Propagation(labelled.material(code), everything, self._target)

    def of(self, item: QueuedItem) -> Offer | None:
        """What to offer after an item was answered; None where there is nothing, or too little is known."""
        leaf = self._answer(item)
        measured = self._propagation.reach.of(leaf.number) if self._propagation and leaf else None
        if self._propagation is None or leaf is None or measured is None:
            return None
        (own,) = self._index.positions([item.id])
        if own < 0:
            return None
        found = self._index.search(
            self._index.vectors(np.array([own])), _SEARCHED, lambda _, places: self._queued[places] > 0
        )
        near = found.positions[0][found.cosines[0] >= measured.cosine]
        by_position = dict(zip(self._queued[near].tolist(), near.tolist(), strict=True))
        open_to_it = [p for p in by_position if p != item.position and (p, leaf) not in self._declined]
        waiting = self._store.waiting_of(open_to_it)[:MOST_OFFERED]
        vectors = self._index.vectors(np.array([by_position[p] for p in waiting], np.int64))
        agree = self._propagation.agree(vectors, leaf.number)
        alike = tuple(p for p, is_agreed in zip(waiting, agree.tolist(), strict=True) if is_agreed)
        return Offer(leaf, alike, measured) if alike else None

    def count(self, offer: Offer, taken: Collection[int], declined: Collection[int]) -> None:
        """Count what somebody did with an offer; what was declined is not offered again with this class."""
        with self._counting:
            self.shown += len(taken) + len(declined)
            self.taken += len(taken)
            self._declined.update((position, offer.leaf) for position in declined)

    def _answer(self, item: QueuedItem) -> Leaf | None:
        """The class that a person gave an item."""
        standing = standing_of(item, self._store.history(item.position))
        return self._leaves.find(standing.master, standing.article) if standing else None
