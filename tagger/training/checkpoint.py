"""What a training needs to go on: weights, place in the schedule, and what happened so far."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

_WEIGHTS, _STATE = "model.safetensors", "state.pt"


@dataclass
class TrainingState:
    """Where a training is."""

    epoch: int = 0
    bad_epochs: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def diverged(self) -> bool:
        """Whether the last val loss is no number."""
        return bool(self.history) and not math.isfinite(self.history[-1]["val_loss"])


def save_checkpoint(
    folder: Path, model: nn.Module, state: TrainingState, optimiser: Optimizer, schedule: LRScheduler
) -> None:
    """Write weights (safetensors) and the rest (tensors and numbers only) to a folder."""
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / _WEIGHTS)
    rest = {"optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(), "state": json.dumps(asdict(state))}
    torch.save(rest, folder / _STATE)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint."""
    return load_file(folder / _WEIGHTS)


def load_state(folder: Path) -> tuple[dict[str, Any], TrainingState]:
    """State dicts of optimiser and schedule by name, and where the training was."""
    found = torch.load(folder / _STATE, map_location="cpu", weights_only=True)
    return found, TrainingState(**json.loads(found["state"]))
