"""Fits what tells unfamiliar images from those of the leaves that a model has learnt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold

from tagger.models.familiarity import Neighbours
from tagger.models.vectors import of_length_one

MOST_IMAGES = 10_000
"""Training images that a new one is compared with."""
_MOST_DIRECTIONS = 128
_LEAST_STRANGERS, _FOLDS = 50, 5
_C = 10.0  # 3 to 30 do the same on the real catalogue


@dataclass(frozen=True)
class Strangers:
    """Vectors of images of leaves that were left out of training."""

    vectors: np.ndarray
    """[M, ΣD]."""
    leaves: np.ndarray
    """A number for each leaf, int [M]."""


@dataclass(frozen=True)
class Scored:
    """Scores of images that the score was not fitted to, by cross-validation; larger is less familiar."""

    known: np.ndarray
    """Of held-out items of the learnt leaves, [N]."""
    strangers: np.ndarray
    """Of items of leaves that were left out, [M], by a score that has seen other items of these leaves."""
    unseen: np.ndarray
    """The same, by a score that has seen none of that leaf, [M]."""


def fit_neighbours(vectors: np.ndarray, leaves: np.ndarray) -> Neighbours:
    """Find the directions in which leaves differ, as linear discriminant analysis does, and keep the images in them.

    The covariance within leaves is shrunk towards a sphere as Ledoit and Wolf 2004 do (Journal of Multivariate Analysis
    88), since there may be fewer images than dimensions.

    Args:
        vectors: Of training images, of length 1, [N, D].
        leaves: Their leaf indices, int [N].
    """
    known, codes, counts = np.unique(leaves, return_inverse=True, return_counts=True)
    exact = np.asarray(vectors, np.float32)
    centres = np.stack([exact[codes == n].mean(axis=0, dtype=np.float64) for n in range(len(known))])
    shares = counts / counts.sum()
    within = _shrunk(exact - centres.astype(np.float32)[codes])
    between = np.sqrt(shares)[:, None] * (centres - shares @ centres)
    dim = len(within)
    some = max(1, min(len(known) - 1, dim, _MOST_DIRECTIONS))
    _, columns = eigh(between.T @ between, within, subset_by_index=(dim - some, dim - 1))
    directions = np.ascontiguousarray(columns.T, np.float32)
    rows = np.random.default_rng(0).permutation(len(exact))[:MOST_IMAGES]
    points = (exact[rows] @ directions.T).astype(np.float16)  # as they are stored
    return Neighbours(directions, points.astype(np.float32))


def fit_strangers(
    members: Sequence[Neighbours], known: np.ndarray, strangers: Strangers
) -> tuple[list[Neighbours], Scored]:
    """Learn what images of something else look like, if there are enough of them.

    Args:
        members: From `fit_neighbours`, one for each model; their vectors stand side by side.
        known: Vectors of held-out items of the learnt leaves, [N, ΣD].
        strangers: What was left out.

    Returns:
        The members with what was learnt, and scores of images that it was not fitted to.
    """
    ends = np.cumsum([member.dim for member in members])[:-1]
    together = np.concatenate([known, strangers.vectors])
    parts = [of_length_one(part) for part in np.split(together, ends, axis=1)]
    by_distance = np.sum([m.distances(p) for m, p in zip(members, parts, strict=True)], axis=0)
    is_stranger = np.arange(len(by_distance)) >= len(known)
    if min(len(known), len(strangers.vectors)) < _LEAST_STRANGERS:
        return list(members), Scored(by_distance[~is_stranger], by_distance[is_stranger], by_distance[is_stranger])
    unit = float(by_distance[~is_stranger].std()) or 1.0
    features = np.hstack([by_distance[:, None] / unit, *parts])
    leaves = np.concatenate([np.full(len(known), -1), strangers.leaves])
    scored = _cross_validated(features, is_stranger, leaves)
    slope, *weight = _fitted(features, is_stranger).coef_[0].tolist()
    weights = np.split(np.array(weight, np.float32), ends)
    return [replace(m, slope=slope / unit, weight=w) for m, w in zip(members, weights, strict=True)], scored


def _cross_validated(features: np.ndarray, is_stranger: np.ndarray, leaves: np.ndarray) -> Scored:
    scores = np.zeros(len(features))
    for fitting, others in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(features, is_stranger):
        scores[others] = _scores(features, is_stranger, fitting, others)
    unseen = scores.copy()
    of_leaves = np.flatnonzero(is_stranger)
    folds = min(_FOLDS, len(np.unique(leaves[of_leaves])))
    if folds > 1:
        for fitting, others in GroupKFold(folds).split(of_leaves, groups=leaves[of_leaves]):
            rows = np.concatenate([np.flatnonzero(~is_stranger), of_leaves[fitting]])
            unseen[of_leaves[others]] = _scores(features, is_stranger, rows, of_leaves[others])
    return Scored(scores[~is_stranger], scores[is_stranger], unseen[is_stranger])


def _scores(features: np.ndarray, is_stranger: np.ndarray, fitting: np.ndarray, others: np.ndarray) -> np.ndarray:
    model = _fitted(features[fitting], is_stranger[fitting])
    return np.asarray(features[others] @ model.coef_[0])


def _fitted(features: np.ndarray, is_stranger: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=_C, max_iter=1000).fit(features, is_stranger)


def _shrunk(residuals: np.ndarray) -> np.ndarray:
    """The covariance of residuals [N, D] of mean 0, float64 [D, D]."""
    covariance = (residuals.T @ residuals / len(residuals)).astype(np.float64)
    share = ledoit_wolf_shrinkage(residuals, assume_centered=True)
    sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return np.asarray((1 - share) * covariance + share * sphere)
