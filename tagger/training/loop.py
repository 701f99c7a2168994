"""One worker's training loop on Ray Train, and the datasets and the trainer around it."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
import ray.train
import torch
import torch.distributed as dist
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device, prepare_model
from safetensors.torch import load
from torch import Tensor
from torch.nn.functional import cross_entropy

from schemas.bundle import ModelCard
from schemas.config import TrainConfig
from tagger.errors import TaggerError
from tagger.imaging.augment import random_flip, random_shift
from tagger.models.classifier import new_classifier
from tagger.storage import Location
from tagger.training.checkpoint import TrainingState, load_state, load_weights, save_checkpoint
from tagger.training.items import DecodeShard
from tagger.training.schedules import one_cycle, optimiser
from tagger.watch import run_watched

_REPORT_S = 1.0
_SHUFFLE_BATCHES = 8
_MAX_FAILURES = 2
_MAX_WAITS = 10  # a cluster has so many minutes to find room for the workers
CHECKPOINTS = "train"


@dataclass(frozen=True)
class Plan:
    """All that a worker needs besides its data."""

    config: TrainConfig
    card: ModelCard
    initial_weights: Location
    train_items: int
    use_gpu: bool

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


@dataclass(frozen=True)
class Trained:
    """The best weights of a training, and what happened after every epoch."""

    weights: dict[str, Tensor]
    best_epoch: int
    history: tuple[dict[str, float], ...]


def image_dataset(shards: Sequence[Location], decode: DecodeShard, seed: int | None) -> ray.data.Dataset:
    """Decode shards once, to uint8 at model size, in Ray's object store (which spills to disk).

    Args:
        shards: Of id, imageRef and leaf.
        decode: Turns a shard into batches.
        seed: Shuffles the items over all shards; None keeps their order.
    """
    found = ray.data.from_items(list(shards), override_num_blocks=max(1, len(shards)))
    found = found.map_batches(decode.__call__, batch_size=1, zero_copy_batch=True)
    if seed is not None:
        found = found.random_shuffle(seed=seed)
    return found.materialize()


def fit(
    plan: Plan, train: ray.data.Dataset, val: ray.data.Dataset, storage: Location, watch: Callable[[Progress], None]
) -> Trained:
    """Train, from the last checkpoint in `storage` where there is one.

    Args:
        plan: What to train.
        train: Rows of image and leaf, shuffled.
        val: Rows of image and leaf.
        storage: Folder of the checkpoints; on a cluster, one that all nodes reach.
        watch: Called now and then in this thread.
    """
    board = ray.remote(num_cpus=0)(_Board).remote()
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"plan": plan, "board": board},
        datasets={"train": train.randomize_block_order(), "val": val},
        scaling_config=ScalingConfig(num_workers=plan.config.workers, use_gpu=plan.use_gpu),
        run_config=RunConfig(
            name=CHECKPOINTS,
            storage_path=storage.path,
            storage_filesystem=storage.filesystem,
            checkpoint_config=CheckpointConfig(
                num_to_keep=2, checkpoint_score_attribute="val_loss", checkpoint_score_order="min"
            ),
            failure_config=FailureConfig(max_failures=_MAX_FAILURES, controller_failure_limit=_MAX_WAITS),
        ),
    )

    def look() -> None:
        progress = ray.get(board.read.remote())
        if progress is not None:
            watch(progress)

    result = run_watched(trainer.fit, look)
    with result.checkpoint.as_directory() as folder:
        _, last = load_state(Path(folder))
    if last.diverged:
        raise TaggerError("the training diverged: the loss is no number; lower --lr and name a new --out")
    best, metrics = min(result.best_checkpoints, key=lambda found: found[1]["val_loss"])
    with best.as_directory() as folder:
        weights = load_weights(Path(folder))
    return Trained(weights, int(metrics["epoch"]), tuple(last.history))


class _Board:
    """Where the first worker says how far it is."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def write(self, progress: Progress) -> None:
        self._progress = progress

    def read(self) -> Progress | None:
        return self._progress


def _train_worker(settings: dict[str, Any]) -> None:
    plan: Plan = settings["plan"]
    worker = _Worker(plan, settings["board"])
    while not worker.finished:
        worker.run_epoch()


