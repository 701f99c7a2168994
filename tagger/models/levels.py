"""Converts leaf logits to calibrated probabilities, and these to the two levels of a taxonomy."""

from collections.abc import Mapping

import numpy as np

from tagger.schemas.documents.bundle import ConfidenceCurve
from tagger.schemas.documents.taxonomy import Level, Taxonomy

_EPSILON = 1e-6


class Levels:
    """Sums leaf probabilities to the two levels of a taxonomy.

    Args:
        taxonomy: The taxonomy, with its leaves in the order of the probabilities.
        curves: Calibration curves from a level's probability to its confidence; without one, they are equal.
    """

    def __init__(self, taxonomy: Taxonomy, curves: Mapping[Level, ConfidenceCurve] | None = None) -> None:
        self._curves = dict(curves or {})
        self.masters = taxonomy.classes(Level.MASTER_CATEGORY)
        self.types = taxonomy.classes(Level.ARTICLE_TYPE)
        leaves = taxonomy.leaves
        self._master_of = np.array([self.masters.index(leaf.masterCategory) for leaf in leaves])
        self._type_of = np.array([self.types.index(leaf.articleType) for leaf in leaves])
        self._type_in_master = np.zeros((len(self.masters), len(self.types)), bool)
        self._type_in_master[self._master_of, self._type_of] = True

    @property
    def leaf_count(self) -> int:
        """Number of leaves, L."""
        return len(self._type_of)

    def choose(self, leaf_probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the most probable master category, and the most probable article type within it.

        A level's probability is the sum over its leaves, so a prediction never contradicts its own taxonomy. The
        level's curve maps it to a confidence.

        Args:
            leaf_probabilities: float32 [N, L].

        Returns:
            Index into `masters`, its confidence, index into `types`, its confidence; each [N].
        """
        masters = _sums(leaf_probabilities, self._master_of)
        types = _sums(leaf_probabilities, self._type_of)
        master = masters.argmax(axis=1)
        article = np.where(self._type_in_master[master], types, -1).argmax(axis=1)
        rows = np.arange(len(leaf_probabilities))
        master_confidence = self._confidences(Level.MASTER_CATEGORY, masters[rows, master])
        return master, master_confidence, article, self._confidences(Level.ARTICLE_TYPE, types[rows, article])

    def of_types(self, leaf_probabilities: np.ndarray, types: np.ndarray) -> np.ndarray:
        """The probability of one article type for each item, float32 [N].

        Args:
            leaf_probabilities: float32 [N, L].
            types: Indices into `types`, int [N].
        """
        return np.asarray(_sums(leaf_probabilities, self._type_of)[np.arange(len(types)), types])

    def classes_of_leaves(self, leaves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices into `masters` and into `types` for indices of leaves, int [N]; each [N]."""
        return self._master_of[leaves], self._type_of[leaves]

    def _confidences(self, level: Level, probabilities: np.ndarray) -> np.ndarray:
        curve = self._curves.get(level)
        return np.minimum(probabilities, 1) if curve is None else apply_curve(curve, probabilities).astype(np.float32)


def apply_curve(curve: ConfidenceCurve, probabilities: np.ndarray) -> np.ndarray:
    """Map a level's probabilities [N] to confidences, float64 [N], by its calibration curve."""
    p = np.clip(probabilities.astype(np.float64), _EPSILON, 1 - _EPSILON)
    log_odds = curve.a * np.log(p) - curve.b * np.log1p(-p) + curve.c
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def _sums(leaf_probabilities: np.ndarray, class_of: np.ndarray) -> np.ndarray:
    """Sum leaf probabilities to classes, float32 [N, C].

    No matrix product is used, as the last digits of its rows depend on the other rows.

    Args:
        leaf_probabilities: [N, L].
        class_of: Class of each leaf, int [L]; every class has at least one leaf.
    """
    order = np.argsort(class_of, kind="stable")
    first = np.searchsorted(class_of[order], np.arange(class_of.max() + 1))
    grouped = np.take(leaf_probabilities, order, axis=1).astype(np.float64)
    return np.add.reduceat(grouped, first, axis=1).astype(np.float32)


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Calibrated leaf probabilities, float32 [N, L]: softmax of logits [N, L] divided by the temperature."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled.astype(np.float32)
