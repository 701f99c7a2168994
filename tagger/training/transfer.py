"""Batches on their way to the device, through pinned memory that is used again and again."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tagger.flow.prefetch import prefetched

_IN_FLIGHT = 4
"""Batches of `prefetched` that exist at a time: one that is stored, one in the queue, one that is sent, and the one
before it. So when a buffer is stored again, the copy of its last batch has been ordered."""


@dataclass(frozen=True)
class Stored:
    """A batch in a ring's buffers."""

    turn: int
    parts: tuple[Tensor, ...]


class BufferRing:
    """Buffers in host memory for a few batches in turn, so that memory is pinned once rather than for every batch.

    Args:
        pin: Whether to pin the memory, which needs CUDA.
    """

    def __init__(self, pin: bool) -> None:
        self._pin = pin
        self._slots: list[dict[int, Tensor]] = [{} for _ in range(_IN_FLIGHT)]
        self._copied: list[Any] = [None] * _IN_FLIGHT
        self._turn = 0

    def store(self, parts: tuple[Tensor, ...]) -> "Stored":
        """Copy the tensors of a batch to the next buffers, once these have been copied to the device."""
        self._turn = (self._turn + 1) % _IN_FLIGHT
        if self._copied[self._turn] is not None:
            self._copied[self._turn].synchronize()
        buffers = (self._buffer(self._turn, number, part).copy_(part) for number, part in enumerate(parts))
        return Stored(self._turn, tuple(buffers))

    def send(self, stored: "Stored", device: torch.device) -> tuple[Tensor, ...]:
        """Order the copy of a batch to the device."""
        on_device = tuple(part.to(device, non_blocking=True, copy=True) for part in stored.parts)
        if self._pin:
            self._copied[stored.turn] = torch.cuda.current_stream(device).record_event()
        return on_device

    def _buffer(self, turn: int, number: int, part: Tensor) -> Tensor:
        """A buffer with the shape and type of a tensor; the last batch of an epoch may be a smaller one."""
        buffer = self._slots[turn].get(number)
        if buffer is None or buffer.dtype != part.dtype or buffer.numel() < part.numel():
            buffer = torch.empty(part.numel(), dtype=part.dtype, pin_memory=self._pin)
            self._slots[turn][number] = buffer
        return buffer[: part.numel()].view(part.shape)


def on_device(
    batches: Iterator[tuple[Tensor, Tensor]], device: torch.device, ring: BufferRing | None
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Read batches ahead in a thread, and yield them on the device with the seconds of waiting for each.

    Args:
        batches: Images or embeddings, and leaves, in host memory.
        device: Where they go.
        ring: Buffers between the two; None moves the batches themselves.
    """
    stored = (ring.store(batch) if ring else Stored(0, batch) for batch in batches)
    started = time.perf_counter()
    for batch in prefetched(stored):
        images, leaves = ring.send(batch, device) if ring else (part.to(device) for part in batch.parts)
        yield images, leaves, time.perf_counter() - started
        started = time.perf_counter()
