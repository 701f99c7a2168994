"""How precise accepted tags are in production, from the random sample of them that people looked at."""

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
    """Of what was accepted and drawn: what people said."""

    sampled: int
    answered: int
    right: int
    lowest: float | None
    """With the highest, where the precision lies with the probability asked for; None where nobody has answered."""
    highest: float | None

    @classmethod
    def of(cls, right: np.ndarray, sampled: int, probability: float) -> "Precision":
        """From the answers, bool [N], with the exact interval of Clopper and Pearson (1934)."""
        n, k = len(right), int(right.sum())
        if not n:
            return cls(sampled, 0, 0, None, None)
        tail = (1 - probability) / 2
        lowest = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
        highest = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
        return cls(sampled, n, k, lowest, highest)

    @property
    def share(self) -> float | None:
        """Of the answered ones, those that were right; None where nobody has answered."""
        return self.right / self.answered if self.answered else None

    def against(self, target: float | None) -> str:
        """Whether a target is kept, as far as the answers tell: kept, missed, open or an empty text without one."""
        if target is None or self.lowest is None or self.highest is None:
            return "open" if target is not None else ""
        if self.lowest >= target:
            return "kept"
        return "missed" if self.highest < target else "open"


def sample_answers(predictions: Iterable[pa.Table], decided: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row for every drawn item and level: id, level, class, answered, right where it was answered, and waiting.

    An unusable image answers nothing, and waits for nobody. Where a person was sure of the master category alone, the
    article type is not confirmed, and counts as wrong.

    Args:
        predictions: With the columns SAMPLED.
        decided: The decision that stands, by id.
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
    """One row for every item and level, of the answers of several runs.

    An item that is drawn by its id is drawn by every run that accepts it. Its answers are not independent of each
    other, so that an interval over all of them would be too narrow: one that was answered counts, of several the first.

    Args:
        answers: Those of `sample_answers`, of the newest run first.
    """
    answered_first = answers.sort_values("answered", ascending=False, kind="stable")
    return answered_first.drop_duplicates(["id", "level"]).sort_index()


def precision_of(answers: pd.DataFrame, probability: float) -> Precision:
    """The precision of what some rows of `sample_answers` were drawn from.

    Args:
        answers: Of one level, or of one class of it.
        probability: With which the precision lies in the interval, 0 to 1.
    """
    answered = answers[answers["answered"]]
    return Precision.of(answered["right"].to_numpy(bool), len(answers), probability)


def by_class(answers: pd.DataFrame, probability: float) -> pd.DataFrame:
    """The precision of every class that was drawn: level, class, drawn, answered, right, lowest, highest.

    `lowest` and `highest` are shares from 0 to 1, and missing where nobody has answered.
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
