"""Fits a softmax head to labelled and answered items, and weighs it against the bundle's own probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from tagger.confidence.stacking import fit_weights
from tagger.models.evidence import Weights, class_prior, weighted_logits
from tagger.models.levels import softmax
from tagger.review.learning.material import NO_LEAF, Answered, Labelled, Waiting
from tagger.schemas.tables.prediction import Evidence
from tagger.training.subsample import subsample
from tagger.training.titles import fitted

FOLDS = 5
_DIMENSIONS = 128
_MOST_LABELLED = 20_000
_C = 0.05
_ITERATIONS, _FURTHER_ITERATIONS = 30, 10
_TWO_WITNESSES = Evidence.IMAGE_AND_COLUMNS
"""Two witnesses whose weights depend on nothing else; here the bundle and the head."""
_SPREAD = 0.01
"""Share of a witness's probability that goes to all leaves by the prior: no witness alone can rule out a leaf."""


@dataclass(frozen=True)
class HeadSettings:
    """How the head is fitted."""

    answer_weight: float = 3.0
    """Labelled items that one answer counts for: answers are few, and come from the part that is hard to tag."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.answer_weight <= 0:
            raise ValueError(f"answer_weight must be above 0, not {self.answer_weight}")


@dataclass(frozen=True)
class Judged:
    """Leaf probabilities of answered and waiting items."""

    answered: np.ndarray
    """float32 [A, L], of each answer by a head, and with weights, that were fitted without its fold."""
    waiting: np.ndarray
    """float32 [FOLDS, N, L], by the head and the weights of each fold."""


def judge(labelled: Labelled, answered: Answered, waiting: Waiting, settings: HeadSettings) -> Judged:
    """Fit a head for each fold of the answers, and judge answered and waiting items by it and the bundle together.

    A head is a multinomial logistic regression on the whitened principal components of the vectors (128 at most). It
    learns from the labelled items and the answers outside its fold. Its probabilities and the bundle's are combined by
    stacking (Wolpert 1992); the weights are fitted to out-of-fold probabilities of answers, again outside the fold, and
    calibrate. The bundle's probabilities of labelled items are not used: it may have been trained on them.

    Copies of one image are not kept in one fold: an answer has as many copies among the other answers as an item that
    waits has among the answers.

    Args:
        labelled: M items; 20,000 of them are learnt from, with all of rare leaves.
        answered: A items, at least FOLDS of them with a leaf.
        waiting: N items.
        settings: How to fit.

    Raises:
        ValueError: when too few answers have a leaf.
    """
    has_leaf = answered.leaves != NO_LEAF
    if has_leaf.sum() < FOLDS:
        raise ValueError(f"{has_leaf.sum()} answers with a leaf; a refit needs {FOLDS}")
    rng = np.random.default_rng(settings.seed)
    fold = rng.permutation(len(answered.leaves)) % FOLDS
    kept = subsample(np.arange(len(labelled.leaves)), labelled.leaves, _MOST_LABELLED, rng)
    known = Labelled(labelled.vectors[kept], labelled.leaves[kept])
    prior = class_prior(np.concatenate([labelled.leaves, answered.leaves[has_leaf]]), answered.probabilities.shape[1])
    heads = _Heads(known, answered, waiting, settings.answer_weight)
    by_head = np.zeros(answered.probabilities.shape, np.float32)
    of_waiting = []
    for n in range(FOLDS):
        by_head[fold == n], waiting_by_head = heads.probabilities(fold == n)
        of_waiting.append(waiting_by_head)
    return _combined(answered, waiting, by_head, of_waiting, fold, prior)


class _Heads:
    """Fits heads that leave out some of the answers; each begins with the one that learnt the labelled items alone."""

    def __init__(self, labelled: Labelled, answered: Answered, waiting: Waiting, answer_weight: float) -> None:
        vectors = np.concatenate([part.vectors for part in (labelled, answered, waiting) if len(part.vectors)]).astype(
            np.float32
        )
        count = min(_DIMENSIONS, *vectors.shape)
        components = PCA(count, whiten=True, svd_solver="covariance_eigh").fit(vectors)
        features = components.transform(vectors).astype(np.float32)
        ends = np.cumsum([len(labelled.leaves), len(answered.leaves)])
        self._labelled, self._answered, self._waiting = np.split(features, ends)
        self._leaves, self._answers = labelled.leaves, answered.leaves
        self._answer_weight = answer_weight
        self._leaf_count = answered.probabilities.shape[1]
        self._start = self._of_labelled()

    def probabilities(self, left_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Leaf probabilities of the answers that are left out, bool [A], and of the waiting items; float32 [., L]."""
        learnt = ~left_out & (self._answers != NO_LEAF)
        features = np.concatenate([self._labelled, self._answered[learnt]])
        leaves = np.concatenate([self._leaves, self._answers[learnt]])
        weights = np.repeat([1.0, self._answer_weight], [len(self._leaves), int(learnt.sum())])
        present = np.unique(leaves)
        if len(present) == 1:
            sure = np.zeros((len(left_out) + len(self._waiting), self._leaf_count), np.float32)
            sure[:, present] = 1
            return sure[: int(left_out.sum())], sure[: len(self._waiting)]
        model = _regression(_ITERATIONS)
        if self._start is not None and np.array_equal(self._start.classes_, present):
            model = _regression(_FURTHER_ITERATIONS)
            model.coef_, model.intercept_ = self._start.coef_.copy(), self._start.intercept_.copy()
            model.classes_ = present
        fitted(model, features, leaves, weights)
        return self._expanded(model, self._answered[left_out]), self._expanded(model, self._waiting)

    def _of_labelled(self) -> LogisticRegression | None:
        """The head that the labelled items alone teach; None where they have fewer than three leaves."""
        if len(np.unique(self._leaves)) < 3:
            return None
        return fitted(_regression(_ITERATIONS), self._labelled, self._leaves)

    def _expanded(self, model: LogisticRegression, features: np.ndarray) -> np.ndarray:
        probabilities = np.zeros((len(features), self._leaf_count), np.float32)
        if len(features):
            probabilities[:, model.classes_] = model.predict_proba(features)
        return probabilities


