"""What a review and an index have to learn from, as material: labelled items, answers, and items that wait."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.models.evidence import expand_top_k
from tagger.review.learning.material import NO_LEAF, Answered, Labelled, Waiting
from tagger.review.learning.refit import RefitRequest
from tagger.review.store.refits import UnsureItem
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.similarity.index import VectorIndex
from tagger.training.subsample import subsample

Pair = tuple[str, str]
_LEVELS = [str(level) for level in Level]


@dataclass(frozen=True)
class LabelledItems:
    """Labelled items of an index."""

    vectors: np.ndarray
    """float32 [M, D], of length 1."""
    pairs: Sequence[Pair]
    """masterCategory and articleType of each."""

    def only(self, chosen: np.ndarray) -> "LabelledItems":
        """Some of them, bool [M]."""
        return LabelledItems(self.vectors[chosen], [self.pairs[n] for n in np.flatnonzero(chosen).tolist()])

    def material(self, code: dict[Pair, int]) -> Labelled:
        """The same with indices in place of names; every name has to have one."""
        return Labelled(self.vectors, np.array([code[pair] for pair in self.pairs], int))


def labelled_items(index: VectorIndex, without: Collection[str], most: int, seed: int = 0) -> LabelledItems:
    """Draw labelled items of an index.

    Args:
        index: Of the catalogue.
        without: Ids to leave out: those of the queue, whose labels may be what is asked about.
        most: How many at most; where there are more, rare classes keep all of theirs.
        seed: Of the draw.
    """
    items = index.items
    named = pc.and_(*(pc.is_valid(items[name]) for name in _LEVELS))
    in_queue = pc.is_in(items["id"], value_set=pa.array(sorted(without), pa.string()))
    usable = pc.and_(pc.and_(items["labelled"], named), pc.invert(in_queue))
    rows = np.flatnonzero(np.asarray(usable, bool) & index.is_live)
    names = items.select(_LEVELS).take(pa.array(rows))
    pairs = list(zip(*(names[name].to_pylist() for name in _LEVELS), strict=True))
    if not pairs:
        return LabelledItems(np.zeros((0, index.card.dimension), np.float32), [])
    code = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
    classes = np.array([code[pair] for pair in pairs])
    kept = subsample(np.arange(len(rows)), classes, most, np.random.default_rng(seed))
    return LabelledItems(index.vectors(rows[kept]), [pairs[n] for n in kept.tolist()])


def probabilities_of(alternatives: Sequence[Sequence[dict[str, Any]]], code: dict[Pair, int]) -> np.ndarray:
    """The bundle's probabilities as a run keeps them: of the most probable leaves, the rest shared; float32 [N, L].

    Args:
        alternatives: By PREDICTION, of N items.
        code: Index of each leaf, L of them.
    """
    most = max(map(len, alternatives), default=0)
    leaves, confidences = np.full((len(alternatives), most), -1), np.zeros((len(alternatives), most), np.float32)
    for row, of_item in enumerate(alternatives):
        for rank, one in enumerate(of_item):
            leaves[row, rank] = code[one["masterCategory"], one["articleType"]]
            confidences[row, rank] = one["confidence"]
    return expand_top_k(leaves, confidences, len(code))


def request_of(
    items: Sequence[UnsureItem], index: VectorIndex, target: float, most_labelled: int
) -> RefitRequest | None:
    """What a refit of a review learns from; None where the index has none of its items, or there are no two classes.

    Args:
        items: In their random order.
        index: Has their vectors, and labelled items.
        target: Precision of what the refit accepts, at both levels, 0 to 1.
        most_labelled: Labelled items to learn from, at most.
    """
    positions = index.positions([item.id for item in items])
    known = [item for item, position in zip(items, positions.tolist(), strict=True) if position >= 0]
    labelled = labelled_items(index, {item.id for item in items}, most_labelled)
    answers = [(item.master, item.article) for item in known if item.master and item.article]
    predicted = ((a["masterCategory"], a["articleType"]) for item in known for a in item.alternatives)
    pairs = {*labelled.pairs, *answers, *predicted}
    if not known or len(pairs) < 2:
        return None
    taxonomy = Taxonomy.of(pairs, {})
    vectors = index.vectors(positions[positions >= 0])
    probabilities = probabilities_of([item.alternatives for item in known], taxonomy.index)
    settled = np.array([item.is_settled for item in known])
    leaves = np.array([taxonomy.index.get((item.master or "", item.article or ""), NO_LEAF) for item in known])
    drawn = np.array([item.is_drawn for item in known])
    waiting = [item.id for item in known if not item.is_settled]
    return RefitRequest(
        taxonomy,
        labelled.material(taxonomy.index),
        Answered(vectors[settled], probabilities[settled], leaves[settled], drawn[settled]),
        Waiting(tuple(waiting), vectors[~settled], probabilities[~settled], np.ones(len(waiting), bool)),
        dict.fromkeys(Level, target),
    )
