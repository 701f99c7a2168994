"""Progress of a training or a search; its actors run in a process that does not import PyTorch."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Progress of a training, for display."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    images_per_s: float
    history: tuple[dict[str, float], ...]
    resumed: int
    """Epochs that were done before this call."""
    resumed_step: int = 0
    """Steps of the next epoch that were done, too."""
    saved: int = 0
    """Steps of the training that the last checkpoint holds."""
    images_seen: int = 0
    """Images already embedded, if the backbone is frozen and each image is embedded once before the steps."""
    images: int = 0
    """Images to embed; 0 if each step runs the backbone."""
    notice: str = ""
    """How the first worker reads its images, in words."""


class LatestProgress:
    """An actor that holds the latest progress of the first worker."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def write(self, progress: Progress) -> None:
        """Replace the progress."""
        self._progress = progress

    def read(self) -> Progress | None:
        """The latest progress; None before the first."""
        return self._progress


@dataclass(frozen=True)
class Trial:
    """A training with settings of the search space, and its result."""

    settings: dict[str, Any]
    history: tuple[dict[str, float], ...]
    error: str = ""

    @property
    def score(self) -> float:
        """The best score of its epochs, higher is better; -inf if there is none."""
        return self.best.get("score", float("-inf"))

    @property
    def best(self) -> dict[str, float]:
        """The metrics of its best epoch; empty if it diverged at once."""
        finite = [epoch for epoch in self.history if math.isfinite(epoch["score"])]
        return max(finite, key=lambda epoch: epoch["score"], default={})


class LatestTrials:
    """An actor that holds the latest state of each trial."""

    def __init__(self) -> None:
        self._trials: dict[str, Trial] = {}

    def write(self, trial_id: str, trial: Trial) -> None:
        """Replace the state of a trial."""
        self._trials[trial_id] = trial

    def read(self) -> list[Trial]:
        """The latest state of each trial."""
        return list(self._trials.values())
