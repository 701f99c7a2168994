"""Whether a comparison shows that a new model is not worse: a bound on the change of the share of right types."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy.stats import norm

PROBABILITY = 0.95


@dataclass(frozen=True)
class Change:
    """How much the share of right article types changes from the old model to the new one."""

    source: str
    items: int
    """Items, or disagreements, whose truth is known."""
    mean: float
    """Best estimate, -1 to 1; positive where the new one is better."""
    at_least: float
    """One-sided bound, which holds with PROBABILITY."""


def change_in(document: Mapping[str, Any]) -> Change | None:
    """What a comparison says of the change; None where no truth is known.

    Labels and decisions count, or else the judged disagreements, a random sample of all: whichever bounds it more
    closely.

    Args:
        document: As `tagger.workflows.compare.document_of` makes it.
    """
    found: list[Change] = []
    truth, judged = document["truth"], document["judged"]
    if truth and truth["items"]:
        mean, error = _paired(truth["onlyOld"], truth["onlyNew"], truth["items"])
        found.append(_change(truth["source"], truth["items"], mean, error))
    answers = judged["old"] + judged["new"] + judged["neither"] + judged["unclear"]
    if answers and document["tagged"]:
        share = document["disagreements"] / document["tagged"]
        mean, error = _paired(judged["old"], judged["new"], answers)
        found.append(_change("judged disagreements", answers, share * mean, share * error))
    return min(found, key=lambda change: change.mean - change.at_least, default=None)


def _paired(only_old: int, only_new: int, items: int) -> tuple[float, float]:
    """Difference of two shares of the same items and its standard error, by Agresti and Min (2005).

    Half an item is added to each of the four cells, which makes the interval cover what it says on small numbers, too.
    """
    old, new, n = only_old + 0.5, only_new + 0.5, items + 2
    mean = (new - old) / n
    return mean, math.sqrt(old + new - (new - old) ** 2 / n) / n


def _change(source: str, items: int, mean: float, error: float) -> Change:
    return Change(source, items, mean, mean - float(norm.ppf(PROBABILITY)) * error)
