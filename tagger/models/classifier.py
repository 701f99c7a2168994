"""A backbone with one softmax over the leaves, and the way from a bundle to it and back."""

from collections.abc import Mapping, Sequence

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from schemas.bundle import ModelCard
from tagger.errors import InputError
from tagger.models import backbones
from tagger.models.backbones import embedding_dim
from tagger.models.bundle import Bundle, model_id
from tagger.storage import first_line


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


def new_classifier(card: ModelCard, weights: str) -> Classifier:
    """Build the classifier that a card describes, with a backbone's weights as `backbones.build` takes them."""
    size = (card.preprocessing.height, card.preprocessing.width)
    backbone = backbones.build(card.architecture.backbone, weights, size)
    leaves = len(card.taxonomy.leaves)
    mean, std = card.preprocessing.mean, card.preprocessing.std
    return Classifier(backbone, size, leaves, card.architecture.dropout, mean, std).to(
        memory_format=torch.channels_last
    )


def pack(card: ModelCard, state: Mapping[str, Tensor]) -> Bundle:
    """Make a bundle of a state dict; its modelId is derived here."""
    weights = save({k: v.detach().cpu().contiguous() for k, v in state.items()})
    return Bundle(card.model_copy(update={"model_id": model_id(card, weights)}), weights)


def restore(bundle: Bundle) -> Classifier:
    """Build a bundle's model in eval mode. Raises InputError when the weights do not fit the card."""
    model = new_classifier(bundle.card, weights="none")
    try:
        model.load_state_dict(load(bundle.weights))
    except (RuntimeError, SafetensorError) as error:
        raise InputError(f"--model: the bundle's weights do not fit its card: {first_line(error)}") from error
    return model.eval().requires_grad_(False)
