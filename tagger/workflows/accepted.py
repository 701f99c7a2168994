"""What a bundle's policies accept of its test items, which its report keeps."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.confidence.target import Applied, accepted_by, apply, apply_level
from tagger.evaluation.automation import Automation
from tagger.evaluation.further_tags import ALL, Acceptance, predictions_by_evidence, richest_of_each
from tagger.evaluation.metrics import Predicted
from tagger.evaluation.page import evidence_in_words
from tagger.evaluation.shares import percent
from tagger.io.location import Location
from tagger.models.evidence import RICHEST_FIRST
from tagger.schemas.documents.bundle import AttributePolicy, ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.held_out_predictions import has_predictions, held_out_predictions


@dataclass(frozen=True)
class AcceptedLevel:
    """What is accepted of one level, of the test items that have a kind of evidence."""

    evidence: Evidence
    level: Level
    accepted: Acceptance


def accepted_levels(folder: Location, card: ModelCard) -> list[AcceptedLevel]:
    """What the policies of a bundle accept of both levels; none without a policy."""
    by_image = {} if card.policy is None else {Evidence.IMAGE: card.policy}
    accepted = []
    for evidence, policy in (by_image | card.policies).items():
        if not has_predictions(folder, "test", evidence):
            continue
        test = held_out_predictions(folder, card, ["test"], evidence)
        for level, applied in apply(policy, test.predicted, test.doubted).items():
            target = policy.levels[level].target_precision
            accepted.append(AcceptedLevel(evidence, level, _acceptance(applied, target)))
    return accepted


def automations(folder: Location, card: ModelCard) -> list[Automation]:
    """What a bundle's policies do with the test items, by evidence, the richest first; none without a policy."""
    policies = ({} if card.policy is None else {Evidence.IMAGE: card.policy}) | dict(card.policies)
    kinds = [e for e in RICHEST_FIRST if e in policies and has_predictions(folder, "test", e)]
    measured: list[Automation] = []
    for evidence in kinds:
        test = held_out_predictions(folder, card, ["test"], evidence)
        if not len(test.doubted):
            continue
        accepted = accepted_by(policies[evidence], test.predicted, test.doubted)
        both = accepted[Level.ARTICLE_TYPE]
        right = np.logical_and.reduce([test.predicted.levels[level].right for level in Level])
        words = evidence_in_words(str(evidence)) if len(kinds) > 1 else ""
        measured.append(
            Automation(
                items=len(both), accepted=int(both.sum()), right=int((both & right).sum()),
                category_only=int((accepted[Level.MASTER_CATEGORY] & ~both).sum()), by=words,
                beside="" if measured else _of_other_classes(card),
            )
        )  # fmt: skip
    return measured


def _of_other_classes(card: ModelCard) -> str:
    """A sentence on the items of classes that the model never answers; empty where there are none."""
    others = sum(leaf.items for leaf in card.provenance.left_out)
    items = others + sum(card.provenance.split_items.values())
    if not others:
        return ""
    return (
        f"The test items are of classes that the model knows. {percent(others / items, items)} of the labelled items "
        "are of other classes: where it is sure of such an item, the tag is wrong."
    )


def accepted_values(policy: AttributePolicy, predictions: pd.DataFrame) -> dict[str, Acceptance]:
    """What the policy of an attribute accepts, by kind of evidence, and as `all` of each item by the richest it has.

    Args:
        policy: Its thresholds; by evidence for which it has none, nothing is accepted.
        predictions: id, evidence, label, value and confidence; an item may have a row for each kind of evidence.
    """
    targets = {level.target_precision for level in policy.by_evidence.values()}
    target = targets.pop() if len(targets) == 1 else None
    accepted = {
        kind: _acceptance(applied, _target(policy, kind)) for kind, applied in _applied(policy, predictions).items()
    }
    of_each = list(_applied(policy, richest_of_each(predictions)).values())
    together = Applied(
        sum(a.items for a in of_each), sum(a.accepted for a in of_each), sum(a.right for a in of_each)
    )  # fmt: skip
    return {**accepted, ALL: _acceptance(together, target)}


def _applied(policy: AttributePolicy, predictions: pd.DataFrame) -> dict[str, Applied]:
    """Effect of the policy on the predictions by each kind of evidence."""
    by: Mapping[str, Predicted] = predictions_by_evidence(predictions)
    applied = {}
    for kind, predicted in by.items():
        if kind == ALL:
            continue
        level = policy.by_evidence.get(Evidence(kind))
        everything = np.ones(len(predicted), bool)
        applied[kind] = apply_level(level, predicted, everything) if level else Applied(len(predicted), 0, 0)
    return applied


def _target(policy: AttributePolicy, kind: str) -> float | None:
    level = policy.by_evidence.get(Evidence(kind))
    return level.target_precision if level else None


def _acceptance(applied: Applied, target: float | None) -> Acceptance:
    return Acceptance(applied.items, applied.accepted, applied.right, target)
