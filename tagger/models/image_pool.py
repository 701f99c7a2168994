"""Combines what several images of one item say of its leaf."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tagger.models.evidence import Weights, log_probabilities, stored_top_k, weighted_logits
from tagger.models.levels import softmax
from tagger.schemas.documents.bundle import ImagePool

UNFITTED = ImagePool(first=0.5, further=0.5, prior=0.0)
"""The geometric mean of the first image and of all others, for a model that has seen no item with several."""


class ImageRows(NamedTuple):
    """Which of M images belong to which of N items; each item has an image at least, and its images are neighbours."""

    starts: np.ndarray
    """Each item's first row, int [N]."""
    is_first: np.ndarray
    """Whether an image is the first one of its item, which may be absent, bool [M]."""

    @classmethod
    def of(cls, items: Sequence[object] | np.ndarray, numbers: np.ndarray) -> "ImageRows":
        """The rows of images.

        Args:
            items: Id of each image's item; equal ones are neighbours.
            numbers: Number of each image among those of its item, int [M]; 0 is the first.
        """
        ids = np.asarray(items, object)
        changes = np.ones(len(ids), bool)
        changes[1:] = ids[1:] != ids[:-1]
        return cls(np.flatnonzero(changes), np.asarray(numbers) == 0)

    @property
    def counts(self) -> np.ndarray:
        """Number of each item's images, int [N]."""
        return np.diff(np.append(self.starts, len(self.is_first)))

    @property
    def has_first(self) -> np.ndarray:
        """Whether an item's first image is among them, bool [N]."""
        return np.asarray(np.logical_or.reduceat(self.is_first, self.starts))


class Pooled(NamedTuple):
    """What the images of each of N items say together."""

    probabilities: np.ndarray
    """Float32 [N, L]."""
    surest: np.ndarray
    """The row of the image that is surest of the most probable leaf, int [N]; of equals, the first."""


def pool_images(probabilities: np.ndarray, rows: ImageRows, pool: ImagePool | None) -> Pooled:
    """Combine the probabilities by the images of each item.

    The first image has a weight of its own, as shops put the front view first; the others share one, whatever their
    number. It is a logarithmic opinion pool: Genest and Zidek 1986, "Combining probability distributions". An item
    with one image keeps its probabilities; where the first cannot be used, the others have the weights of both.

    Args:
        probabilities: By image, float32 [M, L]; of items with several, the most probable leaves count, as tagging
            stores them.
        rows: Which images belong to which items.
        pool: The weights; None for `UNFITTED`.
    """
    together = probabilities[rows.starts]
    surest = rows.starts.copy()
    items = np.flatnonzero(rows.counts > 1)
    if len(items):
        some = np.repeat(rows.counts > 1, rows.counts)
        stored = stored_top_k(probabilities[some])
        inner = ImageRows(np.append(0, np.cumsum(rows.counts[items])[:-1]), rows.is_first[some])
        together[items] = _pooled(stored, inner, pool or UNFITTED)
        of_item = np.repeat(np.arange(len(items)), rows.counts[items])
        sure = stored[np.arange(len(stored)), together[items].argmax(axis=1)[of_item]]
        best = np.maximum.reduceat(sure, inner.starts)[of_item]
        surest[items] = np.flatnonzero(some)[_first_true(sure == best, inner.starts)]
    return Pooled(together, surest)


def first_and_others(probabilities: np.ndarray, rows: ImageRows) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities by each item's first image, and the geometric mean of those by its others, float64 [N, L] each.

    They are undefined where there is no such image.
    """
    logs = log_probabilities(probabilities)
    others = np.add.reduceat((~rows.is_first).astype(np.int64), rows.starts)
    sums = np.add.reduceat(np.where(rows.is_first[:, None], 0, logs), rows.starts, axis=0)
    firsts = np.add.reduceat(np.where(rows.is_first[:, None], logs, 0), rows.starts, axis=0)
    return np.exp(firsts), np.exp(sums / np.maximum(others, 1)[:, None])


def _pooled(probabilities: np.ndarray, rows: ImageRows, pool: ImagePool) -> np.ndarray:
    first, others = first_and_others(probabilities, rows)
    equal_shares = np.full(probabilities.shape[1], 1 / probabilities.shape[1])
    both = Weights((pool.first, pool.further), pool.prior)
    alone = Weights((pool.first + pool.further,), pool.prior)
    together = softmax(weighted_logits([first, others], equal_shares, both), 1.0)
    without = np.flatnonzero(~rows.has_first)
    together[without] = softmax(weighted_logits([others[without]], equal_shares, alone), 1.0)
    return together


def _first_true(flags: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The first set position at or after each start; every stretch has one."""
    places = np.flatnonzero(flags)
    return np.asarray(places[np.searchsorted(places, starts)])
