"""A queue whose items lie in four clusters, one for each class, and an index of them and of labelled items."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tagger.io.location import Location
from tagger.review.store.records import Change
from tagger.review.store.review import ReviewStore
from tagger.schemas.tables.decision import Verdict
from tagger.similarity.index import VectorIndex
from tests.indexes import made_index
from tests.tagger.review.learning.drawn import PAIRS, vectors_of
from tests.tagger.review.queue_rows import row

UNSURE = [{"masterCategory": m, "articleType": a, "confidence": 0.25} for m, a in PAIRS]


@dataclass(frozen=True)
class AlikeQueue:
    """Items of a queue, all predicted as the first class, and their true ones."""

    store: ReviewStore
    index: VectorIndex
    truth: dict[int, tuple[str, str]]
    """By position."""

    def right(self, position: int) -> Change:
        """The right decision about an item."""
        pair = self.truth[position]
        return Change(position, Verdict.ACCEPTED if pair == PAIRS[0] else Verdict.CORRECTED, *pair)

    def of_class(self, pair: tuple[str, str]) -> list[int]:
        """The positions of the items of one class."""
        return [position for position, true in self.truth.items() if true == pair]


def alike_queue(store: ReviewStore, folder: Path, items: int = 200, labelled: int = 400) -> AlikeQueue:
    """Fill a review that has not begun.

    Args:
        store: The review.
        folder: Gets the index.
        items: That wait.
        labelled: Further items of the index.
    """
    rng = np.random.default_rng(0)
    leaves, known = rng.integers(0, len(PAIRS), items), rng.integers(0, len(PAIRS), labelled)
    first = {"master": PAIRS[0][0], "article": PAIRS[0][1], "article_confidence": 0.25}
    alone = {"reasons": ["low_confidence"], "images": None, "evidence": None, "alternatives": UNSURE}
    store.fill(({**row(n), "id": f"w{n}", **first, **alone} for n in range(1, items + 1)), PAIRS)
    ids = [f"w{n}" for n in range(1, items + 1)] + [f"k{n}" for n in range(labelled)]
    everyone = np.concatenate([leaves, known])
    named = pd.DataFrame([PAIRS[leaf] for leaf in everyone], columns=["masterCategory", "articleType"])
    table = named.assign(id=ids, imageUri="gone.jpg", imageDigest=ids)
    made_index(folder / "index", table, vectors_of(everyone, 0.4, rng))
    truth = {n: PAIRS[leaf] for n, leaf in enumerate(leaves.tolist(), 1)}
    return AlikeQueue(store, VectorIndex(Location(str(folder / "index"))), truth)
