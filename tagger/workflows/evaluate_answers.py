"""The first answers of an evaluation's page: what a run decided by itself, and what its model never answers."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
from markupsafe import Markup

from tagger.evaluation.automation import Automation, answer
from tagger.evaluation.gaps import Gaps
from tagger.review.team.pace import items_per_hour
from tagger.runs.directory import RunDirectory
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision

_ENOUGH = 0.9
"""Share of a training's items that labels must have, so that they say how many labels each class had."""


def automation_of_run(labels: pd.DataFrame, predictions: pd.DataFrame, sides: Mapping[str, str]) -> Automation | None:
    """What a run did with the labelled items to which nothing was fitted; None where there are none.

    An item of a class that the model does not know counts: where it was accepted, its tag is wrong. So does an item
    that failed: it is for people.

    Args:
        labels: id, masterCategory, articleType; one row per item.
        predictions: id, decision, and both tags.
        sides: Side of the split by id, of the items of the model's training; empty if unknown.
    """
    fitted = labels["id"].map(sides).isin(["train", "val", "control"])
    rows = labels[~fitted].merge(predictions, on="id", suffixes=("_true", ""))
    if rows.empty:
        return None
    accepted = rows["decision"] == Decision.ACCEPT
    right = accepted.copy()
    for level in Level:
        right &= rows[f"{level}_true"] == rows[level]
    known = "labelled items of this run, to which nothing was fitted"
    unknown = "labelled items of this run; the model may have learnt from some of them, which flatters it"
    return Automation(
        items=len(rows), accepted=int(accepted.sum()), right=int(right.sum()),
        category_only=int((rows["decision"] == Decision.ACCEPT_MASTER_ONLY).sum()),
        measured_on=known if sides else unknown, thresholds="the thresholds of this run",
    )  # fmt: skip


def answer_of_run(
    run: RunDirectory, labels: pd.DataFrame, predictions: pd.DataFrame, sides: Mapping[str, str]
) -> Markup:
    """The first section of the page, at the pace of the run's review; see `automation_of_run`.

    It is empty where no item can say anything.
    """
    measured = automation_of_run(labels, predictions, sides)
    if measured is None:
        return Markup()
    columns = ("id", "decidedBy", "decidedAt")
    decisions = [piece.to_pandas() for piece in run.decisions(columns)]
    pace = items_per_hour(pd.concat(decisions)) if decisions else None
    return answer([replace(measured, own_pace=pace)])


def gaps_of_run(labels: pd.DataFrame, card: ModelCard, sides: Mapping[str, str]) -> Gaps | None:
    """What the model of a run never answers, with the labelled items by class if the labels are those of its training.

    Args:
        labels: id, masterCategory, articleType; one row per item.
        card: The model's.
        sides: Side of the split by id, of the items of its training.

    Returns:
        None if the card does not say how many items a class needed.
    """
    least, left_out = card.provenance.config.get("min_items"), card.provenance.left_out
    if not isinstance(least, int):
        return None
    leaves = list(card.taxonomy.index)
    pairs = zip(labels[Level.MASTER_CATEGORY], labels[Level.ARTICLE_TYPE], strict=True)
    leaf = pd.Series([card.taxonomy.index.get(pair, -1) for pair in pairs], index=labels.index, dtype=int)
    of_training = (leaf >= 0) & labels["id"].isin(list(sides))
    if not sides or of_training.sum() < _ENOUGH * len(sides):
        return Gaps.of_leaves(leaves, left_out, least, sum(card.provenance.split_items.values()))
    items = pd.DataFrame({"leaf": leaf[of_training], "split": labels["id"][of_training].map(sides)})
    return Gaps.of_items(items, leaves, left_out, least)
