"""Each class of a level with its shares, what it is mistaken for, and which of its mistakes are shown."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.evaluation.breakdown import confused_pairs, most_frequent_confusions
from tagger.evaluation.metrics import Predicted, per_class

SURE = 0.8
"""Confidence from which on a mistake counts as one that the model is sure of."""
_PAIRS, _OF_A_PAIR, _SUREST, _OF_A_CLASS, _OF_CLASSES = 8, 4, 24, 4, 240
_NAMED = 3


@dataclass(frozen=True)
class ShownMistakes:
    """Positions of the mistakes that a level's section shows; none stands twice."""

    pairs: Sequence[tuple[dict[str, object], np.ndarray]]
    """The most confused pairs of classes, as of `confused_pairs`, each with some mistakes."""
    sure: np.ndarray
    """Further mistakes that the model was sure of."""
    sure_above: int
    """Number of the mistakes among `pairs` that it was as sure of."""
    by_class: dict[str, np.ndarray]
    """Further mistakes by true class."""

    @property
    def all(self) -> np.ndarray:
        """All of them, int [N]."""
        positions = [*(shown for _, shown in self.pairs), self.sure, *self.by_class.values()]
        return np.concatenate(positions).astype(int)

    @classmethod
    def of(cls, predicted: Predicted) -> "ShownMistakes":
        """Choose among the mistakes, the most confident first."""
        mistakes = _mistakes(predicted)
        table = confused_pairs(predicted).head(_PAIRS)
        rows = [{str(name): cell for name, cell in row.items()} for row in table.to_dict("records")]
        pairs = [(row, _of_pair(predicted, mistakes, str(row["a"]), str(row["b"]))) for row in rows]
        above = np.concatenate([np.zeros(0, int), *(shown for _, shown in pairs)])
        rest = mistakes[~np.isin(mistakes, above)]
        sure = rest[predicted.confidence[rest] >= SURE][:_SUREST]
        rest = rest[~np.isin(rest, sure)]
        first = pd.Series(predicted.truth[rest], dtype=object).groupby(predicted.truth[rest]).cumcount() < _OF_A_CLASS
        rest = rest[first.to_numpy(bool)][:_OF_CLASSES]
        by_class = {str(name): rest[predicted.truth[rest] == name] for name in dict.fromkeys(predicted.truth[rest])}
        return cls(pairs, sure, int((predicted.confidence[above] >= SURE).sum()), by_class)


def confusion_in_words(truth: str, predicted: str, items: int) -> str:
    """Mistakes of one direction: `2 Apparel items were tagged Accessories`, `2 Free Items were tagged Apparel`."""
    if items == 1:
        return f"1 {truth} item was tagged {predicted}"
    plural = truth if truth.lower().endswith("items") else f"{truth} items"
    return f"{items:,} {plural} were tagged {predicted}"


def pair_in_words(pair: dict[str, object]) -> str:
    """Mistakes of both directions, in a sentence; the more frequent direction first."""
    a, b = str(pair["a"]), str(pair["b"])
    ways = [(int(str(pair["aAsB"])), a, b), (int(str(pair["bAsA"])), b, a)]
    words = [confusion_in_words(t, p, n) for n, t, p in sorted(ways, key=lambda way: -way[0]) if n]
    return " and ".join(words)


def class_rows(predicted: Predicted) -> list[dict[str, object]]:
    """Every class, the most frequent first.

    Returns:
        Of each: name; items; found, the share of its items that are tagged so, NaN without items; tagged, the number
        of items that are tagged so; right, the share of these that are it, NaN without any; wrong, the number of its
        items that are tagged otherwise; and confusions, the most frequent of these in words.
    """
    table = per_class(predicted)
    tagged = pd.Series(predicted.predicted, dtype=object).value_counts()
    confused: dict[str, list[str]] = {}
    frequent = most_frequent_confusions(predicted)
    for truth, other, items in zip(frequent["truth"], frequent["predicted"], frequent["items"], strict=True):
        words = confused.setdefault(str(truth), [])
        if len(words) < _NAMED:
            words.append(f"{items:,} tagged {other}")
    return [
        {
            "name": row["class"],
            "items": int(row["support"]),
            "found": float(row["recall"]) if row["support"] else np.nan,
            "tagged": int(tagged.get(row["class"], 0)),
            "right": float(row["precision"]) if tagged.get(row["class"], 0) else np.nan,
            "wrong": round(row["support"] * (1 - row["recall"])),
            "confusions": confused.get(row["class"], []),
        }
        for row in table.to_dict("records")
    ]


def _mistakes(predicted: Predicted) -> np.ndarray:
    """Positions of the mistakes, the most confident first."""
    wrong = np.flatnonzero(~predicted.right)
    return wrong[np.argsort(-predicted.confidence[wrong], kind="stable")]


def _of_pair(predicted: Predicted, mistakes: np.ndarray, a: str, b: str) -> np.ndarray:
    """Positions of some mistakes between two classes, in both directions, the most confident first."""
    truth, other = predicted.truth[mistakes], predicted.predicted[mistakes]
    ways = [mistakes[(truth == t) & (other == p)] for t, p in ((a, b), (b, a))]
    return np.concatenate([way[:_OF_A_PAIR] for way in ways])
