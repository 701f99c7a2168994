"""Decides which predictions are accepted, and which go to review."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tagger.flow.hash_order import sample_order
from tagger.schemas.documents.bundle import ModelCard, Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision, Evidence

USUAL = 0.9
"""Default threshold of both levels."""


@dataclass(frozen=True)
class Thresholds:
    """Least confidence of an accepted prediction: by level, and for some classes by class. Infinite: never."""

    levels: Mapping[Level, float]
    classes: Mapping[Level, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of_policy(cls, policy: Policy | None, accept_above: Mapping[Level, float] | None = None) -> "Thresholds":
        """The thresholds of a bundle's policy, or the default; `accept_above` overrides them by level."""
        named = accept_above or {}
        fitted = {
            level: level_policy
            for level, level_policy in (policy.levels if policy else {}).items()
            if level not in named
        }
        return cls(
            {**dict.fromkeys(Level, USUAL), **{k: _or_never(p.accept_above) for k, p in fitted.items()}, **named},
            {k: {name: _or_never(v) for name, v in p.classes.items()} for k, p in fitted.items() if p.classes},
        )

    @classmethod
    def of_bundle(
        cls, card: ModelCard, evidence: Evidence, accept_above: Mapping[Level, float] | None = None
    ) -> "Thresholds":
        """The thresholds of a bundle's policy for predictions of that evidence; see `of_policy`."""
        policy = card.policy if evidence is Evidence.IMAGE else card.policies.get(evidence)
        return cls.of_policy(policy, accept_above)

    def needed(self, level: Level, classes: Sequence[str] | np.ndarray) -> np.ndarray:
        """The threshold for every class of a level, float64 [N]."""
        by_class = self.classes.get(level, {})
        return np.array([by_class.get(name, self.levels[level]) for name in classes], np.float64)


@dataclass(frozen=True)
class QaSample:
    """Which accepted items go to review nevertheless, for an unbiased measurement of precision.

    An item is drawn by its id, so that another run draws the same.
    """

    share: float = 0.0
    """Share of the accepted items, 0 to 1."""
    seed: int = 0

    def drawn(self, ids: Sequence[str]) -> np.ndarray:
        """Whether each item would be drawn, bool [N]."""
        drawn: np.ndarray = sample_order(ids, self.seed) < self.share * 2.0**64
        return drawn

    def order(self, ids: Sequence[str]) -> np.ndarray:
        """The random order in which to ask about drawn items: their positions, the first one first, int [N].

        It depends on the ids alone, so the first answers of a sample are a smaller sample, as random as the whole.
        """
        return np.argsort(sample_order(ids, self.seed), kind="stable")


def decide(
    needed: Mapping[Level, np.ndarray], confidence: Mapping[Level, np.ndarray], doubted: np.ndarray
) -> np.ndarray:
    """Return the decision for every item.

    An item is accepted if both levels reach their thresholds; if only the master category does, that alone is
    accepted. Everything else, and every doubted item, goes to review.

    Args:
        needed: Threshold of each level, [N] or one for all.
        confidence: Of each level, [N].
        doubted: Items with a review reason other than their confidence, bool [N].

    Returns:
        Decision names, object [N].
    """
    sure = {level: confidence[level] >= needed[level] for level in Level}
    master = sure[Level.MASTER_CATEGORY]
    both = master & sure[Level.ARTICLE_TYPE]
    return np.select(
        [~doubted & both, ~doubted & master],
        [str(Decision.ACCEPT), str(Decision.ACCEPT_MASTER_ONLY)],
        str(Decision.REVIEW),
    ).astype(object)


def _or_never(threshold: float | None) -> float:
    return np.inf if threshold is None else threshold
