"""Fits the title model."""

from collections.abc import Sequence
from warnings import catch_warnings, simplefilter

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tagger.dataset.label_words import without_label
from tagger.errors import InputError
from tagger.models.evidence import class_prior
from tagger.models.titles import TitleModel, new_letter_vectoriser, new_vectoriser
from tagger.reporter import LOG, Reporter
from tagger.training.subsample import subsample

_C, _ROUNDS = 10.0, 40
_NEVER = -20.0
_BARE_SHARE = 0.25
MOST_TITLES = 300_000
"""Titles that a classifier learns from: so many take minutes on a core, and 3.5 GiB.

A third of them took 0.4 times the time and 0.8 times the memory, and got as many types right, but 67.7 instead of 70.5%
where the words of the type were left out.
"""


def fit_titles(
    names: Sequence[str],
    titles: Sequence[str],
    leaves: np.ndarray,
    types: Sequence[str],
    seed: int = 0,
    reporter: Reporter = LOG,
) -> TitleModel:
    """Fit a model to titles: logistic regression over TF-IDF of words, pairs of words, and letters within words.

    Most titles name their type, and a model of those alone would know little of one that does not. So it learns
    from a quarter of the titles without these words, too.

    Of more than 300,000 titles, as many are drawn, with all titles of rare leaves.

    Args:
        names: The columns of the titles.
        titles: Of the training items, N.
        leaves: Their leaf indices, int [N].
        types: Article type of each leaf, L.
        seed: Draws the titles that are learnt, and those that are learnt without the words of their type.
        reporter: Told how many titles are left out.

    Raises:
        InputError: when the titles have no words in common, or their items only one class.
    """
    if len(np.unique(leaves)) < 2:
        raise InputError("--manifest: the training items that have titles are of one class")
    prior = class_prior(leaves, len(types))
    some = drawn_titles(leaves, "titles", seed, reporter)
    titles, leaves = [titles[n] for n in some.tolist()], leaves[some]
    by_word, by_letter = new_vectoriser(), new_letter_vectoriser()
    learnt_words(by_word, titles)  # the vocabulary is that of whole titles
    learnt_words(by_letter, titles)
    texts, items = with_bare_titles(titles, leaves, types, seed)
    features = hstack([by_word.transform(texts), by_letter.transform(texts)], format="csr")
    model = fitted(logistic_regression(), features, leaves[items])
    idf = np.concatenate([by_word.idf_, by_letter.idf_]).astype(np.float32)
    weight, bias = as_matrix(model, len(types))
    weight = weight.astype(np.float16).astype(np.float32)  # as it is stored, so that what is measured is what will tag
    words, letters = (tuple(map(str, v.get_feature_names_out())) for v in (by_word, by_letter))
    return TitleModel(tuple(names), words, letters, idf, weight, bias, prior)


def drawn_titles(classes: np.ndarray, of_what: str, seed: int, reporter: Reporter) -> np.ndarray:
    """Indices of the titles to learn from, int [M], 300,000 at most; rare classes keep all.

    Args:
        classes: Class of each title, int [N].
        of_what: What is learnt, for the reporter, who is told how many are left out.
        seed: Draws them.
        reporter: Where that goes.
    """
    some = subsample(np.arange(len(classes)), classes, MOST_TITLES, np.random.default_rng(seed))
    if len(some) < len(classes):
        reporter.step(
            f"Learning {of_what} from {len(some):,} titles, with all of rare classes; "
            f"{len(classes) - len(some):,} are left out"
        )
    return some


def with_bare_titles(
    titles: Sequence[str], leaves: np.ndarray, types: Sequence[str], seed: int = 0
) -> tuple[list[str], np.ndarray]:
    """The titles, then a quarter of them again without the words of their type; and the index of each one's item.

    Args:
        titles: N titles.
        leaves: Leaf indices of their items, int [N].
        types: Article type of each leaf, L.
        seed: Draws the quarter.
    """
    again = np.flatnonzero(drawn_for_bare_titles(len(titles), seed))
    bare = [
        without_label(titles[n], types[leaf]) for n, leaf in zip(again.tolist(), leaves[again].tolist(), strict=True)
    ]
    return [*titles, *bare], np.concatenate([np.arange(len(titles)), again])


def drawn_for_bare_titles(count: int, seed: int = 0) -> np.ndarray:
    """A quarter of N items, bool [N], whose titles count once more without the words of their type."""
    return np.asarray(np.random.default_rng(seed).random(count) < _BARE_SHARE)


def learnt_words(vectoriser: TfidfVectorizer, titles: Sequence[str]) -> csr_matrix:
    """Fit a vectoriser, and return the vectors of the titles. Raises InputError when there are no words."""
    try:
        return vectoriser.fit_transform(titles)
    except ValueError as error:  # scikit-learn has no specific exception for an empty vocabulary
        raise InputError(f"--title: no word is in two of these {len(titles):,} titles") from error


def logistic_regression() -> LogisticRegression:
    """The classifier to fit to titles; it stops after its iterations, converged or not."""
    return LogisticRegression(C=_C, max_iter=_ROUNDS, tol=1e-3)


def fitted(
    model: LogisticRegression,
    features: np.ndarray | csr_matrix,
    classes: np.ndarray,
    weights: np.ndarray | None = None,
) -> LogisticRegression:
    """Fit the classifier, without a warning if it does not converge; items may have weights, [N]."""
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, classes, weights)


def as_matrix(model: LogisticRegression, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights float32 [C, F] and bias [C] of a fitted classifier; a class that it has not seen gets a low bias."""
    weight = np.zeros((classes, model.coef_.shape[1]), np.float32)
    bias = np.full(classes, _NEVER, np.float32)
    two = len(model.classes_) == 2  # scikit-learn then has one row, that of the second class
    weight[model.classes_] = np.concatenate([-model.coef_, model.coef_]) / 2 if two else model.coef_
    bias[model.classes_] = np.concatenate([-model.intercept_, model.intercept_]) / 2 if two else model.intercept_
    return weight, bias
