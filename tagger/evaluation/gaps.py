"""What a model never answers because it had too few labels, and which labels would help it most."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from tagger.evaluation.intervals import FEW
from tagger.evaluation.metrics import Evaluation
from tagger.evaluation.shares import percent
from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.documents.taxonomy import Level

ADDED = 50
"""Labels that the expected gain assumes to be added to a class."""
_LISTED, _NEAREST, _EXAMPLES = 20, 3, 3
_PRIOR_ITEMS = 10
"""Items that the curve of all classes counts as, beside a class's own test items."""
Pair = tuple[str, str]
"""A master category and an article type: a leaf."""


@dataclass(frozen=True)
class Unlearnt:
    """A class that the model never answers."""

    category: str
    article: str
    items: int
    missing: int
    """Labels until it is learnt."""


@dataclass(frozen=True)
class Gaps:
    """The labelled items of a catalogue by class, learnt or not."""

    left_out: Sequence[LeftOut]
    """Classes that were not learnt, for having too few items."""
    min_items: int
    """Labelled items from which on a class is learnt."""
    labelled: Mapping[Pair, int]
    """Labelled items of each learnt class, on all sides of the split."""
    trained: Mapping[Pair, int]
    """Those of them that the model was trained on."""
    items: int
    """Number of all labelled items."""

    @classmethod
    def of_items(cls, items: pd.DataFrame, leaves: Sequence[Pair], left_out: Sequence[LeftOut], least: int) -> "Gaps":
        """Count the items of a training by class.

        Args:
            items: Columns `leaf`, the position in `leaves`, and `split`, the side; one row an item.
            leaves: The classes.
            left_out: Those that were not learnt.
            least: Labelled items from which on a class is learnt.
        """
        pairs = [leaves[n] for n in items["leaf"]]
        trained = (pair for pair, side in zip(pairs, items["split"], strict=True) if side == "train")
        total = len(pairs) + sum(leaf.items for leaf in left_out)
        return cls(left_out, least, Counter(pairs), Counter(trained), total)

    @classmethod
    def of_leaves(cls, leaves: Sequence[Pair], left_out: Sequence[LeftOut], least: int, learnt_items: int) -> "Gaps":
        """The same where it is not known how many items each class had: then no gain can be expected of labels.

        Args:
            leaves: The classes.
            left_out: Those that were not learnt.
            least: Labelled items from which on a class is learnt.
            learnt_items: Labelled items of all learnt classes together.
        """
        total = learnt_items + sum(leaf.items for leaf in left_out)
        return cls(left_out, least, dict.fromkeys(leaves, 0), {}, total)

    @cached_property
    def never(self) -> list[Unlearnt]:
        """Classes that are never answered, those nearest to being learnt first.

        One whose article type is learnt within another master category is not among them: see `stray`.
        """
        known = {article for _, article in self.labelled}
        classes = [
            Unlearnt(leaf.master_category, leaf.article_type, leaf.items, max(1, self.min_items - leaf.items))
            for leaf in self.left_out
            if leaf.article_type not in known
        ]
        return sorted(classes, key=lambda c: (c.missing, c.article, c.category))

    @cached_property
    def stray(self) -> list[Unlearnt]:
        """Rare pairs whose article type is learnt within another master category: often a wrong label."""
        known = {article for _, article in self.labelled}
        return [
            Unlearnt(leaf.master_category, leaf.article_type, leaf.items, max(1, self.min_items - leaf.items))
            for leaf in self.left_out
            if leaf.article_type in known
        ]

    @property
    def vanished(self) -> list[str]:
        """Master categories of which no class is learnt."""
        learnt = {category for category, _ in self.labelled}
        return sorted({leaf.master_category for leaf in self.left_out} - learnt)

    def in_words(self) -> str:
        """What is never answered and what to label first, in a few sentences."""
        if not self.never:
            return "It answers every class that the labelled items have."
        items, classes = sum(c.items for c in self.never), len(self.never)
        largest = sorted(self.never, key=lambda c: (-c.items, c.article))[:_EXAMPLES]
        named = ", ".join(c.article for c in largest)
        such_as = f", such as {named}" if classes > len(largest) else f": {named}"
        share = percent(items / self.items, self.items)
        labels = ", ".join(f"{c.missing:,} more of {c.article}" for c in self.never[:_NEAREST])
        return (
            f"It never answers {classes:,} {'class' if classes == 1 else 'classes'} ({items:,} "
            f"{'item' if items == 1 else 'items'}, {share} of those labelled){such_as}. It tags them as something "
            f"else. A class is learnt from {self.min_items:,} labelled items on: label {labels}."
            + (f" No class of these categories is learnt: {', '.join(self.vanished)}." if self.vanished else "")
        )


