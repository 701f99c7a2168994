"""Cards of the grid lie by look."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from tagger.review.store.records import QueuedItem
from tagger.review.web.clusters import clusters_by_look
from tagger.review.web.look_alikes import LookAlikes
from tests.tagger.review.queue_rows import row

NAMES = QueuedItem.__dataclass_fields__


def items(count: int) -> list[QueuedItem]:
    empty: dict[str, Any] = dict.fromkeys(NAMES)
    return [QueuedItem(**{**empty, **row(n)}) for n in range(1, count + 1)]


class Vectors:
    """Three looks, which the items have in turn; the index lacks the last item."""

    def vectors(self, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        known = np.arange(len(ids) - 1)
        noise = np.random.default_rng(0).normal(0, 0.02, (len(known), 16))
        vectors = np.eye(16)[known % 3] + noise
        return known, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_items_that_look_alike_lie_together_and_the_rest_comes_last() -> None:
    shown = items(9)
    clusters = clusters_by_look(shown, cast("LookAlikes", Vectors()))
    numbers = [[item.position for item in cluster.items] for cluster in clusters]
    assert numbers == [[1, 4, 7], [2, 5, 8], [3, 6, 9]], "two look alike, and one is not in the index"
    assert [cluster.is_rest for cluster in clusters] == [False, False, True]


def test_without_an_index_or_with_few_items_nothing_changes() -> None:
    shown = items(3)
    for look_alikes in (None, cast("LookAlikes", Vectors())):
        (cluster,) = clusters_by_look(shown, look_alikes)
        assert (list(cluster.items), cluster.is_rest) == (shown, True)
    assert clusters_by_look([], None) == []
