"""A backbone with one softmax over the leaves; levels are sums over leaves."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from schemas.taxonomy import Level, Taxonomy
from tagger.models.backbones import embedding_dim


class Classifier(nn.Module):
    """Maps uint8 images [B, H, W, 3] to leaf logits [B, L] and embeddings [B, D], in one pass.

    Images are normalised here, so that only bytes travel to the device; the permuted view of [B, H, W, 3] is
    PyTorch's channels_last layout already.
    """

    scale: Tensor
    offset: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        image_size: tuple[int, int],
        leaves: int,
        dropout: float,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.embedding_dim = embedding_dim(backbone, image_size)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.embedding_dim, leaves))
        self.register_buffer("scale", 1 / (255 * torch.tensor(std).view(1, 3, 1, 1)), persistent=False)
        self.register_buffer("offset", -(torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return leaf logits [B, L] and embeddings [B, D], both float32."""
        normalised = images.permute(0, 3, 1, 2) * self.scale + self.offset
        embedding = self.backbone(normalised)
        if embedding.ndim > 2:
            embedding = embedding.flatten(1)
        return self.head(embedding).float(), embedding.float()


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