def expected_gain(gaps: Gaps, evaluation: Evaluation) -> pd.DataFrame:
    """Classes by how many more of 1,000 new items would be right if 50 more items of the class were labelled.

    A logistic regression over all test items says how the chance that an item is right grows with the logarithm of
    the number of labels that its class was trained on. A class's own chance is its share of right test items, drawn
    towards that curve as if ten items lay on it. Fifty more labels, of which as many train as of the others, move it
    along the curve. The gain is the growth times the class's share of the labelled items. A class that is not learnt
    starts at 0, and stays there while it has fewer than `min_items`. If more labels do not help over the classes, no
    learnt class gains.

    The curve is of different classes, not of one class with more labels, so the order is a better guide than the
    numbers.

    Args:
        gaps: Labelled items by class.
        evaluation: Predictions of test items, at both levels.

    Returns:
        category, article, items (labelled), tested, right (share of the test items, NaN without any), gain; the
        largest gain first, at most 20. Empty where the test items are too few, or all right or all wrong.
    """
    curve = _curve(gaps, evaluation)
    if curve is None:
        return pd.DataFrame(columns=["category", "article", "items", "tested", "right", "gain"])
    intercept, slope = curve
    shares = sum(gaps.trained.values()) / max(1, sum(gaps.labelled.values()))
    tested = _tested(evaluation)
    rows = []
    for pair, labelled in gaps.labelled.items():
        before = max(1, gaps.trained.get(pair, 0))
        items, right = tested.get(pair, (0, 0))
        chance = (right + _PRIOR_ITEMS * _logistic(intercept + slope * np.log(before))) / (items + _PRIOR_ITEMS)
        after = _logistic(_log_odds(chance) + slope * np.log((before + ADDED * shares) / before))
        rows.append((*pair, labelled, items, right / items if items else np.nan, (after - chance) * labelled))
    for one in gaps.never:
        enough = one.items + ADDED >= gaps.min_items
        after = _logistic(intercept + slope * np.log(max(1.0, (one.items + ADDED) * shares))) if enough else 0.0
        rows.append((one.category, one.article, one.items, 0, np.nan, after * one.items))
    table = pd.DataFrame(rows, columns=["category", "article", "items", "tested", "right", "gain"])
    table["gain"] *= 1000 / gaps.items
    return table.sort_values(["gain", "article"], ascending=[False, True]).head(_LISTED).reset_index(drop=True)


def _pairs(evaluation: Evaluation) -> tuple[list[Pair], np.ndarray]:
    """The true class of each test item, and whether both its tags are right, bool [N]."""
    levels = evaluation.levels
    master, article = levels[Level.MASTER_CATEGORY], levels[Level.ARTICLE_TYPE]
    return list(zip(master.truth, article.truth, strict=True)), master.right & article.right


def _tested(evaluation: Evaluation) -> dict[Pair, tuple[int, int]]:
    """Number of test items of each class, and of those that are right."""
    pairs, right = _pairs(evaluation)
    items = Counter(pairs)
    hits = Counter(pair for pair, is_right in zip(pairs, right, strict=True) if is_right)
    return {pair: (n, hits[pair]) for pair, n in items.items()}


def _curve(gaps: Gaps, evaluation: Evaluation) -> tuple[float, float] | None:
    """Intercept and slope of the log-odds of a right item over the logarithm of its class's labels; None if unknown."""
    if set(evaluation.levels) != set(Level):
        return None
    pairs, right = _pairs(evaluation)
    labels = np.array([gaps.trained.get(pair, 0) for pair in pairs], float)
    known = labels > 0
    if known.sum() < FEW or len(set(right[known])) < 2:
        return None
    fitted = LogisticRegression(C=np.inf).fit(np.log(labels[known])[:, None], right[known])
    return float(fitted.intercept_[0]), max(0.0, float(fitted.coef_[0, 0]))


def _logistic(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


def _log_odds(chance: float) -> float:
    return float(np.log(chance / (1 - chance)))
