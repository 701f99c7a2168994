"""Running a classifier over any number of images, behind one signature."""

from typing import Protocol

import numpy as np
import torch

from tagger.models.classifier import Classifier


def engine_name(device: str) -> str:
    """What `run.json` calls the engine of a device."""
    return "torch-cuda-bfloat16" if device == "cuda" else "torch-cpu-float32"


class Engine(Protocol):
    """Maps uint8 images [N, H, W, 3] to leaf logits and embeddings."""

    name: str

    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float32 [N, D]."""
        ...


class TorchEngine:
    """PyTorch, on a GPU in bfloat16 or on a CPU in float32.

    Every pass has the same batch size, the last one padded with black images: a prediction then does not depend on
    which other images it was made with. Nor, for the same reason, on the machine: a CPU works with one thread, because
    several may add in another order, and processes are the parallelism of the jobs.
    """

    def __init__(self, classifier: Classifier, device: str, batch_size: int, flip: bool) -> None:
        self._device = torch.device(device)
        self._classifier = classifier.to(self._device).eval()
        self._batch_size = batch_size
        self._flip = flip
        self._half = self._device.type == "cuda"
        self.name = engine_name(self._device.type)

    @torch.inference_mode()
    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float32 [N, D]."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self._run(images)
        finally:
            torch.set_num_threads(threads)

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, embeddings = [], []
        for start in range(0, len(images), self._batch_size):
            batch = images[start : start + self._batch_size]
            found = self._pass(_padded(batch, self._batch_size))
            logits.append(found[0][: len(batch)])
            embeddings.append(found[1][: len(batch)])
        return np.concatenate(logits), np.concatenate(embeddings)

    def _pass(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = torch.from_numpy(batch).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            logits, embedding = self._classifier(images)
            if self._flip:
                mirrored, other = self._classifier(images.flip(2))
                logits, embedding = (logits + mirrored) / 2, (embedding + other) / 2
        return logits.float().cpu().numpy(), embedding.float().cpu().numpy()


def _padded(batch: np.ndarray, size: int) -> np.ndarray:
    if len(batch) == size:
        return np.ascontiguousarray(batch)
    padded = np.zeros((size, *batch.shape[1:]), np.uint8)
    padded[: len(batch)] = batch
    return padded


def pick_device(wanted: str) -> str:
    """Return `cuda` or `cpu`; `auto` takes a GPU where this process has one."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
