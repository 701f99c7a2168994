"""Precision of accepted tags in production, from review decisions on a random sample."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import beta

from tagger.confidence.anytime import Bound, ConfidenceSequence
from tagger.confidence.target import ACCEPTED
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.decision import Verdict
from tagger.schemas.tables.prediction import ReviewReason

SAMPLED = ["id", *(str(level) for level in Level), "reviewReasons"]


@dataclass(frozen=True)
class Precision:
    """Precision of accepted tags, from a sample of them, for one look at a number of answers that was fixed before."""

    sampled: int
    answered: int
    right: int
    lowest: float | None
    """With `highest`, the confidence interval of the precision; None without answers."""
    highest: float | None

    @classmethod
    def of(cls, right: np.ndarray, sampled: int, probability: float) -> "Precision":
        """Compute it from answers, bool [N], with the exact interval of Clopper and Pearson (1934)."""
        n, k = len(right), int(right.sum())
        if not n:
            return cls(sampled, 0, 0, None, None)
        tail = (1 - probability) / 2
        lowest = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
        highest = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
        return cls(sampled, n, k, lowest, highest)

    @property
    def share(self) -> float | None:
        """Share of right answers, 0 to 1; None without answers."""
        return self.right / self.answered if self.answered else None


@dataclass(frozen=True)
class Promise:
    """The precision of a level's accepted tags, however often people look at it."""

    bound: Bound
    items: int | None
    """Number of accepted items that it is about; None: of all items like these.

    That number is not known of several runs together, nor where images of the sample are unusable.
    """
    waiting: int
    """Items of the sample that nobody has decided about."""
    target: float | None
    further_answers: int | None
    """Answers until the target is shown if the share of right ones stays as it is; None if it will not be."""


def sample_answers(predictions: Iterable[pa.Table], decided: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row for every drawn item and level: id, level, class, answered, right (if answered), waiting and decidedAt.

    An unusable image is neither answered nor waiting. If a person decided only the master category, the article type
    is not confirmed, and counts as wrong.

    Args:
        predictions: With the columns SAMPLED.
        decided: The current decision, by id.
    """
    rows: list[tuple[str, str, str, bool, bool, bool, datetime | None]] = []
    for table in predictions:
        drawn = pc.list_value_length(table["reviewReasons"])
        for row in table.filter(pc.greater(drawn, 0)).to_pylist():
            reasons = row["reviewReasons"]
            if ReviewReason.QA_SAMPLE not in reasons:
                continue
            levels = [Level.MASTER_CATEGORY] if ReviewReason.LOW_CONFIDENCE in reasons else list(Level)
            decision = decided.get(row["id"])
            answered = decision is not None and decision["verdict"] != Verdict.UNUSABLE
            for level in levels:
                right = answered and decision is not None and decision[str(level)] == row[str(level)]
                decided_at = decision["decidedAt"] if decision else None
                rows.append((row["id"], str(level), row[str(level)], answered, right, decision is None, decided_at))
    answers = pd.DataFrame(rows, columns=["id", "level", "class", "answered", "right", "waiting", "decidedAt"])
    return answers.astype(dict.fromkeys(("answered", "right", "waiting"), bool))  # also where there is none


def accepted_items(predictions: Iterable[pa.Table]) -> dict[Level, int]:
    """Number of items whose prediction is accepted without a person, by level; those of the sample come on top.

    Args:
        predictions: With their column `decision`.
    """
    counts = dict.fromkeys(Level, 0)
    for table in predictions:
        for level, names in ACCEPTED.items():
            accepted = pc.is_in(table["decision"], value_set=pa.array([str(name) for name in names]))
            counts[level] += pc.sum(accepted).as_py() or 0
    return counts


def bound_of(answers: pd.DataFrame, sequence: ConfidenceSequence) -> Bound:
    """The bound of some rows of `sample_answers`, of one level, that holds however often the answers were looked at."""
    answered = answers[answers["answered"]].sort_values("decidedAt", kind="stable")
    return sequence.after(answered["right"].to_numpy(bool))


def promises_of(
    answers: pd.DataFrame, accepted: Mapping[Level, int], targets: Mapping[Level, float], probability: float
) -> dict[Level, Promise]:
    """What the answers so far show of each level's accepted tags.

    Args:
        answers: Rows of `sample_answers`.
        accepted: Number of accepted items by level, without the sample; empty where it is not known.
        targets: Precision to be shown, 0 to 1.
        probability: With which all bounds hold, 0 to 1.
    """
    promises: dict[Level, Promise] = {}
    for level in Level:
        of_level, target = answers[answers["level"] == level], targets.get(level)
        unusable = ~of_level["answered"] & ~of_level["waiting"]
        items = None if level not in accepted or unusable.any() else accepted[level] + len(of_level)
        sequence = ConfidenceSequence(items or None, target, probability)
        bound = bound_of(of_level, sequence)
        further = None if target is None else sequence.further_answers(bound)
        promises[level] = Promise(bound, items, int(of_level["waiting"].sum()), target, further)
    return promises


def each_once(answers: pd.DataFrame) -> pd.DataFrame:
    """Deduplicate the answers of several runs: one row for every item and level.

    Items are drawn by id, so every run that accepts an item draws it. Its answers are not independent, and an interval
    over all of them would be too narrow. So the first answered row of each item counts.

    Args:
        answers: From `sample_answers`, the newest run first.
    """
    answered_first = answers.sort_values("answered", ascending=False, kind="stable")
    return answered_first.drop_duplicates(["id", "level"]).sort_index()


def precision_of(answers: pd.DataFrame, probability: float) -> Precision:
    """The precision of some rows of `sample_answers`.

    Args:
        answers: Of one level, or of one class of it.
        probability: Coverage of the confidence interval, 0 to 1.
    """
    answered = answers[answers["answered"]]
    return Precision.of(answered["right"].to_numpy(bool), len(answers), probability)


def by_class(answers: pd.DataFrame, probability: float) -> pd.DataFrame:
    """The precision of every class in the sample: level, class, drawn, answered, right, lowest, highest.

    `lowest` and `highest` are shares from 0 to 1, and missing without answers.
    """
    rows: list[dict[str, object]] = []
    for (level, name), group in answers.groupby(["level", "class"]):
        precision = precision_of(group, probability)
        rows.append(
            {
                "level": level, "class": name, "drawn": precision.sampled, "answered": precision.answered,
                "right": precision.right, "lowest": precision.lowest, "highest": precision.highest,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
