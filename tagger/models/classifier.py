"""A backbone with a head over the leaves, and its conversion from a bundle and to one."""

from collections.abc import Mapping, Sequence

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from tagger.errors import InputError
from tagger.io.location import first_line
from tagger.models import backbones
from tagger.models.backbones import EdgeBranch, embedding_dim
from tagger.models.bundle import Bundle
from tagger.schemas.documents.bundle import Architecture, ModelCard

_FULL = 1 / 255


class Classifier(nn.Module):
    """Maps uint8 images [B, H, W, C] to leaf logits [B, L] and embeddings [B, D], in one pass.

    A fourth channel holds edges. It goes into the backbone with the others, or into a separate branch.

    Images are normalised here, so that only bytes are copied to the device. The permuted view of [B, H, W, 3] is
    PyTorch's channels_last layout already.
    """

    scale: Tensor
    offset: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        image_size: tuple[int, int],
        leaves: int,
        architecture: Architecture,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.edges = EdgeBranch() if architecture.edges == "branch" else None
        self._channels = 4 if architecture.edges == "channel" else 3
        backbone_dim = embedding_dim(backbone, image_size, self._channels)
        self.embedding_dim = backbone_dim + (self.edges.embedding_dim if self.edges else 0)
        self.head = new_head(architecture, self.embedding_dim, leaves)
        self.register_buffer("scale", 1 / (255 * torch.tensor(std).view(1, 3, 1, 1)), persistent=False)
        self.register_buffer("offset", -(torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1), persistent=False)

    @property
    def head_and_edges(self) -> nn.Module:
        """The modules that start from random weights and learn at the head's rate: the head, and the edge branch."""
        return self.head if self.edges is None else nn.ModuleList([self.head, self.edges])

    def embed(self, images: Tensor) -> Tensor:
        """Return embeddings [B, D]."""
        planes = images.permute(0, 3, 1, 2)
        normalised = planes[:, :3] * self.scale + self.offset
        if self._channels > 3:
            normalised = torch.cat([normalised, planes[:, 3:] * _FULL], dim=1)
        embedding: Tensor = self.backbone(normalised)
        embedding = embedding.flatten(1) if embedding.ndim > 2 else embedding
        if self.edges is None:
            return embedding
        return torch.cat([embedding, self.edges(planes[:, 3:] * _FULL)], dim=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return leaf logits [B, L] and embeddings [B, D], both float32."""
        embedding = self.embed(images)
        return self.head(embedding).float(), embedding.float()


def new_head(architecture: Architecture, inputs: int, leaves: int) -> nn.Sequential:
    """Build a head from embeddings [B, inputs] to logits [B, leaves]: dropout or hidden layers, then a linear layer."""
    layers: list[nn.Module] = []
    for units in architecture.hidden:
        layers.append(nn.Linear(inputs, units))
        if architecture.head == "batchnorm":
            layers.append(nn.BatchNorm1d(units))
        layers += [nn.ReLU(inplace=True), nn.Dropout(architecture.dropout)]
        inputs = units
    if not architecture.hidden:
        layers.append(nn.Dropout(architecture.dropout))
    return nn.Sequential(*layers, nn.Linear(inputs, leaves))


def new_classifier(card: ModelCard, weights: str) -> Classifier:
    """Build the classifier that a card describes; `weights` are the backbone's, as in `backbones.build`."""
    size = (card.preprocessing.height, card.preprocessing.width)
    backbone = backbones.build(card.architecture.backbone, weights, size)
    if card.architecture.edges == "channel":
        backbones.add_input_channel(backbone)
    leaves = len(card.taxonomy.leaves)
    mean, std = card.preprocessing.mean, card.preprocessing.std
    return Classifier(backbone, size, leaves, card.architecture, mean, std).to(memory_format=torch.channels_last)


def pack(card: ModelCard, state: Mapping[str, Tensor]) -> Bundle:
    """Make a bundle of a state dict. Its modelId is derived here; a policy for other weights is dropped."""
    return Bundle.identified(card, save({k: v.detach().cpu().contiguous() for k, v in state.items()}))


def restore(bundle: Bundle) -> Classifier:
    """Build a bundle's model in eval mode. Raises InputError when the weights do not fit the card."""
    return _restored(bundle.card, _weights_of(bundle))


def restore_members(bundle: Bundle) -> list[Classifier]:
    """Build the models whose predictions a bundle averages, in eval mode. Errors are those of `restore`."""
    weights = _weights_of(bundle)
    classifiers = []
    for n, member in enumerate(bundle.card.members):
        card = bundle.card.model_copy(update={"architecture": member.architecture})
        prefix = f"{n}."
        member_weights = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
        classifiers.append(_restored(card, member_weights))
    return classifiers


def _weights_of(bundle: Bundle) -> dict[str, Tensor]:
    try:
        return load(bundle.weights)
    except SafetensorError as error:
        raise _misfit(error) from error


def _restored(card: ModelCard, weights: Mapping[str, Tensor]) -> Classifier:
    model = new_classifier(card, weights="none")
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise _misfit(error) from error
    return model.eval().requires_grad_(False)


def _misfit(error: Exception) -> InputError:
    return InputError(f"--model: the bundle's weights do not fit its card: {first_line(error)}")
