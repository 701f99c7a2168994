"""PyTorch as an engine: the module that it runs, and eager float32 on a CPU; `cuda` runs it on a GPU."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tagger.engines.base import Engine, as_batches
from tagger.machine import usable_cores
from tagger.models.bundle import Bundle
from tagger.models.classifier import Classifier, restore, restore_members

_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


class Mirrored(nn.Module):
    """A classifier that averages the outputs for an image and its mirror image, in one pass."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return leaf logits [B, L] and embeddings [B, D] of uint8 images [B, H, W, 3]."""
        logits, embeddings = self.classifier(torch.cat([images, images.flip(2)]))
        half = images.shape[0]
        return (logits[:half] + logits[half:]) / 2, (embeddings[:half] + embeddings[half:]) / 2


class Ensemble(nn.Module):
    """Several networks whose calibrated probabilities are averaged (Lakshminarayanan et al. 2017, arXiv:1612.01474)."""

    def __init__(self, members: Sequence[nn.Module], temperatures: Sequence[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._temperatures = tuple(temperatures)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [B, L], the logarithms of the mean probabilities, and all embeddings side by side [B, ΣD]."""
        outputs = [member(images) for member in self.members]
        each = [(logits / t).log_softmax(1) for (logits, _), t in zip(outputs, self._temperatures, strict=True)]
        mean = torch.stack(each).logsumexp(0) - math.log(len(each))
        return mean, torch.cat([embeddings for _, embeddings in outputs], dim=1)


def build_module(bundle: Bundle) -> nn.Module:
    """Build the module that an engine runs: the bundle's classifiers, with the mirror image where `flip` is set."""
    card = bundle.card
    if not card.members:
        return _mirrored(restore(bundle), card.inference.flip)
    members = zip(restore_members(bundle), card.members, strict=True)
    parts = [_mirrored(classifier, member.inference.flip) for classifier, member in members]
    return Ensemble(parts, [member.temperature for member in card.members]).eval()


def _mirrored(classifier: Classifier, flip: bool) -> nn.Module:
    return Mirrored(classifier).eval() if flip else classifier


@dataclass(frozen=True)
class PreparedTorch:
    """A bundle for PyTorch."""

    bundle: Bundle
    device: str
    precision: str
    batch_size: int
    all_threads: bool = False
    """Use all CPU threads that the process may use: quicker, but the last digits may differ."""

    @property
    def name(self) -> str:
        """The engine's name."""
        return f"torch-{self.device}-{self.precision}"

    def start(self) -> Engine:
        """Build the model in this process, and on a GPU compile it."""
        model = build_module(self.bundle)
        if self.device == "cpu":
            return CpuEngine(model, self.name, self.batch_size, self.all_threads)
        from tagger.engines.cuda import CudaEngine

        return CudaEngine(model, self.name, self.batch_size, _TYPES[self.precision])


class CpuEngine:
    """Eager float32 on a CPU.

    It uses one thread: several threads may add in another order, and a prediction must not depend on the machine. Jobs
    run in parallel by processes.
    """

    def __init__(self, model: nn.Module, name: str, batch_size: int, all_threads: bool) -> None:
        self.name = name
        self._model = model
        self._batch_size = batch_size
        self._all_threads = all_threads

    @torch.inference_mode()
    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float32 [N, D], or [N, 0] where they are not wanted."""
        with self._threads():
            batches = as_batches(images, self._batch_size)
            outputs = [(self._model(torch.from_numpy(np.require(batch, None, "W"))), n) for batch, n in batches]
        logits = np.concatenate([each[:n].numpy() for (each, _), n in outputs])
        if not embeddings:
            return logits, np.zeros((len(logits), 0), np.float32)
        return logits, np.concatenate([each[:n].numpy() for (_, each), n in outputs])

    @contextmanager
    def _threads(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(min(before, usable_cores()) if self._all_threads else 1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
