"""PyTorch as an engine: compiled, in half precision, on a GPU; eager, in float32, on a CPU."""

import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tagger.engines.base import Engine, as_batches
from tagger.io.location import first_line
from tagger.machine import usable_cores
from tagger.models.bundle import Bundle
from tagger.models.classifier import Classifier, restore, restore_members

_LOG = logging.getLogger(__name__)
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
    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float32 [N, D]."""
        with self._threads():
            batches = as_batches(images, self._batch_size)
            outputs = [(self._model(torch.from_numpy(np.require(batch, None, "W"))), n) for batch, n in batches]
        return _joined([(logits[:n].numpy(), embeddings[:n].numpy()) for (logits, embeddings), n in outputs])

    @contextmanager
    def _threads(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(min(before, usable_cores()) if self._all_threads else 1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


class CudaEngine:
    """Half precision on a GPU: channels_last, compiled for one batch size.

    Any number of threads may call it, and two keep the GPU busy: while the batch of one is computed, that of the other
    is copied from pinned memory. Without a C compiler, or for a model that cannot be compiled, it runs eagerly and logs
    a warning.
    """

    def __init__(self, model: nn.Module, name: str, batch_size: int, precision: torch.dtype) -> None:
        self.name = name
        self._precision = precision
        self._batch_size = batch_size
        self._eager = model.to("cuda").to(memory_format=torch.channels_last)
        self._compiled: Any = None
        self._compile_lock = threading.Lock()
        self._thread_local = threading.local()

    @torch.inference_mode()
    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float32 [N, D]."""
        batches = as_batches(images, self._batch_size)
        model = self._model(batches[0][0])
        thread_stream = self._thread_stream()
        with torch.cuda.stream(thread_stream.stream), torch.autocast("cuda", self._precision, self._is_half):
            outputs = [(model(thread_stream.upload(batch)), size) for batch, size in batches]
            parts = [(logits[:n].float().cpu(), embeddings[:n].float().cpu()) for (logits, embeddings), n in outputs]
        return _joined([(logits.numpy(), embeddings.numpy()) for logits, embeddings in parts])

    @property
    def is_compiled(self) -> bool:
        """Whether the model was compiled; known once it has run."""
        return self._compiled is not None and self._compiled is not self._eager

    @property
    def _is_half(self) -> bool:
        return self._precision != torch.float32

    def _thread_stream(self) -> "_ThreadStream":
        """This thread's stream and buffers."""
        if not hasattr(self._thread_local, "stream"):
            self._thread_local.stream = _ThreadStream()
        thread_stream: _ThreadStream = self._thread_local.stream
        return thread_stream

    def _model(self, batch: np.ndarray) -> Any:
        with self._compile_lock:
            if self._compiled is None:
                self._compiled = self._compile(torch.from_numpy(batch).to("cuda"))
            return self._compiled

    def _compile(self, pixels: Tensor) -> Any:
        try:
            compiled = torch.compile(self._eager, dynamic=False)
            with torch.autocast("cuda", self._precision, self._is_half):
                compiled(pixels)
            torch.cuda.synchronize()
        except Exception as error:  # noqa: BLE001 - inductor raises what the compiler below it raises
            _LOG.warning("%s runs without compilation, slower: %s", self.name, first_line(error))
            return self._eager
        return compiled


class _ThreadStream:
    """One thread's CUDA stream, and two pinned buffers that are used in turn."""

    def __init__(self) -> None:
        self.stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._buffers: list[tuple[Tensor, Any]] = []
        self._turn = 0

    def upload(self, batch: np.ndarray) -> Tensor:
        """Copy a batch to the device, asynchronously in the stream; a buffer is reused when its last copy is done."""
        if len(self._buffers) < 2:
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._buffers.append((torch.empty(batch.shape, dtype=torch.uint8, pin_memory=True), event))
        self._turn += 1
        buffer, copied = self._buffers[self._turn % len(self._buffers)]
        copied.synchronize()
        buffer.numpy()[...] = batch
        pixels = buffer.to("cuda", non_blocking=True)
        copied.record()
        return pixels


def _joined(batches: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    logits, embeddings = (list(column) for column in zip(*batches, strict=True))
    return np.concatenate(logits), np.concatenate(embeddings)