class _Worker:
    """One process of a DDP training: its model, its share of the data, its place in the schedule."""

    def __init__(self, plan: Plan, board: Any) -> None:
        context = ray.train.get_context()
        self._plan = plan
        self._config = plan.config
        self._board = board
        self._first = context.get_world_rank() == 0
        self._device = get_device()
        if self._device.type == "cpu":
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // context.get_local_world_size()))
        torch.manual_seed(plan.config.seed + context.get_world_rank())
        self._half = use_bfloat16(plan.config.precision, self._device.type)
        self._model = new_classifier(plan.card, weights="none")
        self._model.load_state_dict(load(plan.initial_weights.read_bytes()))
        self._state = TrainingState()
        optimisation = self._resume()
        self._resumed = self._state.epoch
        self._begin_phase(optimisation)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or fine-tuning no longer helps, or the loss is no number."""
        state, patience = self._state, self._config.patience
        out_of_patience = bool(patience) and state.bad_epochs >= patience and not self._frozen
        return state.epoch >= self._plan.epochs or out_of_patience or state.diverged

    @property
    def _frozen(self) -> bool:
        return self._state.epoch < self._config.frozen_epochs

    def run_epoch(self) -> None:
        """Train one epoch, validate, report with a checkpoint."""
        if self._state.epoch == self._config.frozen_epochs and self._config.frozen_epochs:
            self._state.bad_epochs = 0
            self._begin_phase(None)
        started = time.perf_counter()
        train_loss, train_accuracy = self._train_epoch()
        seconds = time.perf_counter() - started
        val_loss, val_accuracy = self._validate()
        state = self._state
        metrics = {
            "epoch": state.epoch,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "seconds": seconds,
            "images_per_s": self._plan.steps * self._plan.worker_batch * self._config.workers / seconds,
        }
        better = val_loss < state.best_loss
        state.bad_epochs = 0 if better else state.bad_epochs + 1
        state.best_loss = min(val_loss, state.best_loss)
        state.history.append(metrics)
        state.epoch += 1
        self._report(metrics)

    def _resume(self) -> dict[str, Any] | None:
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            return None
        with checkpoint.as_directory() as folder:
            self._model.load_state_dict(load_weights(Path(folder)))
            optimisation, self._state = load_state(Path(folder))
        at_boundary = self._state.epoch == self._config.frozen_epochs
        return None if at_boundary else optimisation

    def _begin_phase(self, resumed: dict[str, Any] | None) -> None:
        config = self._config
        model = self._model
        model.backbone.requires_grad_(not self._frozen)
        self._ddp = prepare_model(model, move_to_device=True)
        self._optimiser = optimiser(model.backbone, model.head, config.lr, config.head_lr, config.weight_decay)
        epochs = config.frozen_epochs if self._frozen else config.epochs
        self._schedule = one_cycle(self._optimiser, max(1, epochs) * self._plan.steps)
        if resumed:
            self._optimiser.load_state_dict(resumed["optimiser"])
            self._schedule.load_state_dict(resumed["schedule"])

    def _train_epoch(self) -> tuple[float, float]:
        self._ddp.train()
        if self._frozen:
            self._model.backbone.eval()  # frozen means its batch statistics, too
        total = torch.zeros(3, dtype=torch.double)
        reported = started = time.perf_counter()
        for step, (images, leaves) in enumerate(self._batches("train", self._plan.worker_batch), 1):
            if self._config.flip:
                images = random_flip(images)
            images = random_shift(images, self._config.shift)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                logits, _ = self._ddp(images)
                loss = cross_entropy(logits, leaves, label_smoothing=self._config.label_smoothing)
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            self._schedule.step()
            hits = (logits.argmax(1) == leaves).sum()
            total += torch.stack([loss.detach() * len(leaves), hits, hits.new_tensor(len(leaves))]).double().cpu()
            if self._first and time.perf_counter() - reported > _REPORT_S:
                reported = time.perf_counter()
                self._show(step, total, reported - started)
            if step == self._plan.steps:
                break
        return self._means(total)

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        self._model.eval()
        total = torch.zeros(3, dtype=torch.double)
        for images, leaves in self._batches("val", self._plan.worker_batch, training=False):
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                logits, _ = self._model(images)
            loss = cross_entropy(logits, leaves, reduction="sum")
            hits = (logits.argmax(1) == leaves).sum()
            total += torch.stack([loss, hits, hits.new_tensor(len(leaves))]).double().cpu()
        return self._means(total)

    def _batches(self, split: str, size: int, training: bool = True) -> Iterator[tuple[Tensor, Tensor]]:
        shard = ray.train.get_dataset_shard(split)
        shuffle = (
            {
                "local_shuffle_buffer_size": _SHUFFLE_BATCHES * size,
                "local_shuffle_seed": self._config.seed + self._state.epoch,
            }
            if training
            else {}
        )
        for batch in shard.iter_batches(
            batch_size=size, batch_format="numpy", drop_last=training, prefetch_batches=2, **shuffle
        ):
            images = torch.from_numpy(np.array(batch["image"])).to(self._device, non_blocking=True)
            leaves = torch.from_numpy(np.array(batch["leaf"])).to(self._device, non_blocking=True)
            yield images, leaves

    def _means(self, total: Tensor) -> tuple[float, float]:
        """Loss and accuracy over all workers' items."""
        if dist.is_initialized() and dist.get_world_size() > 1:
            shared = total.to(self._device)
            dist.all_reduce(shared)
            total = shared.cpu()
        items = max(1.0, float(total[2]))
        return float(total[0]) / items, float(total[1]) / items

    def _show(self, step: int, total: Tensor, seconds: float) -> None:
        items = max(1.0, float(total[2]))
        progress = Progress(
            epoch=self._state.epoch,
            epochs=self._plan.epochs,
            step=step,
            steps=self._plan.steps,
            loss=float(total[0]) / items,
            images_per_s=items * self._config.workers / seconds,
            history=tuple(self._state.history),
            resumed=self._resumed,
        )
        self._board.write.remote(progress)

    def _report(self, metrics: dict[str, float]) -> None:
        if not self._first:
            ray.train.report(metrics)
            return
        with tempfile.TemporaryDirectory() as folder:
            save_checkpoint(Path(folder), self._model, self._state, self._optimiser, self._schedule)
            ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))
        self._show(0, torch.zeros(3), 1.0)


def use_bfloat16(precision: str, device: str) -> bool:
    """Whether to train in bfloat16: asked for, or the hardware multiplies it natively."""
    if precision != "auto":
        return precision == "bfloat16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
