"""Honest figures of one recipe, as tables, as a page, and as rows for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from tagger.evaluation.intervals import PROBABILITY, Estimate
from tagger.evaluation.metrics import MINIMUM_SUPPORT
from tagger.schemas.documents.bundle import LevelMetrics

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

    def row(self) -> dict[str, object]:
        """The line for machines, with shares from 0 to 1."""
        return {
            "name": self.name,
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
    fitted_on: int
    """Number of fitting items."""
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
    """Whether the fitting items show the target; nothing is accepted otherwise."""

    @property
    def coverage(self) -> float:
        """Share of the test items that is accepted, 0 to 1."""
        return self.accepted / self.items

    def row(self) -> dict[str, object]:
        """The promise for machines, with shares from 0 to 1."""
        return {
            "name": f"{100 * self.target:g}%",
            "target": self.target,
            "fittedOn": self.fitted_on,
            "side": self.side,
            "shown": self.shown,
            "highestTarget": self.highest,
            "items": self.items,
            "accepted": self.accepted,
            "coverage": self.coverage,
            **_columns("precision", self.precision),
        }

    def in_words(self) -> str:
        """The precision, or why there is none."""
        if self.precision is not None:
            return percent(self.precision)
        if self.shown:
            return "no test item is sure enough"
        instead = f"{100 * self.highest:g}% can" if self.highest else "no other one can, either"
        return f"cannot be shown on {self.fitted_on:,} items; {instead}"


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
    """With the model's own line first."""
    promises: Sequence[Promise]
    brands: Sequence[Line]
    left_out: Sequence[LeftOut]

    def rows(self) -> dict[str, list[dict[str, object]]]:
        """The figures for machines, by section."""
        return {
            "splits": [line.row() for line in self.splits],
            "guesses": [line.row() for line in self.guesses],
            "targets": [promise.row() for promise in self.promises],
            "brands": [line.row() for line in self.brands],
            "leftOut": [{"figure": one.figure, "why": one.why} for one in self.left_out],
        }

    def table(self) -> pd.DataFrame:
        """The figures as one table, with the section of each; what is left out has a row with the reason."""
        rows = [{"section": name, **row} for name, section in self.rows().items() for row in section]
        return pd.DataFrame(rows).convert_dtypes()  # whole numbers stay whole beside empty cells


