"""PyTorch on a GPU: compiled, in half precision, in batches that overlap.

What only a GPU has (streams, events, pinned memory) is used where the device is one: on a CPU, the engine does all else
the same way, so that it can be tried without a GPU.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tagger.engines.base import as_batches
from tagger.io.caches import cache_folder
from tagger.io.location import first_line

_LOG = logging.getLogger(__name__)
_SMALLEST_BATCH = 64
_ON_GPU = "cuda"
_CACHE = "TORCHINDUCTOR_CACHE_DIR"

Answer = tuple[np.ndarray, np.ndarray]
"""Leaf logits float32 [N, L] and embeddings float16 [N, D]; [N, 0] where they are not wanted."""
Compute = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From images on the device, uint8 [B, H, W, C], to leaf logits [B, L] and embeddings [B, D] there."""


class CudaEngine:
    """A model on a GPU: channels_last, compiled for one batch size.

    Any number of threads may call it, and two keep the GPU busy: while the batch of one is computed, that of the other
    is copied from pinned memory. Without a C compiler, or for a model that cannot be compiled, it runs eagerly and logs
    a warning. When the memory of the GPU does not suffice, batches are halved, down to 64 images; then the last digits
    may differ from those of larger batches.

    Args:
        model: From uint8 images [B, H, W, C] to leaf logits [B, L] and embeddings [B, D].
        name: The engine's.
        batch_size: Images per pass.
        precision: What most of it is computed in.
        device: `cuda`; `cpu` to try it without a GPU.
    """

    def __init__(
        self, model: nn.Module, name: str, batch_size: int, precision: torch.dtype, device: str = _ON_GPU
    ) -> None:
        self.name = name
        self.batch_size = batch_size
        """Images per pass; smaller than at first where memory did not suffice."""
        self._precision = precision
        self._device = device
        self._eager: Any = model.to(device).to(memory_format=torch.channels_last)
        self._compiled: Any = None
        self._lock = threading.Lock()
        self._thread = threading.local()
        if precision == torch.float32:
            compute_in_full_float32()

    @torch.inference_mode()
    def run(self, images: np.ndarray, embeddings: bool = True) -> Answer:
        """Return leaf logits float32 [N, L] and embeddings float16 [N, D], or [N, 0] where they are not wanted.

        Raises:
            torch.OutOfMemoryError: when not even 64 images fit into the memory of the GPU.
        """
        while True:
            size = self.batch_size
            try:
                return self._run(images, size, embeddings)
            except torch.OutOfMemoryError:
                if size <= _SMALLEST_BATCH:
                    raise
            self._thread.lane = None  # its buffers, and what was in flight
            self._halve(size)

    @property
    def is_compiled(self) -> bool:
        """Whether the model was compiled; known once it has run."""
        return self._compiled is not None and self._compiled is not self._eager

    def _run(self, images: np.ndarray, size: int, embeddings: bool) -> Answer:
        lane = self._lane()
        answers: list[Answer] = []
        with lane.stream(), torch.autocast(self._device, self._precision, self._precision != torch.float32):
            for batch, count in as_batches(images, size):
                answers += lane.submit(batch, count, self._compute, embeddings)
            answers += lane.finish()
        logits, vectors = (list(column) for column in zip(*answers, strict=True))
        return np.concatenate(logits), np.concatenate(vectors)

    def _compute(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Run the model; a thread's first batch of a size holds the lock, as it may compile.

        PyTorch's compiler is not thread-safe, and its guards look at the state of the thread.
        """
        ready: set[int] = self._thread.__dict__.setdefault("ready", set())
        if len(pixels) not in ready:
            with self._lock:
                if self._compiled is None:
                    self._compiled = self._compile(pixels)
                self._compiled(pixels)
                if self._device == _ON_GPU:
                    torch.cuda.synchronize()
            ready.add(len(pixels))
        outputs: tuple[Tensor, Tensor] = self._compiled(pixels)
        return outputs

    def _compile(self, pixels: Tensor) -> Any:
        """The compiled model, or the model itself where that fails."""
        _keep_what_is_compiled()
        try:
            compiled: Any = torch.compile(self._eager, dynamic=False)
            compiled(pixels)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - inductor raises what the compiler below it raises
            _LOG.warning("%s runs without compilation, slower: %s", self.name, first_line(error))
            return self._eager
        return compiled

    def _halve(self, size: int) -> None:
        """Take smaller batches than `size` from now on, unless another thread has seen to it."""
        with self._lock:
            if self.batch_size == size:
                self.batch_size = max(_SMALLEST_BATCH, size // 2)
                _LOG.warning(
                    "%s: the memory of the GPU does not suffice for %d images at once; it goes on with %d",
                    self.name, size, self.batch_size,
                )  # fmt: skip
        if self._device == _ON_GPU:
            torch.cuda.empty_cache()

    def _lane(self) -> "_Lane":
        """This thread's stream and buffers."""
        lane: _Lane | None = getattr(self._thread, "lane", None)
        if lane is None:
            lane = self._thread.lane = _Lane(self._device)
        return lane


def compute_in_full_float32() -> None:
    """Let this process compute float32 as float32 on a GPU, not in TF32, which has 10 bits of 23.

    PyTorch takes TF32 for convolutions by default. Float32 is what other engines are compared with.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def _keep_what_is_compiled() -> None:
    """Keep what is compiled in the user's cache folder, so that other processes of the node need not compile it again.

    By default PyTorch keeps it in the folder for temporary files, which some processes have for themselves.
    """
    folder = cache_folder() / "compiled"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            os.environ.setdefault(_CACHE, str(folder))


class _Lane:
    """One thread's CUDA stream, and two slots that are used in turn: one is copied while the other is computed."""

    def __init__(self, device: str) -> None:
        self._stream: Any = torch.cuda.Stream() if device == _ON_GPU else None  # type: ignore[no-untyped-call]
        self._slots = (_Slot(device), _Slot(device))
        self._turn = 0

    def stream(self) -> AbstractContextManager[Any]:
        """The context in which batches are submitted."""
        return torch.cuda.stream(self._stream) if self._stream else nullcontext()

    def submit(self, batch: np.ndarray, count: int, compute: Compute, embeddings: bool) -> list[Answer]:
        """Start a batch uint8 [B, H, W, C], of which `count` images count; return the answer of the last but one."""
        slot = self._slots[self._turn % 2]
        self._turn += 1
        answers = slot.take()
        slot.start(batch, count, compute, embeddings)
        return answers

    def finish(self) -> list[Answer]:
        """The answers that are still on their way, in order."""
        return [answer for n in (0, 1) for answer in self._slots[(self._turn + n) % 2].take()]


class _Slot:
    """Pinned memory for a batch and its outputs, which is used again and again."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._done: Any = torch.cuda.Event() if device == _ON_GPU else None  # type: ignore[no-untyped-call]
        self._buffers: dict[str, Tensor] = {}
        self._count = 0
        self._outputs: tuple[str, ...] = ()

    def start(self, batch: np.ndarray, count: int, compute: Compute, embeddings: bool) -> None:
        """Copy a batch to the device, compute, and copy the outputs back; on a GPU nothing here waits."""
        images = self._buffer("images", torch.uint8, batch.shape)
        images.numpy()[...] = batch
        logits, vectors = compute(images.to(self._device, non_blocking=True))
        outputs = {"logits": logits.float()} | ({"embeddings": vectors.half()} if embeddings else {})
        for name, output in outputs.items():
            self._buffer(name, output.dtype, tuple(output.shape)).copy_(output, non_blocking=True)
        if self._done:
            self._done.record()
        self._outputs, self._count = tuple(outputs), count

    def take(self) -> list[Answer]:
        """Wait for the outputs; none if the slot is free."""
        if not self._count:
            return []
        if self._done:
            self._done.synchronize()
        arrays = {name: self._buffers[name].numpy()[: self._count].copy() for name in self._outputs}
        nothing = np.zeros((self._count, 0), np.float16)
        self._count = 0
        return [(arrays["logits"], arrays.get("embeddings", nothing))]

    def _buffer(self, name: str, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
        buffer = self._buffers.get(name)
        if buffer is None or tuple(buffer.shape) != shape:
            buffer = self._buffers[name] = torch.empty(shape, dtype=dtype, pin_memory=self._device == _ON_GPU)
        return buffer