def _regression(iterations: int) -> LogisticRegression:
    return LogisticRegression(C=_C, max_iter=iterations, tol=1e-3, warm_start=True)


def _combined(
    answered: Answered,
    waiting: Waiting,
    by_head: np.ndarray,
    of_waiting: Sequence[np.ndarray],
    fold: np.ndarray,
    prior: np.ndarray,
) -> Judged:
    """Combine bundle and head with weights that are fitted without each fold.

    Args:
        answered: A items.
        waiting: N items.
        by_head: Out-of-fold probabilities of the answers, float32 [A, L].
        of_waiting: Those of the waiting items by the head of each fold, each float32 [N, L].
        fold: Fold of each answer, int [A].
        prior: Shares of the leaves, [L].
    """
    parts = [_spread(answered.probabilities, prior), _spread(by_head, prior)]
    bundle_on_waiting = _spread(waiting.probabilities, prior)
    combined = np.zeros(by_head.shape, np.float32)
    combined_waiting = []
    for n, head_on_waiting in enumerate(of_waiting):
        out = fold == n
        used = ~out & (answered.leaves != NO_LEAF)
        weights = fit_weights([part[used] for part in parts], _TWO_WITNESSES, prior, answered.leaves[used])
        combined[out] = _weighted([part[out] for part in parts], prior, weights)
        combined_waiting.append(_weighted([bundle_on_waiting, _spread(head_on_waiting, prior)], prior, weights))
    return Judged(combined, np.stack(combined_waiting))


def _weighted(parts: Sequence[np.ndarray], prior: np.ndarray, weights: Weights) -> np.ndarray:
    return softmax(weighted_logits(parts, prior, weights), 1)


def _spread(probabilities: np.ndarray, prior: np.ndarray) -> np.ndarray:
    return np.asarray((1 - _SPREAD) * probabilities + _SPREAD * prior / prior.sum(), np.float32)
