"""Tests an audit on labels that are flipped at random: how many does it find, and how precise are its findings?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from tagger.auditing.findings import ARTICLE, MASTER, Judged
from tagger.auditing.learning import confident_classes


@dataclass(frozen=True)
class FlipDetection:
    """How well an audit finds flipped labels on one level."""

    level: str
    flipped: int
    average_precision: float
    """Average precision of the ranking by the probability that a label is wrong, 0 to 1, higher is better."""
    flagged: int
    precision: float
    """Share of the flagged labels that were flipped, 0 to 1."""
    recall: float
    """Share of the flipped labels that are flagged, 0 to 1."""


def flip_labels(items: pd.DataFrame, share: float, min_items: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Flip some labels, half of them to another master category; return the items, and which were flipped, bool [N].

    Args:
        items: masterCategory and articleType, N rows; they are not changed.
        share: Share of the labels to flip; a label without an alternative leaf stays.
        min_items: Only leaves with as many items or more replace a label.
        seed: Seed of the sample.
    """
    rng = np.random.default_rng(seed)
    sizes = items.groupby([MASTER, ARTICLE]).size()
    leaves = sizes[sizes >= min_items].index.to_frame(index=False)
    masters, articles = (items[name].to_numpy(object, copy=True) for name in (MASTER, ARTICLE))
    chosen = np.flatnonzero(rng.random(len(items)) < share)
    is_flipped = np.zeros(len(items), bool)
    for row, across in zip(chosen, rng.random(len(chosen)) < 0.5, strict=True):
        other = leaves[((leaves[MASTER] != masters[row]) == across) & (leaves[ARTICLE] != articles[row])]
        if len(other):
            masters[row], articles[row] = other.iloc[int(rng.integers(len(other)))]
            is_flipped[row] = True
    return items.assign(**{MASTER: masters, ARTICLE: articles}), is_flipped


def measure_detection(items: pd.DataFrame, is_flipped: np.ndarray, judged: Judged) -> list[FlipDetection]:
    """How well flipped labels are found, by level. Labels that were wrong already count as right.

    Args:
        items: The items with their labels before the flip.
        is_flipped: Which labels were flipped, bool [N].
        judged: Probabilities of the leaves, judged with the flipped labels.
    """
    suggestion = confident_classes(judged.both, judged.labels)
    masters = judged.leaves[MASTER].to_numpy()
    has_own_master = (masters[:, None] == masters[None])[:, judged.labels].T
    master_wrong = 1 - (judged.both * has_own_master).sum(axis=1)
    other_master = masters[judged.labels] != items.iloc[judged.rows][MASTER].to_numpy()
    return [
        _detection(MASTER, other_master, master_wrong, masters[suggestion] != masters[judged.labels]),
        _detection(ARTICLE, is_flipped[judged.rows], 1 - judged.label_probability, suggestion != judged.labels),
    ]


def _detection(level: str, is_flipped: np.ndarray, score: np.ndarray, is_flagged: np.ndarray) -> FlipDetection:
    return FlipDetection(
        level,
        int(is_flipped.sum()),
        float(average_precision_score(is_flipped, score)),
        int(is_flagged.sum()),
        float(is_flipped[is_flagged].mean()),
        float(is_flagged[is_flipped].mean()),
    )
