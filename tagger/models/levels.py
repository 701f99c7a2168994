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
        self._to_master = np.eye(len(self.masters), dtype=np.float32)[self._master_of]
        self._to_type = np.eye(len(self.types), dtype=np.float32)[self._type_of]

    def choose(self, leaf_probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the most probable master category, and the most probable article type that it has.

        A level's probability is the sum over its leaves, so a prediction never contradicts its own taxonomy.

        Args:
            leaf_probabilities: float32 [N, L].

        Returns:
            Index into `masters`, its probability, index into `types`, its probability; each [N].
        """
        masters = leaf_probabilities @ self._to_master
        types = leaf_probabilities @ self._to_type
        master = masters.argmax(axis=1)
        article = np.where(self._type_in_master[master], types, -1).argmax(axis=1)
        rows = np.arange(len(leaf_probabilities))
        return master, np.minimum(masters[rows, master], 1), article, np.minimum(types[rows, article], 1)

    def of_leaves(self, leaves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices into `masters` and `types` of leaf numbers [N]."""
        return self._master_of[leaves], self._type_of[leaves]


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Calibrated leaf probabilities, float32 [N, L]."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled.astype(np.float32)
