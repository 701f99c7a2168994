"""Honest figures of one recipe, as tables and as a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tagger.evaluation.intervals import PROBABILITY, Estimate
from tagger.evaluation.metrics import MINIMUM_SUPPORT
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.evidence_held_out import IN_WORDS
from tagger.workflows.honest.figures import APART, FEW, Figures, Learnt, Line, Promise

_PROMISE_HEADS = ("by", "target precision", "fitted on", "to test", "accepted", "right of these", "held")


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
    chosen = [_splits(figures), _guesses(figures), _promises(figures)]
    if figures.brands:
        chosen.append(_brands(figures.brands))
    if figures.brand_promises:
        chosen.append(_brand_promises(figures.brand_promises))
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


def basis(evidence: Evidence | None) -> str:
    """What predictions are based on, in words, such as `image, title and columns`; empty for None."""
    return IN_WORDS[evidence].removeprefix("by ") if evidence else ""


def _splits(figures: Figures) -> Section:
    heads = ["split", "by", "to train", "to test", "article type right", "macro F1", "calibration error"]
    return Section(
        "How the items are split",
        [*heads, "by chance alone"],
        [_split(line, line.learnt) for line in figures.splits if line.learnt],
        _gaps(figures) + _what_all_is(figures.splits),
    )


def _guesses(figures: Figures) -> Section:
    hows = dict.fromkeys(f" {line.name.capitalize()}: {line.how}." for line in figures.guesses if line.how)
    return Section(
        "Compared with guesses",
        ["by", "article type right", "macro F1"],
        [[_named(line), percent(line.accuracy), number(line.macro_f1)] for line in figures.guesses],
        f"All of the {figures.guesses[0].items:,} test items of the split with {APART}." + "".join(hows),
    )


def _promises(figures: Figures) -> Section:
    return Section(
        "What needs no person",
        _PROMISE_HEADS,
        [_promise(promise) for promise in figures.promises],
        f"{_fitted(figures.promises[0])} They are applied to the test items of the split with {APART}.",
    )


def _brands(lines: Sequence[Line]) -> Section:
    hows = dict.fromkeys(f"{line.name.capitalize()}: {line.how}." for line in lines)
    return Section(
        "Brands that the model has not seen",
        ["items", "by", "to test", "article type right", "macro F1"],
        [[x.name, basis(x.evidence), f"{x.items:,}", percent(x.accuracy), number(x.macro_f1)] for x in lines],
        " ".join(hows) + " These intervals draw whole brands.",
    )


def _brand_promises(promises: Sequence[Promise]) -> Section:
    return Section(
        "What needs no person, of brands that the model has not seen",
        _PROMISE_HEADS,
        [_promise(promise) for promise in promises],
        f"{_fitted(promises[0])} Their brands did not train either, nor are they those of the test items; "
        "items without a brand do not count. A kind of evidence is measured on the test items that have it. "
        "These intervals draw whole brands.",
    )


def _named(line: Line) -> str:
    return f"{line.name}, {IN_WORDS[line.evidence]}" if line.evidence else line.name


def _what_all_is(lines: Sequence[Line]) -> str:
    """What becomes of items that lack some of the evidence, in a sentence; empty for the image alone."""
    more = dict.fromkeys(line.evidence for line in lines if line.evidence not in (None, Evidence.IMAGE))
    named = " or ".join(IN_WORDS[evidence] for evidence in more if evidence)
    return f" Of what is measured {named}, an item that lacks some of it is predicted by the rest." if named else ""


def _promise(promise: Promise) -> list[str]:
    return [
        basis(promise.evidence),
        f"{100 * promise.target:g}%",
        f"{promise.fitted_on:,}",
        f"{promise.items:,}",
        f"{100 * promise.coverage:.1f}%",
        _precision(promise),
        _held(promise),
    ]


def _precision(promise: Promise) -> str:
    """The precision of what is accepted, or why nothing is."""
    unshown = "".join(
        f"; of {items:,} items {IN_WORDS[kind]}, none is accepted, as it cannot be shown of these"
        for kind, items in promise.unshown.items()
    )
    if promise.precision is not None:
        return percent(promise.precision) + unshown
    if promise.shown:
        return "no test item is sure enough" + unshown
    instead = f"{100 * promise.highest:g}% can" if promise.highest else "no other one can, either"
    return f"cannot be shown on {promise.fitted_on:,} items; {instead}"


def _held(promise: Promise) -> str:
    if promise.precision is None or promise.held is None:
        return ""
    if promise.held:
        return "yes"
    by_chance = promise.precision.high is not None and promise.precision.high >= promise.target
    return "no, perhaps by chance" if by_chance else "no"


def _split(line: Line, learnt: Learnt) -> list[str]:
    return [
        f"{line.name}: {line.how}",
        basis(line.evidence),
        f"{learnt.train_items:,}",
        f"{line.items:,}",
        percent(line.accuracy),
        number(line.macro_f1),
        f"{learnt.calibration.expected_calibration_error:.4f}",
        f"{learnt.calibration.calibration_error_by_chance:.4f}",
    ]


def _fitted(promise: Promise) -> str:
    """What the thresholds are fitted on, in a sentence."""
    whose = {
        "control": "that neither trained nor calibrated the model",
        "val": "that chose the epoch and calibrated the model, too, so that the targets hold but roughly",
    }
    return f"Thresholds are fitted on {promise.side} items {whose[promise.side]}, for each kind of evidence by itself."


def _gaps(figures: Figures) -> str:
    """The differences to the split with copies apart, in sentences."""
    splits = figures.splits
    gaps = "".join(_gaps_of(apart, splits) for apart in splits if apart.name == APART)
    moved = f"Keeping {APART} puts {figures.moved:,} items on another side than the random split does."
    if not figures.moved:
        moved = "The first two are the same: no copies are on both sides of the random split."
    hardly = "".join(_hardly_learnt(lines) for lines in _by_name(splits))
    return f"{gaps}{moved}{hardly}"


def _gaps_of(apart: Line, splits: Sequence[Line]) -> str:
    """The differences of one kind of evidence, in a sentence."""
    gaps = [
        f"{line.name} {100 * (line.accuracy.value - apart.accuracy.value):+.1f} points"
        for line in splits
        if line is not apart and line.evidence == apart.evidence
    ]
    if not gaps:
        return ""
    by = f" {IN_WORDS[apart.evidence]}" if apart.evidence else ""
    return f"Article types right{by}, compared with {APART}: {', '.join(gaps)}. "


def _by_name(lines: Sequence[Line]) -> Iterator[list[Line]]:
    for name in dict.fromkeys(line.name for line in lines):
        yield [line for line in lines if line.name == name]


def _hardly_learnt(lines: Sequence[Line]) -> str:
    """What a split leaves too few training items of, in sentences; empty if nothing."""
    line, learnt = lines[0], lines[0].learnt
    if learnt is None:
        return ""
    text = ""
    if learnt.few_items:
        text += (
            f" {line.name.capitalize()}: {learnt.few_items:,} of the {line.items:,} test items are of article types "
            f"with fewer than {FEW} training items{_others(lines)}."
        )
    if learnt.unlearnt_items:
        text += (
            f" {line.name.capitalize()}: {learnt.unlearnt_items:,} items are left out, because no training item is of "
            "their leaf. The model could get none of them right, and they do not count here."
        )
    return text


def _others(lines: Sequence[Line]) -> str:
    """How many of the items of the other types are right."""
    rights = [
        percent(line.learnt.others) + (f" {IN_WORDS[line.evidence]}" if line.evidence else "")
        for line in lines
        if line.learnt and line.learnt.others
    ]
    return f"; of the others, these are right: {', '.join(rights)}" if rights else ""
