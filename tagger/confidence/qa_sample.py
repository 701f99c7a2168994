"""Precision of accepted tags in production, from review decisions on a random sample."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import beta

from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.decision import Verdict
from tagger.schemas.tables.prediction import ReviewReason

SAMPLED = ["id", *(str(level) for level in Level), "reviewReasons"]


@dataclass(frozen=True)
class Precision:
    """Precision of accepted tags, from a sample of them."""

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

    def against(self, target: float | None) -> str:
        """Whether the target is met: kept, missed, or open if the answers do not tell; empty without a target."""
        if target is None or self.lowest is None or self.highest is None:
            return "open" if target is not None else ""
        if self.lowest >= target:
            return "kept"
        return "missed" if self.highest < target else "open"


def sample_answers(predictions: Iterable[pa.Table], decided: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row for every drawn item and level: id, level, class, answered, right (if answered), and waiting.

    An unusable image is neither answered nor waiting. If a person decided only the master category, the article type
    is not confirmed, and counts as wrong.

    Args:
        predictions: With the columns SAMPLED.
        decided: The current decision, by id.
    """
    rows: list[tuple[str, str, str, bool, bool, bool]] = []
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
                rows.append((row["id"], str(level), row[str(level)], answered, right, decision is None))
    return pd.DataFrame(rows, columns=["id", "level", "class", "answered", "right", "waiting"])


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
