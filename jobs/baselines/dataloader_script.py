"""The plain script: a PyTorch DataLoader, Pillow, and an eager float32 model; prints seconds and images as JSON."""

import argparse
import json
import time
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from tagger.models.bundle import Bundle
from tagger.models.classifier import restore
from tagger.storage import Location


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


class ImageFolder(Dataset[torch.Tensor]):
    """Images of a folder, resized and normalised one by one."""

    def __init__(self, files: list[Path], bundle: Bundle) -> None:
        size = bundle.card.preprocessing
        self._files = files
        self._transform = transforms.Compose(
            [
                transforms.Resize((size.height, size.width)),
                transforms.ToTensor(),
                transforms.Normalize(size.mean, size.std),
            ]
        )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = Image.open(self._files[index]).convert("RGB")
        found: torch.Tensor = self._transform(image)
        return found


def main() -> None:
    """Predict all images of a folder and time it, from the first image on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--limit", type=int, required=True)
    arguments = parser.parse_args()

    bundle = Bundle.load(Location(arguments.model))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = PlainModel(bundle).eval().to(device)
    files = sorted(arguments.images.iterdir())[: arguments.limit]
    loader = DataLoader(ImageFolder(files, bundle), batch_size=arguments.batch_size, num_workers=arguments.workers)
    labels: list[int] = []
    started = time.perf_counter()
    with torch.no_grad():
        for batch in loader:
            labels += model(batch.to(device)).argmax(dim=1).tolist()
    print(json.dumps({"images": len(labels), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
