"""What the two plain scripts have in common: their arguments, the usual transforms, and the model as PyTorch has it."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms

from tagger.models.bundle import Bundle
from tagger.models.classifier import restore
from tagger.storage import Location


@dataclass(frozen=True)
class Arguments:
    """What a plain script is called with."""

    files: list[Path]
    model: str
    workers: int
    batch_size: int

    @property
    def bundle(self) -> Bundle:
        """The model."""
        return Bundle.load(Location(self.model))


def arguments() -> Arguments:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--limit", type=int, required=True)
    found = parser.parse_args()
    files = sorted(found.images.iterdir())[: found.limit]
    return Arguments(files, found.model, found.workers, found.batch_size)


def transform_of(bundle: Bundle) -> Callable[[Image.Image], torch.Tensor]:
    """Resize, to a tensor float32 [3, H, W], normalise."""
    size = bundle.card.preprocessing
    steps = [
        transforms.Resize((size.height, size.width)),
        transforms.ToTensor(),
        transforms.Normalize(size.mean, size.std),
    ]
    found: Callable[[Image.Image], torch.Tensor] = transforms.Compose(steps)
    return found


class PlainModel(torch.nn.Module):
    """The bundle's network as PyTorch has it by default, for normalised images float32 [B, 3, H, W]."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self.classifier = restore(bundle).to(memory_format=torch.contiguous_format)
        self.mirrored = bundle.card.inference.flip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [B, L]."""
        logits = self._logits(images)
        return (logits + self._logits(images.flip(3))) / 2 if self.mirrored else logits

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.classifier.head(self.classifier.backbone(images).flatten(1))
        return found
