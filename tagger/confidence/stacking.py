"""Weighs the witnesses of an item's leaf against each other: image, title and columns; and several images."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from tagger.models.evidence import Weights, log_probabilities, stored_top_k, surety_in
from tagger.models.image_pool import ImageRows, first_and_others
from tagger.schemas.documents.bundle import ImagePool
from tagger.schemas.tables.prediction import Evidence

_STEEPEST = 20.0
_MOST_ITEMS = 20_000
_FOLDS, _MOST_COMPARED = 3, 4000
_ENOUGH_WITH_SEVERAL = 50


def fit_weights(
    parts: Sequence[np.ndarray],
    evidence: Evidence,
    prior: np.ndarray,
    leaves: np.ndarray,
    items: np.ndarray | None = None,
) -> Weights:
    """Return the weights of the witnesses that minimise the negative log-likelihood of all together.

    They also calibrate: weights below 1 soften the probabilities. With a title, the weights may depend on how sure it
    is, if that lowers the log loss of items that they were not fitted on. Each weight has a normal prior around Bayes'
    rule with a standard deviation of 1, and the targets are smoothed, so that a few items, all of them right, prove no
    certainty. 20,000 items at most are used. It is stacking: Wolpert 1992, "Stacked generalization".

    Args:
        parts: Probabilities by each witness of the evidence, float32 [N, L], of items that no witness was trained on.
        evidence: What they are.
        prior: Shares of the leaves, [L].
        leaves: True leaf indices, int [N].
        items: Number of the item that each row is of, int [N], where several are of one; by default none are.
    """
    sample = np.random.default_rng(0).permutation(len(leaves))[:_MOST_ITEMS]
    plain = _features([part[sample] for part in parts], evidence, prior)
    truth = leaves[sample]
    surety = surety_in([part[sample] for part in parts], evidence)
    if surety is None or len(parts) == 1:
        return _weights(_fitted(plain, truth, len(parts)), len(parts))
    dependent = np.concatenate([plain, plain[: len(parts)] * surety[:, None]])
    folds = (np.arange(len(leaves)) if items is None else items)[sample] % _FOLDS
    if _loss_of_others(dependent, truth, folds, len(parts)) < _loss_of_others(plain, truth, folds, len(parts)):
        return _weights(_fitted(dependent, truth, len(parts)), len(parts))
    return _weights(_fitted(plain, truth, len(parts)), len(parts))


def fit_image_pool(probabilities: np.ndarray, rows: ImageRows, leaves: np.ndarray) -> ImagePool | None:
    """Return the weights of an item's first image and of its further ones, fitted as those of other witnesses.

    Args:
        probabilities: By image, float32 [M, L], of items that the model was not trained on.
        rows: Which images belong to which of N items.
        leaves: True leaf indices of the items, int [N].

    Returns:
        None when fewer than 50 items have a first image and others.
    """
    fitted_on = np.flatnonzero(rows.has_first & (rows.counts > 1))
    if len(fitted_on) < _ENOUGH_WITH_SEVERAL:
        return None
    parts = first_and_others(stored_top_k(probabilities), rows)
    equal_shares = np.full(probabilities.shape[1], 1 / probabilities.shape[1])
    weights = fit_weights([part[fitted_on] for part in parts], Evidence.IMAGE, equal_shares, leaves[fitted_on])
    first, further = weights.witnesses
    return ImagePool(first=first, further=further, prior=weights.prior, fitted_on=len(fitted_on))


def _features(parts: Sequence[np.ndarray], evidence: Evidence, prior: np.ndarray) -> np.ndarray:
    """Log probabilities by each witness, then of the prior with a minus, float64 [K + 1, N, L]."""
    of_prior = np.broadcast_to(-np.log(prior), parts[0].shape)
    return np.stack([*map(log_probabilities, parts), of_prior]).astype(np.float64)


def _weights(fitted: np.ndarray, witnesses: int) -> Weights:
    values = [float(value) for value in fitted]
    return Weights(tuple(values[:witnesses]), values[witnesses], tuple(values[witnesses + 1 :]))


def _loss_of_others(features: np.ndarray, leaves: np.ndarray, folds: np.ndarray, witnesses: int) -> float:
    """Mean log loss of items that the weights were not fitted on, over three folds of some items."""
    features, leaves, folds = features[:, :_MOST_COMPARED], leaves[:_MOST_COMPARED], folds[:_MOST_COMPARED]
    total = 0.0
    for fold in range(_FOLDS):
        out = folds == fold
        if out.all() or not out.any():
            return np.inf
        scores = np.tensordot(_fitted(features[:, ~out], leaves[~out], witnesses), features[:, out], 1)
        total += float((logsumexp(scores, axis=1) - scores[np.arange(len(scores)), leaves[out]]).sum())
    return total / len(leaves)


def _fitted(features: np.ndarray, leaves: np.ndarray, witnesses: int) -> np.ndarray:
    """The weights of features [K, N, L] by maximum likelihood, [K]."""
    rows = np.arange(len(leaves))
    # targets smoothed by 1 / (N + 2) as in Platt 1999, so that a few items, all right, do not give a confidence of 1
    smoothing = 1 / (len(leaves) + 2)
    of_truth = features[:, rows, leaves].mean(axis=1)
    target = (1 - smoothing) * of_truth + smoothing * features.mean(axis=(1, 2))
    expected_weights = np.zeros(len(features))
    expected_weights[:witnesses] = 1
    expected_weights[witnesses] = witnesses - 1

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean cross-entropy, with the weights' prior, and its gradient."""
        scores = np.tensordot(weights, features, 1)
        sums = logsumexp(scores, axis=1)
        expected = np.einsum("knl,nl->k", features, np.exp(scores - sums[:, None])) / len(leaves)
        away = (weights - expected_weights) / len(leaves)
        value = sums.mean() - weights @ target + away @ (weights - expected_weights) / 2
        return float(value), expected - target + away

    bounds = [(0, _STEEPEST)] * (witnesses + 1) + [(-_STEEPEST, _STEEPEST)] * (len(features) - witnesses - 1)
    return np.asarray(minimize(loss, expected_weights, jac=True, bounds=bounds, method="L-BFGS-B").x)
