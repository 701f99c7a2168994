"""What is to be trained, as every process of a training is told."""

from dataclasses import dataclass

from schemas.bundle import ModelCard
from schemas.config import TrainConfig
from tagger.storage import Location


@dataclass(frozen=True)
class Plan:
    """All that a worker needs besides its images."""

    config: TrainConfig
    card: ModelCard
    initial_weights: Location
    leaf_items: tuple[int, ...]
    """Training images of each leaf, over all workers."""
    use_gpu: bool

    @property
    def train_items(self) -> int:
        """Training images, over all workers."""
        return sum(self.leaf_items)

    @property
    def epochs(self) -> int:
        """Epochs of both phases."""
        return self.config.frozen_epochs + self.config.epochs

    @property
    def worker_batch(self) -> int:
        """Items per step on one worker; smaller than asked where the items do not fill one batch."""
        return max(1, min(self.config.batch_size, self.train_items) // self.config.workers)

    @property
    def steps(self) -> int:
        """Full steps in an epoch; the few items over are left to the next epoch's order."""
        return max(1, self.train_items // self.config.workers // self.worker_batch)
