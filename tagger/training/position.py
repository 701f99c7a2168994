"""A place within an epoch: what a worker needs to go on there as if it had not stopped."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Tally:
    """Sums of one worker over an epoch's steps, on its device, so that no step waits for a copy."""

    sums: Tensor
    """Loss times items, hits and items, float64 [3]."""
    waited_s: float = 0.0

    def means(self) -> tuple[float, float]:
        """Mean loss and accuracy so far."""
        loss, hits, items = self.sums.tolist()
        return loss / max(1.0, items), hits / max(1.0, items)


@dataclass(frozen=True)
class Position:
    """One worker's random state and sums after some steps of an epoch."""

    random: Tensor
    """State of PyTorch's generator of the CPU."""
    random_of_device: Tensor | None
    """That of its CUDA device, if it has one."""
    sums: Tensor
    """See `Tally`."""
    waited_s: float
    """See `Tally`."""
    seconds: float
    """Time of training in this epoch."""

    @classmethod
    def now(cls, device: torch.device, sums: Tensor, waited_s: float, seconds: float) -> "Position":
        """The position of this process."""
        of_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls(torch.get_rng_state(), of_device, sums.cpu(), waited_s, seconds)

    @classmethod
    def load(cls, folder: Path, rank: int) -> "Position | None":
        """The position of a worker in a checkpoint; None without one."""
        file = _file(folder, rank)
        return cls(**torch.load(file, map_location="cpu", weights_only=True)) if file.exists() else None

    def save(self, folder: Path, rank: int) -> None:
        """Write the position of a worker to a checkpoint's folder."""
        torch.save(asdict(self), _file(folder, rank))

    def restore_random(self, device: torch.device) -> None:
        """Go on with the random numbers from here."""
        torch.set_rng_state(self.random)
        if self.random_of_device is not None and device.type == "cuda":
            torch.cuda.set_rng_state(self.random_of_device, device)


def seed_random(numbers: Sequence[int]) -> None:
    """Seed PyTorch's generators by several numbers."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def _file(folder: Path, rank: int) -> Path:
    return folder / f"position-{rank}.pt"
