"""Honest figures of one recipe, and their rows for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from tagger.evaluation.intervals import Estimate
from tagger.schemas.documents.bundle import LevelMetrics
from tagger.schemas.tables.prediction import Evidence

RANDOM, APART, BY_TIME, BRANDS = "random", "copies apart", "by time", "brands apart"
"""Names of the splits."""
FEW = 10
"""Training items of an article type below which a model has hardly seen it."""


@dataclass(frozen=True)
class Learnt:
    """What a split let a training learn, beside the figures of its test items."""

    train_items: int
    unlearnt_items: int
    """Items that the split leaves out, because no training item is of their leaf."""
    few_items: int
    """Test items of article types with fewer than FEW training items."""
    others: Estimate | None
    """How many of the other test items are right; None where there are none."""
    calibration: LevelMetrics
    """Has the calibration error, and the one by chance."""

    def row(self) -> dict[str, object]:
        """The same for machines."""
        return {
            "trainItems": self.train_items,
            "unlearntItems": self.unlearnt_items,
            "fewItems": self.few_items,
            **_columns("otherItems", self.others),
            "calibrationError": self.calibration.expected_calibration_error,
            "calibrationErrorByChance": self.calibration.calibration_error_by_chance,
        }


@dataclass(frozen=True)
class Line:
    """Article types of some test items: how many are right."""

    name: str
    how: str
    """How the items are split, or the guess is made, in words."""
    items: int
    accuracy: Estimate
    macro_f1: Estimate | None
    """None where no type has enough items."""
    learnt: Learnt | None = None
    """Of a split; None in the other tables."""
    evidence: Evidence | None = None
    """All that predictions of the model are based on; None for a guess."""

    def row(self) -> dict[str, object]:
        """The line for machines, with shares from 0 to 1."""
        return {
            "name": self.name,
            "evidence": self.evidence,
            "how": self.how,
            "items": self.items,
            **_columns("articleType", self.accuracy),
            **_columns("macroF1", self.macro_f1),
            **(self.learnt.row() if self.learnt else {}),
        }


@dataclass(frozen=True)
class Promise:
    """A target precision of article types, fitted on held-out items, and what test items show of it."""

    target: float
    evidence: Evidence
    """All that the predictions are based on."""
    fitted_on: int
    """Number of fitting items; of several kinds of evidence, those of the kind that most have."""
    side: Literal["val", "control"]
    """Their side of the split."""
    items: int
    """Number of test items."""
    accepted: int
    """Number of test items that are accepted."""
    precision: Estimate | None
    """Share of these that is right; None if none is accepted."""
    highest: float | None = None
    """Where the target cannot be shown: the highest that can, if any."""
    shown: bool = True
    """Whether the fitting items show the target by any kind of evidence; nothing is accepted otherwise."""
    unshown: Mapping[Evidence, int] = field(default_factory=dict)
    """Kinds of evidence by which they do not, where they do by others: number of test items, of which none is
    accepted."""

    @property
    def coverage(self) -> float:
        """Share of the test items that is accepted, 0 to 1."""
        return self.accepted / self.items

    def row(self) -> dict[str, object]:
        """The promise for machines, with shares from 0 to 1."""
        return {
            "name": f"{100 * self.target:g}%",
            "evidence": self.evidence,
            "target": self.target,
            "fittedOn": self.fitted_on,
            "side": self.side,
            "shown": self.shown,
            "highestTarget": self.highest,
            "items": self.items,
            "accepted": self.accepted,
            "coverage": self.coverage,
            **_columns("precision", self.precision),
            "held": self.held,
            "unshown": sum(self.unshown.values()),
        }

    @property
    def held(self) -> bool | None:
        """Whether at least the target share of the accepted items is right; None if none is accepted."""
        return None if self.precision is None else self.precision.value >= self.target


@dataclass(frozen=True)
class LeftOut:
    """A figure that is not there, and why."""

    figure: str
    why: str


@dataclass(frozen=True)
class Figures:
    """All that stands on the page."""

    splits: Sequence[Line]
    moved: int
    """Number of items that keeping copies apart puts on another side than the random split does."""
    guesses: Sequence[Line]
    """With the model's own lines first."""
    promises: Sequence[Promise]
    brands: Sequence[Line]
    brand_promises: Sequence[Promise]
    """Of items of brands that did not train."""
    left_out: Sequence[LeftOut]

    def rows(self) -> dict[str, list[dict[str, object]]]:
        """The figures for machines, by section."""
        return {
            "splits": [line.row() for line in self.splits],
            "guesses": [line.row() for line in self.guesses],
            "targets": [promise.row() for promise in self.promises],
            "brands": [line.row() for line in self.brands],
            "brandTargets": [promise.row() for promise in self.brand_promises],
            "leftOut": [{"figure": one.figure, "why": one.why} for one in self.left_out],
        }

    def table(self) -> pd.DataFrame:
        """The figures as one table, with the section of each; what is left out has a row with the reason."""
        rows = [{"section": name, **row} for name, section in self.rows().items() for row in section]
        return pd.DataFrame(rows).convert_dtypes()  # whole numbers stay whole beside empty cells


def _columns(name: str, estimate: Estimate | None) -> dict[str, object]:
    ends = (estimate.value, estimate.low, estimate.high) if estimate else (None, None, None)
    return dict(zip((name, f"{name}Low", f"{name}High"), ends, strict=True))
