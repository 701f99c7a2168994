"""Refits the head to a review's answers, and says which waiting items have become sure enough to leave the queue."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from tagger.confidence.target import fewest_items
from tagger.confidence.thresholds import QaSample
from tagger.review.learning.head import FOLDS, HeadSettings, judge
from tagger.review.learning.material import NO_LEAF, Answered, Labelled, Waiting, check_sizes
from tagger.review.learning.promise import Chosen, choose_tags, evaluate_answers, fit_promise
from tagger.schemas.documents.bundle import Policy
from tagger.schemas.documents.taxonomy import Level, Taxonomy


class WhyNone(StrEnum):
    """Why no item leaves the queue."""

    NOTHING_WAITS = "nothing_waits"
    TOO_FEW_ANSWERS = "too_few_answers"
    NOT_PRECISE_ENOUGH = "not_precise_enough"
    """No threshold of the drawn answers keeps the target."""
    ANSWERED_ALREADY = "answered_already"
    """A threshold does, but most of what lies above it has been answered, so little is known of what is left."""
    NONE_SURE_ENOUGH = "none_sure_enough"


@dataclass(frozen=True)
class RefitRequest:
    """All that a refit depends on; it can be pickled."""

    taxonomy: Taxonomy
    """Leaves of the bundle, of the labelled items and of the answers."""
    labelled: Labelled
    answered: Answered
    waiting: Waiting
    targets: Mapping[Level, float]
    """Target precision of the policy, by level, 0 to 1."""
    probability: float = 0.95
    """With which each threshold keeps its target, 0 to 1."""
    quality_share: float = 0.1
    """Share of what leaves that is kept for a quality check, 0 to 1."""
    head: HeadSettings = field(default_factory=HeadSettings)

    def __post_init__(self) -> None:
        check_sizes(self.labelled, self.answered, self.waiting, len(self.taxonomy.leaves))
        if set(self.targets) != set(Level) or not all(0 < target < 1 for target in self.targets.values()):
            raise ValueError(f"targets are precisions between 0 and 1 of both levels, not {dict(self.targets)}")
        if not 0 < self.probability < 1 or not 0 <= self.quality_share <= 1:
            raise ValueError("probability lies between 0 and 1, and quality_share is a share")

    @property
    def answers_needed(self) -> int:
        """The fewest drawn answers from which the targets can be shown: so many, with all the head's tags right."""
        return max(fewest_items(target, self.probability) for target in self.targets.values())


@dataclass(frozen=True)
class Leaving:
    """An item that the refitted head is sure enough of."""

    id: str
    master: str
    article: str
    master_confidence: float
    article_confidence: float
    for_quality_check: bool
    """Whether it was drawn for the quality check: a person is asked, blind, and the tag is accepted meanwhile."""


@dataclass(frozen=True)
class Refit:
    """What a refit has found."""

    leaving: tuple[Leaving, ...]
    """In the order of the waiting items."""
    why_none: WhyNone | None
    """None where items leave."""
    drawn: int
    """Number of drawn answers."""
    answers_needed: int
    """As in the request."""
    policy: Policy | None
    """Thresholds, coverage and precision of the drawn answers; None where nothing was fitted."""
    seconds: float
    """How long it took."""


def refit(request: RefitRequest) -> Refit:
    """Fit the head again, and find the waiting items that may leave the queue as accepted.

    What the promise is about: all items that this result lets leave, together, which includes those that an earlier
    refit accepted and no person has answered; they are among the waiting items each time. An item that an earlier
    refit accepted and this one does not goes back to the queue. The waiting items are the part of the catalogue that
    was hard to tag, so neither the bundle's thresholds nor the labels of the catalogue say how precise tags are there.
    Only answers about items that were drawn at random from the queue do; all other answers teach the head, and count
    against the promise as `fit_promise` describes. Drawn items are asked about also after they have left, without their
    new tag: a random sample has nothing left out. An item leaves only if the heads of all folds agree on its tags and
    each is sure enough.

    What the promise is not: each refit breaks it with a probability of up to 1 - `probability` (for each level), and
    of many refits more do. The quality check, which may be looked at after every answer, is what watches over all of
    them (`tagger.confidence.anytime`). It says nothing of the queue of another run.

    It takes seconds, and the same request gives the same result.

    Args:
        request: What to learn from.
    """
    began = time.perf_counter()
    drawn = int(request.answered.drawn.sum())

    def none(why: WhyNone, policy: Policy | None = None) -> Refit:
        return Refit((), why, drawn, request.answers_needed, policy, time.perf_counter() - began)

    if not len(request.waiting.ids):
        return none(WhyNone.NOTHING_WAITS)
    if drawn < request.answers_needed or not _teach(request.answered):
        return none(WhyNone.TOO_FEW_ANSWERS)
    judged = judge(request.labelled, request.answered, request.waiting, request.head)
    evaluation = evaluate_answers(request.taxonomy, judged, request.answered)
    chosen = choose_tags(request.taxonomy, judged)
    promise = fit_promise(
        evaluation, request.answered.drawn, chosen, request.waiting, request.targets, request.probability
    )
    if promise.policy is None:
        was_shown = all(level.accept_above is not None for level in promise.shown.levels.values())
        return none(WhyNone.ANSWERED_ALREADY if was_shown else WhyNone.NOT_PRECISE_ENOUGH, promise.shown)
    sure = np.flatnonzero(chosen.sure(promise.policy, request.waiting.may_leave))
    if not len(sure):
        return none(WhyNone.NONE_SURE_ENOUGH, promise.policy)
    leaving = _leaving(request, chosen, sure)
    return Refit(leaving, None, drawn, request.answers_needed, promise.policy, time.perf_counter() - began)


def _teach(answered: Answered) -> bool:
    """Whether enough answers have a leaf for each fold to be judged by the others."""
    return int((answered.leaves != NO_LEAF).sum()) >= 2 * FOLDS


def _leaving(request: RefitRequest, chosen: Chosen, rows: np.ndarray) -> tuple[Leaving, ...]:
    """The waiting items of some rows, int [K], with those that are drawn for the quality check."""
    ids = [request.waiting.ids[row] for row in rows]
    # another seed than that of the queue's random order, of which the first are answered: of these none would be left
    checked = QaSample(request.quality_share, request.head.seed + 1).drawn(ids)
    return tuple(
        Leaving(
            item, chosen.masters[row], chosen.articles[row],
            float(chosen.confidence[Level.MASTER_CATEGORY][row]), float(chosen.confidence[Level.ARTICLE_TYPE][row]),
            bool(is_checked),
        )
        for item, row, is_checked in zip(ids, rows, checked, strict=True)
    )  # fmt: skip
