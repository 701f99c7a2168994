"""Fits the title model."""

from collections.abc import Sequence
from warnings import catch_warnings, simplefilter

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tagger.errors import InputError
from tagger.models.titles import TitleModel, class_prior, new_vectoriser

_C, _ROUNDS = 10.0, 40
_NEVER = -20.0


def fit_titles(column: str, model_id: str, titles: Sequence[str], leaves: np.ndarray, count: int) -> TitleModel:
    """Fit a model to titles: logistic regression over TF-IDF of words and pairs of words.

    Args:
        column: The column of the titles.
        model_id: The bundle whose leaves these are.
        titles: Of the training items.
        leaves: Their leaf indices, int [N].
        count: Number of leaves, L.

    Raises:
        InputError: when the titles have no words in common, or their items only one class.
    """
    if len(np.unique(leaves)) < 2:
        raise InputError("--manifest: the training items that have titles are of one class")
    vectoriser = new_vectoriser()
    model = fitted(logistic_regression(), learnt_words(vectoriser, titles), leaves)
    weight = np.zeros((count, len(vectoriser.idf_)), np.float32)
    bias = np.full(count, _NEVER, np.float32)
    two = len(model.classes_) == 2  # scikit-learn then has one row, that of the second class
    weight[model.classes_] = np.concatenate([-model.coef_, model.coef_]) / 2 if two else model.coef_
    bias[model.classes_] = np.concatenate([-model.intercept_, model.intercept_]) / 2 if two else model.intercept_
    words = tuple(map(str, vectoriser.get_feature_names_out()))
    return TitleModel(
        column, model_id, words, vectoriser.idf_.astype(np.float32), weight, bias, class_prior(leaves, count)
    )


def learnt_words(vectoriser: TfidfVectorizer, titles: Sequence[str]) -> csr_matrix:
    """Fit a vectoriser, and return the vectors of the titles. Raises InputError when there are no words."""
    try:
        return vectoriser.fit_transform(titles)
    except ValueError as error:  # scikit-learn has no specific exception for an empty vocabulary
        raise InputError(f"--title: no word is in two of these {len(titles):,} titles") from error


def logistic_regression() -> LogisticRegression:
    """The classifier to fit to titles; it stops after its iterations, converged or not."""
    return LogisticRegression(C=_C, max_iter=_ROUNDS, tol=1e-3)


def fitted(model: LogisticRegression, features: np.ndarray | csr_matrix, classes: np.ndarray) -> LogisticRegression:
    """Fit the classifier, without a warning if it does not converge."""
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, classes)
