"""Checkpoints of a training: weights, optimiser and schedule, and history."""

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

from tagger.schemas.configs.learning import Monitor

_WEIGHTS, _AVERAGE, _STATE = "model.safetensors", "average.safetensors", "state.pt"


@dataclass
class TrainingState:
    """State of a training."""

    epoch: int = 0
    bad_epochs: int = 0
    best_score: float = float("-inf")
    history: list[dict[str, float]] = field(default_factory=list)
    step: int = 0
    """Steps of the current epoch that are done."""
    steps: int = 0
    """Steps per epoch of the workers that got here; 0 in checkpoints of earlier versions."""
    workers: int = 0
    """Number of these workers; 0 in checkpoints of earlier versions."""

    def add(self, metrics: dict[str, float], monitor: Monitor) -> None:
        """Add an epoch: its metrics, and its score (higher is better)."""
        score = -metrics["val_loss"] if monitor == "loss" else metrics[f"val_{monitor}"]
        self.bad_epochs = 0 if score > self.best_score else self.bad_epochs + 1
        self.best_score = max(score, self.best_score)
        self.history.append({**metrics, "score": score})
        self.epoch += 1
        self.step = 0

    @property
    def diverged(self) -> bool:
        """Whether the last val loss is not finite."""
        return bool(self.history) and not math.isfinite(self.history[-1]["val_loss"])


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    average: nn.Module | None,
    state: TrainingState,
    optimiser: Optimizer,
    schedule: LRScheduler,
) -> None:
    """Write weights and their average (safetensors) and the state (tensors and numbers only) to a folder."""
    for name, module in ((_WEIGHTS, model), (_AVERAGE, average)):
        if module is not None:
            save_file({k: v.contiguous() for k, v in module.state_dict().items()}, folder / name)
    rest = {"optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(), "state": json.dumps(asdict(state))}
    torch.save(rest, folder / _STATE)


def load_weights(folder: Path, averaged: bool = True) -> dict[str, Tensor]:
    """The weights of a checkpoint; if `averaged`, their moving average if there is one."""
    return load_file(folder / (_AVERAGE if averaged and (folder / _AVERAGE).exists() else _WEIGHTS))


def load_state(folder: Path) -> tuple[dict[str, Any], TrainingState]:
    """State dicts of optimiser and schedule by name, and the state of the training."""
    optimisation = torch.load(folder / _STATE, map_location="cpu", weights_only=True)
    return optimisation, TrainingState(**json.loads(optimisation["state"]))
