"""Out-of-fold probabilities of labels by image and by title, and confident learning, which finds wrong labels."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from tagger.confidence.calibration import fit_temperature
from tagger.models.evidence import bayes, class_prior
from tagger.models.levels import softmax
from tagger.models.titles import new_vectoriser
from tagger.similarity.index import VectorIndex
from tagger.training.subsample import subsample
from tagger.training.titles import fitted, learnt_words, logistic_regression

_DIMENSIONS = 256
_READ_BATCH = 16_384
_MAX_FITTED = 60_000
_IMAGE_C, _IMAGE_ITERATIONS = 0.05, 60


def image_features(index: VectorIndex, positions: np.ndarray, seed: int) -> np.ndarray:
    """The whitened principal components of items' vectors, float32 [N, 256] or fewer columns."""
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(positions)[:_MAX_FITTED])
    count = min(_DIMENSIONS, index.card.dimension, len(sample))
    components = PCA(count, whiten=True, svd_solver="covariance_eigh").fit(index.vectors(sample))
    pieces = [
        components.transform(index.vectors(positions[first : first + _READ_BATCH])).astype(np.float32)
        for first in range(0, len(positions), _READ_BATCH)
    ]
    return np.concatenate(pieces)


def title_features(titles: Sequence[str]) -> csr_matrix:
    """TF-IDF of the words and word pairs of titles, float32 [N, W]. Raises InputError when there are no words."""
    return learnt_words(new_vectoriser(), titles)


def image_probabilities(
    features: np.ndarray, classes: np.ndarray, count: int, fold: np.ndarray, seed: int
) -> np.ndarray:
    """Out-of-fold probabilities of classes by image features, float32 [N, L]; see `out_of_fold`."""
    model = LogisticRegression(C=_IMAGE_C, max_iter=_IMAGE_ITERATIONS, tol=1e-3)
    return out_of_fold(model, features, classes, count, fold, seed)


def title_probabilities(
    features: csr_matrix, classes: np.ndarray, count: int, fold: np.ndarray, seed: int
) -> np.ndarray:
    """Out-of-fold probabilities of classes by title features, float32 [N, L]; see `out_of_fold`.

    Titles without a known word get the prior of the classes.
    """
    probabilities = out_of_fold(logistic_regression(), features, classes, count, fold, seed)
    probabilities[features.getnnz(axis=1) == 0] = class_prior(classes, count)
    return probabilities


def assign_folds(classes: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Assign each item to a fold, int [N]: folds are stratified by class, and groups stay together.

    Args:
        classes: Class of each item, int [N].
        groups: Group of each item, such as copies of one image, int [N].
        folds: Number of folds.
        seed: Seed of the shuffle.
    """
    fold = np.zeros(len(classes), np.int64)
    for n, (_, outside) in enumerate(StratifiedKFold(folds, shuffle=True, random_state=seed).split(classes, classes)):
        fold[outside] = n
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

    An item whose class no other fold has cannot be judged: its class gets the probability 1.

    Args:
        model: Fitted once per fold, to 60,000 items at most. It stops after its iterations, converged or not.
        features: [N, D].
        classes: Class of each item, int [N].
        count: The number of classes, L.
        fold: Fold of each item, int [N].
        seed: Seed of the subsample that a model is fitted to.
    """
    rng = np.random.default_rng(seed)
    probabilities = np.zeros((len(classes), count), np.float32)
    for n in np.unique(fold):
        inside, outside = np.flatnonzero(fold != n), np.flatnonzero(fold == n)
        training = subsample(inside, classes, _MAX_FITTED, rng)
        fitted(model, features[training], classes[training])
        probabilities[np.ix_(outside, model.classes_)] = model.predict_proba(features[outside])
        unseen = outside[~np.isin(classes[outside], model.classes_)]
        probabilities[unseen] = 0
        probabilities[unseen, classes[unseen]] = 1
    return probabilities


def combine_probabilities(image: np.ndarray, title: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Combine the probabilities by image and by title, float32 [N, L].

    It applies Bayes' rule, then a fitted temperature, because the rule is overconfident: image
    and title are not independent.

    Args:
        image: float32 [N, L].
        title: float32 [N, L].
        classes: Class of each item by its label, int [N].
    """
    logits = bayes([image, title], class_prior(classes, image.shape[1]))
    return softmax(logits, fit_temperature(logits, classes))


def confident_classes(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The class of each item by confident learning, int [N]; the label's class where the label stands.

    Confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset
    labels", JAIR 70, arXiv:1911.00068): a class is a candidate for an item when its probability is at least the class's
    mean probability over the items with that label. The most probable candidate is the item's class.

    Args:
        probabilities: float32 [N, L], out of fold.
        classes: Class of each item by its label, int [N].
    """
    label_probability = probabilities[np.arange(len(classes)), classes]
    items = np.bincount(classes, minlength=probabilities.shape[1])
    sums = np.bincount(classes, weights=label_probability, minlength=probabilities.shape[1])
    thresholds = np.where(items > 0, sums / np.maximum(items, 1), np.inf)
    is_confident = probabilities >= thresholds
    best = np.where(is_confident, probabilities, -1).argmax(axis=1)
    is_other = is_confident.any(axis=1) & (probabilities[np.arange(len(classes)), best] > label_probability)
    return np.where(is_other, best, classes)