@dataclass(frozen=True)
class Section:
    """A table of the page, with what it says."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: str
    """What to know about the table, in sentences."""


def sections(figures: Figures) -> list[Section]:
    """The tables of the page, in order."""
    chosen = [
        Section(
            "How the items are split",
            ["split", "to train", "to test", "article type right", "macro F1", "calibration error", "by chance alone"],
            [_split(line, line.learnt) for line in figures.splits if line.learnt],
            _gaps(figures),
        ),
        Section(
            "Compared with guesses",
            ["by", "article type right", "macro F1"],
            [[line.name, percent(line.accuracy), number(line.macro_f1)] for line in figures.guesses],
            f"All of the {figures.guesses[0].items:,} test items of the split with {APART}."
            + "".join(f" {line.name.capitalize()}: {line.how}." for line in figures.guesses if line.how),
        ),
        Section(
            "What needs no person",
            ["target precision", "accepted on test", "right of these"],
            [[f"{100 * p.target:g}%", f"{100 * p.coverage:.1f}%", p.in_words()] for p in figures.promises],
            _fitted(figures.promises[0]),
        ),
    ]
    if figures.brands:
        chosen.append(
            Section(
                "Brands that the model has not seen",
                ["items", "to test", "article type right", "macro F1"],
                [[x.name, f"{x.items:,}", percent(x.accuracy), number(x.macro_f1)] for x in figures.brands],
                " ".join(f"{line.name.capitalize()}: {line.how}." for line in figures.brands)
                + " These intervals draw whole brands.",
            )
        )
    return chosen


def page_of(figures: Figures, facts: Mapping[str, str]) -> str:
    """The figures as a Markdown page.

    Args:
        figures: What to show.
        facts: Named values for the top of the page.
    """
    text = ["# Honest figures", ""]
    text += [f"- {name}: {value}" for name, value in facts.items()]
    text += [
        "",
        f"Figures are those of article types. In brackets: the interval that covers the true figure with a probability "
        f"of {100 * PROBABILITY:g}%, if new items are like these; a difference that is smaller may be chance. Macro F1 "
        f"is the mean over the types with {MINIMUM_SUPPORT} or more of the test items.",
        "",
    ]
    for section in sections(figures):
        text += [f"## {section.title}", ""]
        text += ["| " + " | ".join(row) + " |" for row in (section.heads, ["---"] * len(section.heads), *section.rows)]
        text += ["", section.words, ""] if section.words else [""]
    if figures.left_out:
        text += ["## Left out", "", *(f"- {one.figure}: {one.why}" for one in figures.left_out), ""]
    return "\n".join(text)


def percent(estimate: Estimate) -> str:
    """A share as a percentage with its interval, such as `85.3% (84.2 to 86.4%)`."""
    ends = "" if estimate.low is None else f" ({100 * estimate.low:.1f} to {100 * (estimate.high or 0):.1f}%)"
    return f"{100 * estimate.value:.1f}%{ends}"


def number(estimate: Estimate | None) -> str:
    """A figure with its interval, such as `0.762 (0.741 to 0.780)`."""
    if estimate is None:
        return f"no type has {MINIMUM_SUPPORT} items"
    ends = "" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{ends}"


def _columns(name: str, estimate: Estimate | None) -> dict[str, object]:
    ends = (estimate.value, estimate.low, estimate.high) if estimate else (None, None, None)
    return dict(zip((name, f"{name}Low", f"{name}High"), ends, strict=True))


def _split(line: Line, learnt: Learnt) -> list[str]:
    return [
        f"{line.name}: {line.how}",
        f"{learnt.train_items:,}",
        f"{line.items:,}",
        percent(line.accuracy),
        number(line.macro_f1),
        f"{learnt.calibration.expected_calibration_error:.4f}",
        f"{learnt.calibration.calibration_error_by_chance:.4f}",
    ]


def _fitted(promise: Promise) -> str:
    """What the thresholds are fitted on, in sentences."""
    whose = {
        "control": "that neither trained nor calibrated the model",
        "val": "that chose the epoch and calibrated the model, too, so that the targets hold but roughly",
    }
    return (
        f"Thresholds are fitted on {promise.fitted_on:,} items {whose[promise.side]}, and applied to the "
        f"{promise.items:,} test items of the split with {APART}."
    )


def _gaps(figures: Figures) -> str:
    """The differences to the split with copies apart, in sentences."""
    splits = figures.splits
    apart = next(line for line in splits if line.name == APART)
    gaps = [
        f"{line.name} {100 * (line.accuracy.value - apart.accuracy.value):+.1f} points"
        for line in splits
        if line is not apart
    ]
    moved = f"Keeping {APART} puts {figures.moved:,} items on another side than the random split does."
    if not figures.moved:
        moved = "The first two are the same: no copies are on both sides of the random split."
    hardly = "".join(_hardly_learnt(line, line.learnt) for line in splits if line.learnt)
    return f"Article types right, compared with {APART}: {', '.join(gaps)}. {moved}{hardly}"


def _hardly_learnt(line: Line, learnt: Learnt) -> str:
    """What a split leaves too few training items of, in sentences; empty if nothing."""
    text = ""
    if learnt.few_items:
        others = f"; of the others, {percent(learnt.others)} are right" if learnt.others else ""
        text += (
            f" {line.name.capitalize()}: {learnt.few_items:,} of the {line.items:,} test items are of article types "
            f"with fewer than {FEW} training items{others}."
        )
    if learnt.unlearnt_items:
        text += (
            f" {line.name.capitalize()}: {learnt.unlearnt_items:,} items are left out, because no training item is of "
            "their leaf. The model could get none of them right, and they do not count here."
        )
    return text
