"""Items that look like the one under review, with their tags."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.similarity.index import VectorIndex
from tagger.similarity.search import Criteria, Similar

_SHOWN = 5
_MAJORITY = 3


@dataclass(frozen=True)
class LookAlike:
    """An item of the index that looks like another."""

    number: int
    """The item's row in the index, by which its image is requested."""
    id: str
    master: str
    article: str
    labelled: bool
    """Whether these are labels, rather than predictions."""
    cosine: float


class LookAlikes:
    """Finds them in an index.

    Args:
        index: Of the catalogue, or of a part of it.
    """

    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self._similar = Similar(index, Criteria(top=_SHOWN))

    def of(self, item: str) -> list[LookAlike]:
        """The five items most similar to one, by its id, the most similar first; none where the index lacks it."""
        rows = self._similar.items([item]).to_pylist()
        positions = self._index.positions([row["similarId"] for row in rows]).tolist()
        return [
            LookAlike(
                number, row["similarId"], row["masterCategory"], row["articleType"], row["labelled"], row["cosine"]
            )
            for number, row in zip(positions, rows, strict=True)
            if row["masterCategory"] and row["articleType"]
        ]

    @property
    def state(self) -> str:
        """Tells one state of the index from another."""
        card = self._index.card
        return f"{card.model_id}/{card.items}/{card.segments[-1].name if card.segments else ''}"

    def agreed_on(self, items: Sequence[str]) -> dict[str, tuple[str, str]]:
        """The classes that most of the similar items have, by the ids of items; without those where none has most."""
        said: dict[str, list[tuple[str, str]]] = {}
        for row in self._similar.items(items).to_pylist():
            if row["masterCategory"] and row["articleType"]:
                said.setdefault(row["id"], []).append((row["masterCategory"], row["articleType"]))
        most = {item: Counter(classes).most_common(1)[0] for item, classes in said.items()}
        return {item: class_ for item, (class_, count) in most.items() if count >= _MAJORITY}

    def classes(self) -> Counter[tuple[str, str]]:
        """The labelled items of the index by their classes."""
        items = self._index.items
        labelled = items.filter(pa.array(self._index.is_live)).filter(pc.field("labelled"))
        names = ["masterCategory", "articleType"]
        rows = labelled.select(names).drop_null().group_by(names).aggregate([([], "count_all")]).to_pylist()
        return Counter({(row[names[0]], row[names[1]]): row["count_all"] for row in rows})

    def vectors(self, items: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of those items that the index has, by their ids.

        Returns:
            Which of the items these are, int [K], and their vectors of length 1, float32 [K, D].
        """
        positions = self._index.positions(items)
        known = np.flatnonzero(positions >= 0)
        return known, self._index.vectors(positions[known])

    def image_ref(self, number: int) -> str | None:
        """Where an item's image is, by its number in the index; None where there is no such item."""
        if not 0 <= number < len(self._index):
            return None
        ref = self._index.items["imageUri"][number].as_py()
        return str(ref) if ref else None


def agreed(look_alikes: Sequence[LookAlike]) -> tuple[str, str] | None:
    """The class of at least three of the five look-alikes; None where they do not agree."""
    leaves = Counter((one.master, one.article) for one in look_alikes)
    best = leaves.most_common(1)
    return best[0][0] if best and best[0][1] >= _MAJORITY else None
