"""Puts the items of a grid's page together by look, so that a person judges several at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from tagger.review.store.records import QueuedItem
from tagger.review.web.look_alikes import LookAlikes

_FARTHEST = 0.2
"""Mean cosine distance at which clusters are no longer joined; chosen by eye, on pages of real items."""
_SMALLEST = 3


@dataclass(frozen=True)
class Cluster:
    """Items that look alike, in the order in which they came."""

    items: Sequence[QueuedItem]
    is_rest: bool
    """Whether these are the items that look like too few others, or about whose look nothing is known."""


def clusters_by_look(items: Sequence[QueuedItem], look_alikes: LookAlikes | None) -> list[Cluster]:
    """Clusters of a page's items, that of the first item first; what is in none comes last.

    They are found bottom up, by the mean cosine distance of all pairs (average linkage, Sokal and Michener 1958).

    Args:
        items: In the grid's order.
        look_alikes: Has the vectors of items that are in its index; None where there is no index.
    """
    codes = np.full(len(items), -1)
    if look_alikes is not None:
        known, vectors = look_alikes.vectors([item.id for item in items])
        if len(known) >= _SMALLEST:
            codes[known] = by_distance(vectors)
    sizes = np.bincount(codes[codes >= 0], minlength=1)
    large = dict.fromkeys(code for code in codes.tolist() if code >= 0 and sizes[code] >= _SMALLEST)
    clusters = [Cluster([i for i, c in zip(items, codes, strict=True) if c == code], is_rest=False) for code in large]
    rest = [item for item, code in zip(items, codes.tolist(), strict=True) if code not in large]
    return [*clusters, *([Cluster(rest, is_rest=True)] if rest else [])]


def by_distance(vectors: np.ndarray) -> np.ndarray:
    """A number of each vector's cluster, int [N].

    Args:
        vectors: float [N, D] of length 1, at least two of them.
    """
    model = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=_FARTHEST)
    return np.asarray(model.fit_predict(vectors))
