"""Code of both plain scripts: their arguments, the usual transforms, and the model in plain PyTorch."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms

from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.models.classifier import restore, restore_members


@dataclass(frozen=True)
class Arguments:
    """Arguments of a plain script."""

    files: list[Path]
    model: str
    workers: int
    batch_size: int

    @property
    def bundle(self) -> Bundle:
        """The loaded bundle."""
        return Bundle.load(Location(self.model))


def arguments() -> Arguments:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--limit", type=int, required=True)
    parsed = parser.parse_args()
    files = sorted(parsed.images.iterdir())[: parsed.limit]
    return Arguments(files, parsed.model, parsed.workers, parsed.batch_size)


def transform_of(bundle: Bundle) -> Callable[[Image.Image], torch.Tensor]:
    """Resize, to a tensor float32 [3, H, W], normalise."""
    size = bundle.card.preprocessing
    steps = [
        transforms.Resize((size.height, size.width)),
        transforms.ToTensor(),
        transforms.Normalize(size.mean, size.std),
    ]
    transform: Callable[[Image.Image], torch.Tensor] = transforms.Compose(steps)
    return transform


class PlainModel(torch.nn.Module):
    """The bundle's networks in plain PyTorch, for normalised images float32 [B, 3, H, W]."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        card = bundle.card
        classifiers = restore_members(bundle) if card.members else [restore(bundle)]
        self.networks = torch.nn.ModuleList(c.to(memory_format=torch.contiguous_format) for c in classifiers)
        self.mirrored = [m.inference.flip for m in card.members] or [card.inference.flip]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean logits [B, L]."""
        logits = []
        for network, mirrored in zip(self.networks, self.mirrored, strict=True):
            sides = [images, images.flip(3)] if mirrored else [images]
            logits += [network.get_submodule("head")(network.get_submodule("backbone")(i).flatten(1)) for i in sides]
        return torch.stack(logits).mean(0)
