"""What a bundle's policies accept of its test items, which its report keeps."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.confidence.target import Applied, apply, apply_level
from tagger.evaluation.further_tags import ALL, Acceptance, predictions_by_evidence, richest_of_each
from tagger.evaluation.metrics import Predicted
from tagger.io.location import Location
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
        for level, applied in apply(policy, test.predicted, test.blurry).items():
            target = policy.levels[level].target_precision
            accepted.append(AcceptedLevel(evidence, level, _acceptance(applied, target)))
    return accepted


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
