"""The plain script: a PyTorch DataLoader, Pillow, and an eager float32 model; prints seconds and images as JSON."""

import json
import time
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from tagger.jobs.benchmark.plain import PlainModel, arguments, transform_of
from tagger.models.bundle import Bundle


class ImageFolder(Dataset[torch.Tensor]):
    """Images of a folder, resized and normalised one by one."""

    def __init__(self, files: list[Path], bundle: Bundle) -> None:
        self._files = files
        self._transform = transform_of(bundle)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._transform(Image.open(self._files[index]).convert("RGB"))


def main() -> None:
    """Predict all images of a folder, and measure the time from the first image on."""
    options = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = PlainModel(options.bundle).eval().to(device)
    images = ImageFolder(options.files, options.bundle)
    loader = DataLoader(images, batch_size=options.batch_size, num_workers=options.workers)
    labels: list[int] = []
    started = time.perf_counter()
    with torch.no_grad():
        for batch in loader:
            labels += model(batch.to(device)).argmax(dim=1).tolist()
    print(json.dumps({"images": len(labels), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
