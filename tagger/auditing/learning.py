"""What image and title say of a label, each by a model that has not seen the item, and which labels they contradict."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from tagger.confidence.calibration import fit_temperature
from tagger.models.levels import softmax
from tagger.models.titles import of_both, prior_of, vectoriser_of
from tagger.similarity.index import VectorIndex
from tagger.training.titles import fitted, learnt_words, logistic_regression

_DIMENSIONS = 256
_READ_AT_ONCE = 16_384
_MOST_FITTED = 60_000
_IMAGE_C, _IMAGE_ROUNDS = 0.05, 60


def image_features(index: VectorIndex, numbers: np.ndarray, seed: int) -> np.ndarray:
    """The principal components of items' vectors, each of variance 1, float32 [N, 256] or less."""
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(numbers)[:_MOST_FITTED])
    count = min(_DIMENSIONS, index.card.dimension, len(sample))
    components = PCA(count, whiten=True, svd_solver="covariance_eigh").fit(index.vectors(sample))
    pieces = [
        components.transform(index.vectors(numbers[first : first + _READ_AT_ONCE])).astype(np.float32)
        for first in range(0, len(numbers), _READ_AT_ONCE)
    ]
    return np.concatenate(pieces)


def title_features(titles: Sequence[str]) -> csr_matrix:
    """Words and pairs of words of titles, weighted by TF-IDF, float32 [N, W]. Raises InputError when there are none."""
    return learnt_words(vectoriser_of(), titles)


def by_image(features: np.ndarray, classes: np.ndarray, count: int, fold: np.ndarray, seed: int) -> np.ndarray:
    """Probabilities of classes by image features; see `out_of_fold`."""
    model = LogisticRegression(C=_IMAGE_C, max_iter=_IMAGE_ROUNDS, tol=1e-3)
    return out_of_fold(model, features, classes, count, fold, seed)


def by_title(features: csr_matrix, classes: np.ndarray, count: int, fold: np.ndarray, seed: int) -> np.ndarray:
    """Probabilities of classes by title features; see `out_of_fold`. Titles without a word say what is usual."""
    found = out_of_fold(logistic_regression(), features, classes, count, fold, seed)
    found[features.getnnz(axis=1) == 0] = prior_of(classes, count)
    return found


def folds_of(classes: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each item, int [N]: each class is spread over all of them, and groups stay together.

    Args:
        classes: Class of each item, int [N].
        groups: Of items that say the same, such as copies of one image, int [N].
        folds: How many.
        seed: Of the draw.
    """
    fold = np.zeros(len(classes), np.int64)
    for number, (_, outside) in enumerate(
        StratifiedKFold(folds, shuffle=True, random_state=seed).split(classes, classes)
    ):
        fold[outside] = number
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    return fold[first][group]


def out_of_fold(
    model: LogisticRegression,
    features: np.ndarray | csr_matrix,
    classes: np.ndarray,
    count: int,
    fold: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Probabilities of classes, float32 [N, L], each item's by a model that was fitted without its fold.

    An item whose class no other fold has cannot be judged: its class is certain.

    Args:
        model: What is fitted, once for each fold, to 60,000 items at most. It stops after its rounds, converged or not.
        features: [N, D].
        classes: Class of each item, int [N].
        count: L.
        fold: Of each item, int [N].
        seed: Of what is drawn.
    """
    rng = np.random.default_rng(seed)
    probabilities = np.zeros((len(classes), count), np.float32)
    for number in np.unique(fold):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        chosen = _drawn(inside, classes, rng)
        fitted(model, features[chosen], classes[chosen])
        probabilities[np.ix_(outside, model.classes_)] = model.predict_proba(features[outside])
        alone = outside[~np.isin(classes[outside], model.classes_)]
        probabilities[alone] = 0
        probabilities[alone, classes[alone]] = 1
    return probabilities


def _drawn(items: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most 60,000 of some items, int [M]; rare classes give all that they have."""
    if len(items) <= _MOST_FITTED:
        return items
    order = rng.permutation(items)
    turn = pd.Series(classes[order]).groupby(classes[order]).cumcount().to_numpy()
    first = turn < _MOST_FITTED // (2 * (classes.max() + 1))
    return np.sort(np.concatenate([order[first], order[~first]])[:_MOST_FITTED])


def together(image: np.ndarray, title: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Probabilities by image and title, float32 [N, L], of those by each alone.

    Bayes' rule as in `of_both`, and a temperature over it: what the two know of each other makes that rule too sure.

    Args:
        image: float32 [N, L].
        title: float32 [N, L].
        classes: Class of each item by its label, int [N].
    """
    logits = of_both(image, title, prior_of(classes, image.shape[1]))
    return softmax(logits, fit_temperature(logits, classes))


def contradicted(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """What each item rather is, int [N]; its own class where its label stands.

    Confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset
    labels", JAIR 70, arXiv:1911.00068): a class counts for an item where its probability is at least the mean of that
    class over the items that have it as label; the most probable of those is what the item is.

    Args:
        probabilities: float32 [N, L], of models that have not seen the items.
        classes: Class of each item by its label, int [N].
    """
    own = probabilities[np.arange(len(classes)), classes]
    items = np.bincount(classes, minlength=probabilities.shape[1])
    sums = np.bincount(classes, weights=own, minlength=probabilities.shape[1])
    usual = np.where(items > 0, sums / np.maximum(items, 1), np.inf)
    sure = probabilities >= usual
    best = np.where(sure, probabilities, -1).argmax(axis=1)
    rather = sure.any(axis=1) & (probabilities[np.arange(len(classes)), best] > own)
    return np.where(rather, best, classes)
