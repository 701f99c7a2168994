"""Fits the heads of an attribute: on image features, on titles, on columns, and by leaf."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import hstack
from sklearn.linear_model import LogisticRegression

from tagger.manifest.no_value import NoValue
from tagger.models.attributes import Attribute
from tagger.models.evidence import class_prior
from tagger.models.levels import Levels
from tagger.models.titles import TitleVectors
from tagger.reporter import LOG, Reporter
from tagger.schemas.documents.taxonomy import Taxonomy
from tagger.training.columns import fit_columns
from tagger.training.titles import as_matrix, drawn_titles, fitted, logistic_regression

LEAST_ITEMS = 20
"""Training items from which a value is learnt."""
MOST_VALUES = 200
"""Values of an attribute; a column with more is text, or numbers."""
_MOST_IMAGES = 100_000
_C, _ROUNDS = 0.01, 100
_ENOUGH_OF_TYPE = 100
_SPREAD = 5.0


@dataclass(frozen=True)
class Examples:
    """What the training items of an attribute show; all have a value that is learnt."""

    codes: np.ndarray
    """Index of each item's value, int [N]."""
    leaves: np.ndarray
    """Leaf indices, int [N]."""
    features: np.ndarray
    """Of M images, [M, F]."""
    item_of: np.ndarray
    """Which item each image is of, int [M]."""
    titles: TitleVectors | None
    """Of the N items."""
    cells: Mapping[str, Sequence[str | None]]
    """Of other columns, N cells each."""


def learnt_values(cells: Sequence[str | None], no_value: NoValue) -> tuple[list[str], Counter[str]]:
    """The values that 20 cells or more have, the most frequent first; and the others, with their cells."""
    counts = Counter(cell for cell in cells if cell is not None and not no_value.means_none(cell))
    frequent = [value for value, items in counts.most_common() if items >= LEAST_ITEMS]
    return frequent, Counter({value: items for value, items in counts.items() if items < LEAST_ITEMS})


def fit_attribute(
    name: str,
    values: Sequence[str],
    taxonomy: Taxonomy,
    examples: Examples,
    no_value: NoValue,
    seed: int = 0,
    reporter: Reporter = LOG,
) -> Attribute:
    """Fit an attribute to its training items; the weights of its witnesses are still to be fitted.

    The heads are logistic regressions. A value is ruled out for an article type if none of its training items has it,
    and 100 or more have another one.

    Args:
        name: Its name.
        values: Its V values, two or more.
        taxonomy: The bundle's.
        examples: The items.
        no_value: Recognises cells without a value.
        seed: Draws 100,000 of the images, and 300,000 of the titles, where there are more.
        reporter: Told how many titles are left out.
    """
    size = len(values)
    prior = class_prior(examples.codes, size)
    weight, bias = _fit_images(examples, size, seed)
    title_weight = title_bias = None
    if examples.titles is not None:
        some = drawn_titles(examples.codes, name, seed, reporter)
        titles, codes = examples.titles.only(some), examples.codes[some]
        vectors = hstack([titles.words, titles.letters], format="csr")
        title_weight, title_bias = as_matrix(fitted(logistic_regression(), vectors, codes), size)
        title_weight = title_weight.astype(np.float16).astype(np.float32)  # as it is stored
    columns = fit_columns(examples.cells, examples.codes, size, no_value) if examples.cells else None
    counts = np.zeros((len(taxonomy.leaves), size))
    np.add.at(counts, (examples.leaves, examples.codes), 1)
    by_leaf = (counts + _SPREAD * prior) / (counts.sum(axis=1, keepdims=True) + _SPREAD)
    levels = Levels(taxonomy)
    by_type = np.zeros((len(levels.types), size))
    np.add.at(by_type, levels.classes_of_leaves(np.arange(len(counts)))[1], counts)
    goes_with = (by_type > 0) | (by_type.sum(axis=1, keepdims=True) < _ENOUGH_OF_TYPE)
    return Attribute(
        name, tuple(values), prior, by_leaf.astype(np.float32), goes_with, weight, bias, title_weight, title_bias,
        columns if columns and columns.columns else None,
    )  # fmt: skip


def _fit_images(examples: Examples, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights [V, F] and bias [V] of images' features, which are standardised for the fit."""
    some = np.sort(np.random.default_rng(seed).permutation(len(examples.features))[:_MOST_IMAGES])
    features = examples.features[some].astype(np.float32)
    mean = features.mean(axis=0, dtype=np.float64)
    spread = np.maximum(features.std(axis=0, dtype=np.float64), 1e-6)
    features = ((features - mean) / spread).astype(np.float32)
    model = fitted(
        LogisticRegression(C=_C, max_iter=_ROUNDS, tol=1e-3), features, examples.codes[examples.item_of[some]]
    )
    weight, bias = as_matrix(model, size)
    scaled = weight / spread
    return scaled.astype(np.float32), (bias - scaled @ mean).astype(np.float32)
