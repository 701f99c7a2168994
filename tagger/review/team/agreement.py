"""How well two people agree about the same items, or one person with their own earlier answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score


@dataclass(frozen=True)
class Agreement:
    """Agreement of two answers about each of some items."""

    items: int
    agreed: int
    kappa: float | None
    """Agreement beyond chance: 1 if all answers agree, 0 if as many as by chance, below 0 if fewer.

    None without items, and where all answers are one class: agreement by chance is then complete, too.
    """
    lowest: float | None
    """With `highest`, the confidence interval of kappa, -1 to 1; both None where kappa is."""
    highest: float | None

    @property
    def share(self) -> float | None:
        """Share of the items with the same answer, 0 to 1; None without items."""
        return self.agreed / self.items if self.items else None


def agreement(first: Sequence[str], second: Sequence[str], probability: float = 0.95) -> Agreement:
    """Cohen's kappa of two answers about each item (Cohen 1960), with an interval.

    The interval is the exact one of the observed agreement (Clopper and Pearson 1934), with the agreement by chance as
    it was observed. The usual interval, from the asymptotic variance (Fleiss, Cohen and Everitt 1969), is far too
    narrow for few items and people who nearly always agree; if they always do, it has no width, nor has a bootstrap.

    Args:
        first: The class that one answer gives each item, [N].
        second: The class that the other gives it, [N], in the same order.
        probability: Coverage of the interval, 0 to 1.

    Raises:
        ValueError: when the two are not equally long.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} first answers and {len(second)} second ones are not about the same items")
    items = len(first)
    agreed = sum(a == b for a, b in zip(first, second, strict=True))
    if len({*first, *second}) < 2:
        return Agreement(items, agreed, None, None, None)
    kappa = float(cohen_kappa_score(first, second))
    by_chance = _agreement_by_chance(first, second)
    ends = binomtest(agreed, items).proportion_ci(probability, method="exact")
    lowest, highest = ((float(end) - by_chance) / (1 - by_chance) for end in ends)
    return Agreement(items, agreed, kappa, max(lowest, -1.0), min(highest, 1.0))


def _agreement_by_chance(first: Sequence[str], second: Sequence[str]) -> float:
    """Share of items about which the two would agree if both kept their classes' frequencies and knew no item."""
    codes = np.unique([*first, *second], return_inverse=True)[1]
    shares = [np.bincount(each, minlength=codes.max() + 1) / len(first) for each in np.split(codes, 2)]
    return float(shares[0] @ shares[1])
