"""Leaf logits to calibrated probabilities, and to the two levels of a taxonomy."""

import numpy as np

from schemas.taxonomy import Level, Taxonomy


class Levels:
    """Leaf probabilities to the two levels of a taxonomy."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.masters = taxonomy.classes(Level.MASTER_CATEGORY)
        self.types = taxonomy.classes(Level.ARTICLE_TYPE)
        leaves = taxonomy.leaves
        self._master_of = np.array([self.masters.index(leaf.masterCategory) for leaf in leaves])
        self._type_of = np.array([self.types.index(leaf.articleType) for leaf in leaves])
        self._type_in_master = np.zeros((len(self.masters), len(self.types)), bool)
        self._type_in_master[self._master_of, self._type_of] = True

    def choose(self, leaf_probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the most probable master category, and the most probable article type that it has.

        A level's probability is the sum over its leaves, so a prediction never contradicts its own taxonomy.

        Args:
            leaf_probabilities: float32 [N, L].

        Returns:
            Index into `masters`, its probability, index into `types`, its probability; each [N].
        """
        masters = _sums(leaf_probabilities, self._master_of)
        types = _sums(leaf_probabilities, self._type_of)
        master = masters.argmax(axis=1)
        article = np.where(self._type_in_master[master], types, -1).argmax(axis=1)
        rows = np.arange(len(leaf_probabilities))
        return master, np.minimum(masters[rows, master], 1), article, np.minimum(types[rows, article], 1)

    def of_leaves(self, leaves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices into `masters` and `types` of leaf numbers [N]."""
        return self._master_of[leaves], self._type_of[leaves]


def _sums(leaf_probabilities: np.ndarray, class_of: np.ndarray) -> np.ndarray:
    """Probabilities of classes, float32 [N, C]: row by row, as a matrix product's last digits depend on its other rows.

    Args:
        leaf_probabilities: [N, L].
        class_of: Class of each leaf [L]; every class has one.
    """
    order = np.argsort(class_of, kind="stable")
    first = np.searchsorted(class_of[order], np.arange(class_of.max() + 1))
    grouped = np.take(leaf_probabilities, order, axis=1).astype(np.float64)
    return np.add.reduceat(grouped, first, axis=1).astype(np.float32)


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Calibrated leaf probabilities, float32 [N, L]."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled.astype(np.float32)
