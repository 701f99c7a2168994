"""The plan of a training, which every process gets."""

from dataclasses import dataclass
from typing import Literal

import torch

from tagger.io.location import Location
from tagger.models.backbones import embedding_dim
from tagger.models.classifier import new_classifier, pack
from tagger.schemas.configs.learning import Edges, Learning
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.documents.bundle import Architecture, Calibration, Inference, ModelCard, Preprocessing, Provenance
from tagger.schemas.documents.taxonomy import Taxonomy
from tagger.schemas.values import parse_size

_EDGES_OF: dict[Edges, Literal["none", "all", "blurry"]] = {"none": "none", "channel": "all", "branch": "blurry"}


@dataclass(frozen=True)
class Plan:
    """Everything that a worker needs except its images."""

    config: TrainConfig
    card: ModelCard
    initial_weights: Location
    leaf_items: tuple[int, ...]
    """Training images of each leaf, over all workers."""
    use_gpu: bool
    threads: int | None = None
    """Threads that each worker computes with at most; None for its share of the machine's cores."""
    workers: int = 1
    """Number of workers; it may change from one attempt to the next."""
    checkpoint_s: float = 600.0
    """Least time between a checkpoint within an epoch and the last one."""

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
        """Items per step on one worker; smaller than configured if the items do not fill one batch."""
        if self.config.worker_batch:
            return max(1, min(self.config.worker_batch, self.train_items // self.workers))
        return max(1, min(self.config.batch_size, self.train_items) // self.workers)

    @property
    def lr_scale(self) -> float:
        """Factor of the learning rates: with a batch per worker, all workers' batch over `batch_size`, else 1.

        This linear rule is that of Goyal et al. 2017 (arXiv:1706.02677).
        """
        return self.worker_batch * self.workers / self.config.batch_size if self.config.worker_batch else 1.0

    @property
    def batch(self) -> str:
        """The batch of a step, in words."""
        total = f"{self.worker_batch * self.workers:,}"
        scaled = f", learning rates × {self.lr_scale:g}" if self.lr_scale != 1 else ""
        return (f"{self.workers} × {self.worker_batch:,} = {total}" if self.workers > 1 else total) + scaled

    @property
    def steps(self) -> int:
        """Full steps per epoch; the remaining items are skipped."""
        return max(1, self.train_items // self.workers // self.worker_batch)


def preprocessing_of(learning: Learning) -> Preprocessing:
    """The preprocessing of a recipe."""
    height, width = parse_size(learning.image_size)
    return Preprocessing(
        height=height, width=width, fit=learning.fit, resize=learning.resize, edges=_EDGES_OF[learning.edges]
    )


def draft_card(learning: Learning, taxonomy: Taxonomy, provenance: Provenance) -> ModelCard:
    """The card of a model before its training.

    Raises:
        UsageError: when there is no such backbone, or it cannot take such images.
    """
    draft = ModelCard(
        model_id="",
        taxonomy=taxonomy,
        architecture=Architecture(
            backbone=learning.backbone,
            dropout=learning.dropout,
            embedding_dim=1,
            head=learning.head,
            hidden=() if learning.head == "linear" else tuple(learning.hidden),
            edges=learning.edges,
        ),
        preprocessing=preprocessing_of(learning),
        inference=Inference(flip=learning.flip if learning.flip_when_tagging is None else learning.flip_when_tagging),
        calibration=Calibration(),
        blur_threshold=0.0,
        provenance=provenance,
    )
    model = new_classifier(draft, weights="none")
    dim = model.embedding_dim
    if learning.early_size:
        channels = draft.preprocessing.channels
        embedding_dim(model.backbone, parse_size(learning.early_size), channels, flag="--early-size")
    return draft.model_copy(update={"architecture": draft.architecture.model_copy(update={"embedding_dim": dim})})


def initial_weights(config: TrainConfig, card: ModelCard, work: Location) -> Location:
    """Create the initial weights once; return where all workers find them."""
    initial = work / "initial.safetensors"
    if not initial.exists():
        torch.manual_seed(config.seed)
        initial.write_bytes(pack(card, new_classifier(card, config.weights).state_dict()).weights)
    return initial


def with_edge_threshold(card: ModelCard, threshold: float) -> ModelCard:
    """The card with the blur score below which images get edges, if only some images get them."""
    if card.preprocessing.edges != "blurry":
        return card
    return card.model_copy(update={"preprocessing": card.preprocessing.model_copy(update={"edges_below": threshold})})
