"""Calibrates probabilities: fits a temperature on held-out items, and a curve for each level that needs one."""

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logsumexp

from tagger.confidence.stacking import fit_image_pool
from tagger.evaluation.metrics import Predicted, calibration_error, calibration_error_by_chance
from tagger.models.bundle import Bundle
from tagger.models.image_pool import ImageRows, pool_images
from tagger.models.levels import Levels, apply_curve, softmax
from tagger.schemas.documents.bundle import Calibration, ConfidenceCurve
from tagger.schemas.documents.taxonomy import Level

_RANGE = (0.05, 20.0)
_FOLDS, _MANY = 10, 1000
_STEEPEST = 20.0
_EPSILON = 1e-6


def calibrated(bundle: Bundle, logits: np.ndarray, leaves: np.ndarray, rows: ImageRows) -> Bundle:
    """The bundle with a temperature, weights of an item's images, and the curves of its levels, all fitted on items.

    Args:
        bundle: The model; its calibration is replaced.
        logits: float32 [M, L], by images of items that it was not trained on.
        leaves: Their true leaf indices, int [M].
        rows: Which images belong to which of N items.
    """
    temperature = fit_temperature(logits, leaves)
    probabilities, leaves_of_items = softmax(logits, temperature), leaves[rows.starts]
    pool = fit_image_pool(probabilities, rows, leaves_of_items)
    levels = Levels(bundle.card.taxonomy)
    by_item = pool_images(probabilities, rows, pool).probabilities
    master, master_p, article, article_p = levels.choose(by_item)
    true_master, true_article = levels.classes_of_leaves(leaves_of_items)
    curves = {
        Level.MASTER_CATEGORY: fit_curve(master_p, master == true_master),
        Level.ARTICLE_TYPE: fit_curve(article_p, article == true_article),
    }
    return bundle.changed(
        calibration=Calibration(
            method="temperature",
            temperature=temperature,
            curves={level: curve for level, curve in curves.items() if curve},
            fitted_on=len(leaves_of_items),
        ),
        image_pool=pool,
    )


def fit_temperature(logits: np.ndarray, leaves: np.ndarray) -> float:
    """Return the T that minimises the negative log-likelihood of softmax(logits / T).

    Source: Guo et al. 2017, "On calibration of modern neural networks" (arXiv:1706.04599); targets are smoothed by
    1 / (N + 2) as in Platt 1999, so that a few items, all of them right, do not give a confidence of 1.

    Args:
        logits: float32 [N, L], of items that the model was not trained on.
        leaves: Their true leaf indices, int [N].
    """
    scores = np.asarray(logits, np.float64)
    smoothing = 1 / (len(scores) + 2)
    of_truth = scores[np.arange(len(scores)), leaves].mean()
    target = (1 - smoothing) * of_truth + smoothing * scores.mean()

    def loss(log_temperature: float) -> float:
        """Mean cross-entropy with smoothed targets; the mean of what the targets weigh is linear in the logits."""
        scale = float(np.exp(-log_temperature))
        return float(logsumexp(scores * scale, axis=1).mean() - scale * target)

    best = minimize_scalar(loss, bounds=np.log(_RANGE), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(best.x))


def fit_curve(probabilities: np.ndarray, right: np.ndarray) -> ConfidenceCurve | None:
    """Return the curve that calibrates a level's probabilities; None if it is no improvement.

    Whether it is better is measured on items that it was not fitted on: their mean log loss, over ten folds, is lower;
    with fewer than 1,000 items, by more than a standard error. A few items prove nothing, and leave the probabilities
    as they are; where there are many, three numbers cost next to nothing.

    Args:
        probabilities: Of the predicted class, [N], of items that the model was not trained on.
        right: Whether the prediction was right, bool [N].
    """
    if len(np.unique(right)) < 2:
        return None
    folds = np.random.default_rng(0).permutation(len(right)) % _FOLDS
    gains = np.zeros(len(right))
    for fold in range(_FOLDS):
        out = folds == fold
        curve = _fitted(probabilities[~out], right[~out])
        by_themselves = _log_loss(probabilities[out], right[out])
        gains[out] = by_themselves - _log_loss(apply_curve(curve, probabilities[out]), right[out])
    doubt = gains.std() / np.sqrt(len(gains)) if len(gains) < _MANY else 0
    proven = gains.mean() > doubt
    return _fitted(probabilities, right) if proven else None


def refitted_error(fitted_on: Predicted, others: Predicted) -> tuple[float, float]:
    """Expected calibration error of a level on other items after its curve is refitted; and the error by chance.

    Args:
        fitted_on: Predictions that the curve is fitted to.
        others: Predictions that it is measured on.
    """
    curve = fit_curve(fitted_on.confidence, fitted_on.right)
    confidence = apply_curve(curve, others.confidence) if curve else others.confidence
    return calibration_error(confidence, others.right), calibration_error_by_chance(confidence)


def _fitted(probabilities: np.ndarray, right: np.ndarray) -> ConfidenceCurve:
    """Maximum likelihood, with targets smoothed as in Platt 1999."""
    hits, misses = int(right.sum()), int((~right).sum())
    targets = np.where(right, (hits + 1) / (hits + 2), 1 / (misses + 2))

    p = np.clip(probabilities.astype(np.float64), _EPSILON, 1 - _EPSILON)
    columns = np.stack([np.log(p), -np.log1p(-p), np.ones(len(p))])

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean log loss of the curve, which is a logistic regression on two logarithms, and its gradient."""
        log_odds = parameters @ columns
        value = (np.logaddexp(0, log_odds) - targets * log_odds).mean()
        return float(value), columns @ (expit(log_odds) - targets) / len(p)

    bounds = [(0, _STEEPEST), (0, _STEEPEST), (-_STEEPEST, _STEEPEST)]
    a, b, c = minimize(loss, [1, 1, 0], jac=True, bounds=bounds, method="L-BFGS-B").x
    return ConfidenceCurve(a=a, b=b, c=c)


def _log_loss(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    p = np.clip(probabilities.astype(np.float64), _EPSILON, 1 - _EPSILON)
    hits = targets.astype(np.float64)
    return np.asarray(-(hits * np.log(p) + (1 - hits) * np.log1p(-p)))
