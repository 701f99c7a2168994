"""Parts of a bundle's report page on what it was taught beside images; they are renewed whenever that changes."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from markupsafe import Markup

from tagger.evaluation import further_tags
from tagger.evaluation.automation import answer, being_changed, no_thresholds
from tagger.evaluation.further_tags import ALL, MeasuredTag
from tagger.evaluation.level_section import LEVEL_TITLES
from tagger.evaluation.page import SECTIONS, SUMMARY, evidence_in_words, render, replace_region
from tagger.evaluation.shares import percent, with_interval
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.models.evidence import RICHEST_FIRST
from tagger.reporter import Reporter
from tagger.schemas.documents.bundle import LevelMetrics, ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.accepted import AcceptedLevel, accepted_levels, accepted_values, automations
from tagger.workflows.evidence_held_out import DENIED
from tagger.workflows.taught_files import (
    ATTRIBUTES,
    CONFUSED_VALUES,
    EVIDENCE,
    PER_VALUE,
    WITHOUT_TYPE,
    read_attributes,
    read_evidence,
)

PAGE = "index.html"
ACCEPTED = "accepted.json"
"""File in a bundle's report: what its policies accept of the test items."""
_UNFINISHED = (
    "This bundle is being changed: its titles and columns, its further tags or its policy. If this note stays, the "
    "command was interrupted; repeat it. Until then, this page says nothing of these, and its figures are by the image "
    "alone."
)
_Figures = Mapping[str, Mapping[Level, LevelMetrics]]


@dataclass(frozen=True)
class _Taught:
    """What a bundle was taught beside images, on the test items."""

    items: int
    by: _Figures
    """Metrics by what is asked; empty where it knows no titles and columns."""
    tags: Sequence[MeasuredTag]
    accepted: Sequence[AcceptedLevel]


def begin_renewal(folder: Location) -> None:
    """Take what is about to change off the page of a bundle's report, and say so there until `renew` is called."""
    page = folder / "report" / PAGE
    if page.exists():
        _write(page, being_changed() + render("summary.html", sentences=[_UNFINISHED], links={}), Markup())
    (folder / "report" / ACCEPTED).delete()


def renew(folder: Location, card: ModelCard, reporter: Reporter) -> None:
    """Write what a bundle was taught beside images, and what its policies accept, into the page of its report.

    Args:
        folder: The bundle's folder; files of its report have the figures.
        card: Its card, with the policies.
        reporter: Where a warning goes if there is no such page, or one that an earlier version has written.
    """
    report = folder / "report"
    items, by = read_evidence(report)
    tags, predictions = read_attributes(report)
    tags = [
        replace(tag, accepted=accepted_values(card.attribute_policies[tag.name], predictions[tag.name]))
        if tag.name in card.attribute_policies
        else tag
        for tag in tags
    ]
    taught = _Taught(items, by, tags, accepted_levels(folder, card))
    _write_accepted(report, taught)
    automated = automations(folder, card)
    first = answer(automated) if automated else no_thresholds()
    page = report / PAGE
    if not page.exists() or not _write(page, first + _summary(taught), _sections(taught, report)):
        why = "was written by an earlier version" if page.exists() else "is gone"
        reporter.warn(f"{page} {why}: titles, columns, further tags and policies are in the files of its folder alone")


def _write(page: Location, summary: str, sections: str) -> bool:
    """Replace both regions; False, and nothing is changed, where the page has none."""
    try:
        text = replace_region(page.read_bytes().decode(), SUMMARY, summary)
        page.write_text(replace_region(text, SECTIONS, sections))
    except LookupError:
        return False
    return True


def _write_accepted(report: Location, taught: _Taught) -> None:
    """Write what is accepted as JSON; nothing without a policy."""
    levels = [
        {"evidence": str(a.evidence), "level": str(a.level), "targetPrecision": a.accepted.target,
         "items": a.accepted.items, "coverage": a.accepted.coverage, "precision": a.accepted.precision}
        for a in taught.accepted
    ]  # fmt: skip
    attributes = [
        {"evidence": by, "attribute": tag.name, "targetPrecision": a.target,
         "items": a.items, "coverage": a.coverage, "precision": a.precision}
        for tag in taught.tags
        for by, a in tag.accepted.items()
    ]  # fmt: skip
    file = report / ACCEPTED
    if levels or attributes:
        file.write_text(as_json({"levels": levels, "attributes": attributes}))
    else:
        file.delete()


