"""What policies promise of article types, and what test items show of it, for honest figures."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from tagger.confidence import target
from tagger.evaluation.intervals import accuracy
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.documents.bundle import Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.held_out_predictions import HeldOut
from tagger.workflows.honest.evidence import BasedOn
from tagger.workflows.honest.figures import Promise

TARGETS = (0.95, 0.98, 0.99)
"""Target precisions whose coverage is measured, 0 to 1."""
_PROBABILITY = float(PolicyConfig.model_fields["probability"].default)
_TYPE = Level.ARTICLE_TYPE


def promises_of(
    side: Literal["val", "control"],
    fitting: Mapping[Evidence, HeldOut],
    tests: Sequence[BasedOn],
    brands: Sequence[np.ndarray] | None = None,
) -> list[Promise]:
    """What policies with each target accept of test items.

    As in `tagger policy`, each kind of evidence has a policy of its own, which is fitted on the items that have that
    kind, and decides about the predictions that are based on it.

    Args:
        side: Side of the fitting items.
        fitting: Their predictions by kind of evidence.
        tests: Predictions of test items; each gives a promise per target.
        brands: For each of `tests`, the brand of each item, [N], where the intervals are to draw whole brands.
    """
    groups: list[np.ndarray | None] = [None for _ in tests] if brands is None else [*brands]
    return [
        _promise(goal, side, fitting, test, of_items)
        for test, of_items in zip(tests, groups, strict=True)
        for goal in TARGETS
    ]


def _promise(
    goal: float,
    side: Literal["val", "control"],
    fitting: Mapping[Evidence, HeldOut],
    test: BasedOn,
    brands: np.ndarray | None,
) -> Promise:
    kinds = [kind for kind in Evidence if (test.kinds == kind).any()]
    policies = {kind: _fitted(goal, fitting[kind]) for kind in kinds if kind in fitting}
    shown = [kind for kind, policy in policies.items() if policy.levels[_TYPE].accept_above is not None]
    accepted = np.zeros(len(test.kinds), bool)
    for kind in shown:
        rows = test.kinds == kind
        accepted[rows] = target.accepted_by(policies[kind], *test.only(rows).held_out)[_TYPE]
    groups = None if brands is None else brands[accepted]
    return Promise(
        target=goal,
        evidence=test.evidence,
        fitted_on=max((policy.fitted_on for policy in policies.values()), default=0),
        side=side,
        items=len(accepted),
        accepted=int(accepted.sum()),
        precision=accuracy(test.types.only(accepted), groups) if accepted.any() else None,
        highest=None if shown else _highest([fitting[kind] for kind in policies]),
        shown=bool(shown),
        unshown={kind: int((test.kinds == kind).sum()) for kind in kinds if kind not in shown} if shown else {},
    )


def _fitted(goal: float, fitting: HeldOut) -> Policy:
    return target.fit_policy(*fitting, dict.fromkeys(Level, goal), _PROBABILITY, class_items=0)


def _highest(fitting: Sequence[HeldOut]) -> float | None:
    """The highest target that can be shown by any kind of evidence, if there is one."""
    highest = [target.highest_target(*held_out, _TYPE, _PROBABILITY) for held_out in fitting]
    return max((goal for goal in highest if goal), default=None)
