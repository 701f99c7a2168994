"""Thresholds above which refitted tags keep the policy's target precision, fitted to answers about random items."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.confidence.target import accepted_by, fit_policy
from tagger.confidence.thresholds import Thresholds, decide
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.models.levels import Levels
from tagger.review.learning.head import Judged
from tagger.review.learning.material import NO_LEAF, Answered, Waiting
from tagger.schemas.documents.bundle import Policy
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.schemas.tables.prediction import Decision

_ROUNDS = 20


@dataclass(frozen=True)
class Chosen:
    """The tags of N items by the refitted head."""

    masters: np.ndarray
    """Names, object [N]."""
    articles: np.ndarray
    confidence: Mapping[Level, np.ndarray]
    """0 to 1, [N] by level; of the head that is least sure."""
    agreed: np.ndarray
    """Whether the heads of all folds choose the same tags, bool [N]; otherwise an item stays in the queue."""

    def sure(self, policy: Policy, may_leave: np.ndarray) -> np.ndarray:
        """Which items are as sure as a policy needs at both levels, and agreed on, bool [N]."""
        thresholds = Thresholds.of_policy(policy)
        needed = {
            Level.MASTER_CATEGORY: thresholds.needed(Level.MASTER_CATEGORY, self.masters),
            Level.ARTICLE_TYPE: thresholds.needed(Level.ARTICLE_TYPE, self.articles),
        }
        decisions = decide(needed, self.confidence, ~(may_leave & self.agreed))
        return np.asarray(decisions == str(Decision.ACCEPT), bool)


@dataclass(frozen=True)
class Promise:
    """Thresholds that keep the targets, and what they were fitted to."""

    policy: Policy | None
    """None where no threshold keeps the targets."""
    shown: Policy
    """The policy by the drawn answers alone, whether or not its targets hold for what still waits."""


def evaluate_answers(taxonomy: Taxonomy, judged: Judged, answered: Answered) -> Evaluation:
    """Out-of-fold tags of the answers beside what people decided; no tag is right for an item without a leaf."""
    leaves = np.where(answered.leaves == NO_LEAF, 0, answered.leaves)
    evaluation = Evaluation.of_probabilities("answers", Levels(taxonomy), judged.answered, leaves, pd.DataFrame())
    levels = {
        level: Predicted(np.where(answered.leaves == NO_LEAF, None, p.truth), p.predicted, p.confidence)  # type: ignore[call-overload]
        for level, p in evaluation.levels.items()
    }
    return Evaluation("answers", levels, items=pd.DataFrame(index=range(len(leaves))))


def choose_tags(taxonomy: Taxonomy, judged: Judged) -> Chosen:
    """The tags of the waiting items, with the confidence of the head that is least sure of them."""
    levels = Levels(taxonomy)
    by_head = [levels.choose(probabilities) for probabilities in judged.waiting]
    masters, master_confidence, articles, article_confidence = (np.stack(part) for part in zip(*by_head, strict=True))
    return Chosen(
        np.array(levels.masters, object)[masters[0]],
        np.array(levels.types, object)[articles[0]],
        {
            Level.MASTER_CATEGORY: master_confidence.min(axis=0),
            Level.ARTICLE_TYPE: article_confidence.min(axis=0),
        },
        np.asarray((masters == masters[0]).all(axis=0) & (articles == articles[0]).all(axis=0)),
    )


def fit_promise(
    evaluation: Evaluation,
    drawn: np.ndarray,
    chosen: Chosen,
    waiting: Waiting,
    targets: Mapping[Level, float],
    probability: float,
) -> Promise:
    """Find thresholds above which the items that still wait have the target precision.

    The drawn answers are a random sample of the queue as it was at first, so thresholds are fitted to them, as
    `fit_policy` does. What still waits is no random part of that queue: people have also answered items that the
    queue's order or a filter put before them, and these may have been the right ones. So the worst is assumed: every
    wrong tag above the threshold that no answer has shown is on an item that still waits. With W waiting items
    above the threshold, and B that were answered without being drawn, E of them wrong by the head, at most
    (1 - target) · W + E of the W + B may be wrong; where that share is below 1 - target, the thresholds are fitted
    again to the higher target that it demands.

    Args:
        evaluation: Of all A answers, out of fold.
        drawn: Which of them were drawn at random, bool [A].
        chosen: Tags of the waiting items.
        waiting: N items.
        targets: Precision of what is accepted, by level, 0 to 1.
        probability: Confidence that each threshold keeps its target, 0 to 1.
    """
    needed = dict(targets)
    everyone = np.zeros(len(drawn), bool)
    shown = policy = fit_policy(evaluation.only(drawn), everyone[drawn], needed, probability, class_items=0)
    for _ in range(_ROUNDS):
        if any(level.accept_above is None for level in policy.levels.values()):
            return Promise(None, shown)
        left = int(chosen.sure(policy, waiting.may_leave).sum())
        accepted = accepted_by(policy, evaluation, everyone)[Level.ARTICLE_TYPE] & ~drawn
        demanded = {
            level: _demanded(targets[level], left, evaluation.levels[level].right[accepted]) for level in targets
        }
        if all(demanded[level] <= needed[level] for level in targets):
            return Promise(policy, shown)
        needed = {level: max(needed[level], demanded[level]) for level in targets}
        if max(needed.values()) >= 1:
            break
        policy = fit_policy(evaluation.only(drawn), everyone[drawn], needed, probability, class_items=0)
    return Promise(None, shown)


def _demanded(target: float, left: int, right: np.ndarray) -> float:
    """The precision that waiting and answered items need together, 0 to 1, so that the waiting ones have the target.

    Args:
        target: Of the waiting items, 0 to 1.
        left: Number of waiting items above the thresholds, W.
        right: Whether the tags of the answered ones above them, which were not drawn, are right, bool [B].
    """
    if not left:
        return target
    allowed = (1 - target) * left + int((~right).sum())
    return max(target, 1 - allowed / (left + len(right)))
