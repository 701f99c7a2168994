"""The predictions of two runs about the same items."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import binomtest

from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision

MASTER, ARTICLE = str(Level.MASTER_CATEGORY), str(Level.ARTICLE_TYPE)
OLD, NEW = "old", "new"
COLUMNS = ["id", "imageUri", "imageDigest", MASTER, f"{MASTER}Confidence", ARTICLE, f"{ARTICLE}Confidence",
           "alternatives", "decision"]  # fmt: skip


@dataclass(frozen=True)
class Pairs:
    """Items that both runs have, one a row, with the columns of each under `old.` and `new.`."""

    frame: pd.DataFrame
    only_old: int
    """Items that the new run does not have."""
    only_new: int

    @property
    def tagged(self) -> pd.DataFrame:
        """Items that both could tag."""
        return self.frame[self.frame[[f"{OLD}.{ARTICLE}", f"{NEW}.{ARTICLE}"]].notna().all(axis=1)]

    @property
    def disagreements(self) -> pd.DataFrame:
        """Tagged items of which the two say another article type or master category."""
        tagged = self.tagged
        return tagged[differs(tagged, ARTICLE) | differs(tagged, MASTER)]


def pairs_of(old: Iterable[pa.Table], new: Iterable[pa.Table]) -> Pairs:
    """Join the predictions of two runs by id.

    Args:
        old: By PREDICTION, each id once.
        new: The same of the other run.
    """
    frames = [_frame(old, OLD), _frame(new, NEW)]
    both = frames[0].merge(frames[1], on="id", how="inner")
    return Pairs(both, len(frames[0]) - len(both), len(frames[1]) - len(both))


def differs(frame: pd.DataFrame, level: str) -> pd.Series:
    """Whether the two say another class of a level, bool [N]."""
    return frame[f"{OLD}.{level}"] != frame[f"{NEW}.{level}"]


def _frame(tables: Iterable[pa.Table], name: str) -> pd.DataFrame:
    parts = [table.select(COLUMNS).to_pandas() for table in tables]
    frame = pd.concat(parts) if parts else pd.DataFrame(columns=COLUMNS)
    texts = ["imageUri", "imageDigest", MASTER, ARTICLE]
    frame[texts] = frame[texts].astype(object).where(frame[texts].notna(), None)  # a column of nulls is of numbers
    return frame.rename(columns={column: f"{name}.{column}" for column in COLUMNS if column != "id"})


def probability(frame: pd.DataFrame, by: str, of: str) -> np.ndarray:
    """The probability that one run gives to the article type of the other, or of its own; float64 [N].

    It is that of the most probable leaves which the run has kept; a type that is not among them counts as 0.

    Args:
        frame: Tagged pairs.
        by: Whose probability, OLD or NEW.
        of: Whose article type.
    """
    if by == of:
        return frame[f"{by}.{ARTICLE}Confidence"].to_numpy(float)
    rows = zip(frame[f"{by}.alternatives"], frame[f"{of}.{ARTICLE}"], strict=True)
    return np.array([sum(a["confidence"] for a in leaves if a[ARTICLE] == name) for leaves, name in rows], float)


def expected_right(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """How probable the old and the new article type of each item are, by the mean of both runs; float64 [N] each."""
    old, new = ((probability(frame, OLD, of) + probability(frame, NEW, of)) / 2 for of in (OLD, NEW))
    return old, new


def moves(frame: pd.DataFrame) -> pd.DataFrame:
    """Disagreements by old and new article type, the most frequent first.

    Columns: items, accepted (by the new run's policy), and how many of the old and of the new types are expected to be
    right.
    """
    changed = frame[differs(frame, ARTICLE)]
    old, new = expected_right(changed)
    counted = changed.assign(
        items=1,
        accepted=changed[f"{NEW}.decision"] == Decision.ACCEPT,
        old_right=old,
        new_right=new,
    ).groupby([f"{OLD}.{ARTICLE}", f"{NEW}.{ARTICLE}"])[["items", "accepted", "old_right", "new_right"]]
    return counted.sum().sort_values("items", ascending=False, kind="stable").reset_index()


@dataclass(frozen=True)
class McNemar:
    """The test of McNemar 1947, exact: whether two runs are right on the same share of items."""

    both: int
    """Items on which both are right."""
    only_old: int
    only_new: int
    neither: int

    @property
    def items(self) -> int:
        """All of them."""
        return self.both + self.only_old + self.only_new + self.neither

    @property
    def p(self) -> float:
        """Probability of so uneven a division by chance; 1 where no item divides them."""
        divided = self.only_old + self.only_new
        return float(binomtest(self.only_new, divided, 0.5).pvalue) if divided else 1.0


def mcnemar(frame: pd.DataFrame, truth: pd.Series) -> McNemar:
    """Compare both runs with the article types that are known.

    Args:
        frame: Tagged pairs.
        truth: Article types by id.
    """
    known = frame[frame["id"].isin(truth.index)]
    right = {name: known[f"{name}.{ARTICLE}"].to_numpy() == truth.loc[known["id"]].to_numpy() for name in (OLD, NEW)}
    return McNemar(
        int((right[OLD] & right[NEW]).sum()),
        int((right[OLD] & ~right[NEW]).sum()),
        int((~right[OLD] & right[NEW]).sum()),
        int((~right[OLD] & ~right[NEW]).sum()),
    )
