"""How far a training or a search is: what says so lives in a process that loads none of what they learn with."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where training is, for a person who watches."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    images_per_s: float
    history: tuple[dict[str, float], ...]
    resumed: int
    """Epochs that were done before this call."""
    images_seen: int = 0
    """Where a frozen backbone looks at each image once: of so many it has; the steps come after."""
    images: int = 0
    """How many those are; 0 where every step looks at images of its own."""


class ProgressBoard:
    """Where the first worker says how far it is."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def write(self, progress: Progress) -> None:
        """Take the place of what was said before."""
        self._progress = progress

    def read(self) -> Progress | None:
        """What was said last."""
        return self._progress


@dataclass(frozen=True)
class Trial:
    """A training with settings of the space, and what came of it."""

    settings: dict[str, Any]
    history: tuple[dict[str, float], ...]
    error: str = ""

    @property
    def score(self) -> float:
        """The best figure over its epochs, higher is better; -inf where there is none."""
        return self.best.get("score", float("-inf"))

    @property
    def best(self) -> dict[str, float]:
        """The figures of its best epoch; none where it diverged at once."""
        finite = [epoch for epoch in self.history if math.isfinite(epoch["score"])]
        return max(finite, key=lambda epoch: epoch["score"], default={})


class TrialBoard:
    """Where trials say how far they are."""

    def __init__(self) -> None:
        self._trials: dict[str, Trial] = {}

    def write(self, trial_id: str, trial: Trial) -> None:
        """Take the place of what the trial said before."""
        self._trials[trial_id] = trial

    def read(self) -> list[Trial]:
        """What each trial said last."""
        return list(self._trials.values())