def _summary(taught: _Taught) -> Markup:
    links = {}
    if taught.by:
        links["evidence"] = "Evidence"
    if taught.tags:
        links["further-tags"] = "Further tags"
    if taught.accepted:
        links["accepted"] = "What is accepted"
    return render("summary.html", sentences=list(_sentences(taught)), links=links) if links else Markup()


def _sentences(taught: _Taught) -> Iterator[str]:
    """What the figures below are of, and what all evidence says."""
    if taught.by:
        yield (
            "This bundle reads titles or columns, too. The figures, confusions and mistakes on this page are by the "
            "image alone, but for the sections that are linked here."
        )
        richest = next((str(k) for k in RICHEST_FIRST if str(k) in taught.by), next(iter(taught.by)))
        right = "; ".join(
            f"{LEVEL_TITLES[level]} {with_interval(taught.by[richest][level].accuracy, taught.items)}"
            for level in reversed(Level)
        )
        yield f"Right by {evidence_in_words(richest)}, of {taught.items:,} test items: {right}."
        if "image" not in taught.by:
            yield "How often all are right together is not measured; tagger evidence --run does it."
    if taught.tags:
        shares = ", ".join(
            f"{tag.name} {percent(float(tag.by[ALL].right.mean()), tag.items)}"
            if tag.items
            else f"{tag.name} not measured"
            for tag in taught.tags
        )
        yield f"Further tags, by all that each test item shows: {shares}."


def _sections(taught: _Taught, report: Location) -> Markup:
    html = Markup()
    if taught.by:
        lead = (
            f"{taught.items:,} test items, each judged by what stands in the first column; an item that lacks some of "
            "it is judged by the rest. What the image says is read as a prediction stores it, with its most probable "
            f"leaves alone, so its row may differ a little from the figures above. The same is in {EVIDENCE}."
        )
        rows = [
            {"by": _in_words(name), "master": figures[Level.MASTER_CATEGORY], "type": figures[Level.ARTICLE_TYPE]}
            for name, figures in taught.by.items()
        ]
        html += render("evidence.html", lead=lead, rows=rows, shares_of=0, denied=_denied(report))
    if taught.tags:
        lead = (
            "Test items that have a value. A tag is worth what it is better than the guesses; the second takes the "
            "true article type. Figures by value are by all that each item shows. The same is in "
            f"{ATTRIBUTES}, {PER_VALUE} and {CONFUSED_VALUES}."
        )
        html += render(
            "further-tags.html", lead=lead, tags=further_tags.sections(taught.tags), not_measured={},
            accepted=any(tag.accepted for tag in taught.tags),
        )  # fmt: skip
    if taught.accepted:
        rows = [
            {"by": evidence_in_words(a.evidence), "level": LEVEL_TITLES[a.level], "accepted": a.accepted}
            for a in taught.accepted
        ]
        html += render("accepted.html", rows=rows)
    return html


def _in_words(name: str) -> str:
    words = evidence_in_words(name.removesuffix(WITHOUT_TYPE))
    return f"{words}, without the words of the type" if name.endswith(WITHOUT_TYPE) else words


def _denied(report: Location) -> dict[str, str] | None:
    """How many labels image and title deny, by side, and the file that lists them; None where none are."""
    file = report / DENIED
    if not file.exists():
        return None
    sides = pd.read_csv(io.BytesIO(file.read_bytes()), dtype=str)["split"].value_counts()
    if sides.empty:
        return None
    by_side = ", ".join(f"{items:,} of {side}" for side, items in sides.items())
    words = f"{sides.sum():,} held-out {'item' if sides.sum() == 1 else 'items'} ({by_side})"
    return {"in_words": words, "file": DENIED}
