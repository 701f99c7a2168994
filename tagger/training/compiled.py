"""The compiled form of the model that is trained, and the same model as it is where that fails."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tagger.io.location import first_line

_LOG = logging.getLogger(__name__)


class CompiledModel:
    """Calls a model in the form that PyTorch compiles for each size of batch and image.

    The first batch of a size runs forward and backward once before it is used, so that compilation fails here rather
    than within a step; batch statistics, gradients and random numbers are as before afterwards. Without a C compiler,
    or for a model that cannot be compiled, the model runs eagerly, and a warning is logged.

    Args:
        model: Returns logits [B, L] first of several outputs; workers may share its gradients.
        backend: Of `torch.compile`.
    """

    def __init__(self, model: nn.Module, backend: str | Callable[..., Any] = "inductor") -> None:
        self._model = model
        self._compiled: Any = torch.compile(model, dynamic=False, backend=backend)
        self._shapes: set[tuple[int, ...]] = set()
        self.is_compiled = True

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return what the model returns."""
        if self.is_compiled and self._model.training and images.shape not in self._shapes:
            self._try(images)
            self._shapes.add(tuple(images.shape))
        outputs: tuple[Tensor, ...] = (self._compiled if self.is_compiled else self._model)(images)
        return outputs

    def _try(self, images: Tensor) -> None:
        with _unchanged(self._model, images.device):
            try:
                self._compiled(images)[0].float().sum().backward()
            except Exception as error:  # noqa: BLE001 - inductor raises what the compiler below it raises
                _LOG.warning("the model is trained without compilation, slower: %s", first_line(error))
                self.is_compiled = False
                self._model(images)[0].float().sum().backward()  # the other workers wait for these gradients


@contextmanager
def _unchanged(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Restore batch statistics and random numbers at the end, and drop the gradients."""
    gradients = [parameter.grad for parameter in model.parameters()]
    buffers = [buffer.clone() for buffer in model.buffers()]
    for parameter in model.parameters():
        parameter.grad = None
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(model.buffers(), buffers, strict=True):
                buffer.copy_(before)
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient
