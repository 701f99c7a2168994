"""A trial of an audit: labels are made wrong at random; how many of them does it find, and how many others?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from tagger.auditing.findings import ARTICLE, MASTER, Judged
from tagger.auditing.learning import contradicted


@dataclass(frozen=True)
class FoundLabels:
    """How well labels that were made wrong are found on one level."""

    level: str
    made_wrong: int
    average_precision: float
    """Of the ranking by how likely each label is wrong, 0 to 1, higher is better."""
    found: int
    precision: float
    """Share of what was found that was made wrong."""
    recall: float
    """Share of what was made wrong that was found."""


def flipped_labels(items: pd.DataFrame, share: float, min_items: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The items with some labels wrong, half of them in another master category, and which, bool [N].

    Args:
        items: masterCategory and articleType, N rows; they are left as they are.
        share: Of the labels that are drawn; one for which there is no other leaf stays.
        min_items: Only leaves with so many items are taken in place of the right one.
        seed: Of the draw.
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


def found_labels(items: pd.DataFrame, is_flipped: np.ndarray, judged: Judged) -> list[FoundLabels]:
    """How well the judgement of flipped labels finds them, by level; what was wrong before counts as right.

    Args:
        items: With the labels as they were before.
        is_flipped: Whose labels were made wrong, bool [N].
        judged: What is said of the flipped labels.
    """
    rather = contradicted(judged.both, judged.own)
    masters = judged.leaves[MASTER].to_numpy()
    has_own_master = (masters[:, None] == masters[None])[:, judged.own].T
    master_wrong = 1 - (judged.both * has_own_master).sum(axis=1)
    other_master = masters[judged.own] != items.iloc[judged.rows][MASTER].to_numpy()
    return [
        _found(MASTER, other_master, master_wrong, masters[rather] != masters[judged.own]),
        _found(ARTICLE, is_flipped[judged.rows], 1 - judged.label_probability, rather != judged.own),
    ]


def _found(level: str, truth: np.ndarray, score: np.ndarray, is_found: np.ndarray) -> FoundLabels:
    return FoundLabels(
        level,
        int(truth.sum()),
        float(average_precision_score(truth, score)),
        int(is_found.sum()),
        float(truth[is_found].mean()),
        float(is_found[truth].mean()),
    )
