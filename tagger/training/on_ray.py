"""Training on Ray Train: the datasets, the trainer, and its worker processes."""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import ray.data
import ray.train
import torch
from ray.train import Checkpoint, CheckpointConfig, DataConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device, prepare_model
from torch import Tensor

from tagger.allocator import keep_freed_memory
from tagger.dataset.decoding import DecodeShard
from tagger.errors import TaggerError
from tagger.flow.watch import run_watched
from tagger.imaging.quality import blur_score, blurred, learn_blur_threshold
from tagger.io.location import Location
from tagger.machine import usable_cores
from tagger.training.checkpoint import TrainingState, load_state, load_weights
from tagger.training.examples import Examples
from tagger.training.plan import Plan
from tagger.training.process_group import HeldPort
from tagger.training.progress import LatestProgress, Progress
from tagger.workarounds import Workaround

if TYPE_CHECKING:
    from tagger.training.learner import Tally

_REPORT_S = 1.0
_READ_ROWS = 512
_THRESHOLD_IMAGES = 2000
_MAX_FAILURES = 2
_MAX_WAITS = 10  # time for a cluster to find room for the workers
CHECKPOINTS = "train"
DRAFT = "draft-"
"""Prefix of folders with an unfinished checkpoint."""


_NO_CLEANER = Workaround("no_placement_group_cleaner", "ray", first=(2, 60), last=(2, 60))


class TrainerWithoutCleaner(TorchTrainer):  # type: ignore[misc]  # Ray's classes have no types for mypy
    """A trainer for an embedded Ray, whose placement groups end with the command.

    Ray Train starts a process that removes the placement group of a controller that was killed. Measured on two cores,
    it takes 2 s of CPU time of a training.
    """

    def _create_default_callbacks(self) -> list[Any]:
        from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback

        callbacks = super()._create_default_callbacks()
        return [callback for callback in callbacks if not isinstance(callback, PlacementGroupCleanerCallback)]


def trainer_class(ray_address: str | None) -> type[TorchTrainer]:
    """The trainer for a cluster, or for the Ray of this process."""
    return TorchTrainer if ray_address or not _NO_CLEANER.is_on() else TrainerWithoutCleaner


@dataclass(frozen=True)
class Trained:
    """The best weights of a training, and the metrics of every epoch."""

    weights: dict[str, Tensor]
    best_epoch: int
    history: tuple[dict[str, float], ...]


def image_dataset(shards: Sequence[Location], decode: DecodeShard, seed: int | None) -> ray.data.Dataset:
    """Decode shards once, to uint8 at model size, in Ray's object store (which spills to disk).

    Args:
        shards: Rows of id, imageRef and leaf.
        decode: Turns a shard into batches.
        seed: Shuffles the items over all shards; None keeps their order.
    """
    dataset = ray.data.from_items(list(shards), override_num_blocks=max(1, len(shards)))
    dataset = dataset.map_batches(decode.__call__, batch_size=1, zero_copy_batch=True)
    if seed is not None:
        dataset = dataset.random_shuffle(seed=seed)
    return dataset.materialize()


def edge_threshold(images: ray.data.Dataset) -> float:
    """The blur score that best separates decoded images, at model size with their margin, from blurred copies."""
    rows = images.select_columns("image").take(_THRESHOLD_IMAGES)
    scores = [blur_score(row["image"]) for row in rows]
    return learn_blur_threshold(scores, [blur_score(blurred(row["image"])) for row in rows])


def fit(
    plan: Plan, train: ray.data.Dataset, val: ray.data.Dataset, storage: Location, watch: Callable[[Progress], None]
) -> Trained:
    """Train; resumes from the last checkpoint in `storage` if there is one.

    Args:
        plan: The plan of the training.
        train: Rows of image and leaf, shuffled.
        val: Rows of image and leaf.
        storage: Folder of the checkpoints; on a cluster, all nodes must reach it.
        watch: Called periodically in this thread.
    """
    latest = ray.remote(num_cpus=0)(LatestProgress).remote()
    trainer = trainer_class(plan.config.ray_address)(
        _train_worker,
        train_loop_config={"plan": plan, "latest": latest, "folder": local_folder(storage)},
        torch_config=HeldPort(),
        datasets={"train": train, "val": val},
        # one worker reads everything itself; splitting between several takes one more process per dataset
        dataset_config=DataConfig(datasets_to_split="all" if plan.config.workers > 1 else []),
        scaling_config=ScalingConfig(num_workers=plan.config.workers, use_gpu=plan.use_gpu),
        run_config=RunConfig(
            name=CHECKPOINTS,
            worker_runtime_env={"env_vars": dict(keep_freed_memory())} if plan.config.ray_address else None,
            storage_path=storage.path,
            storage_filesystem=storage.filesystem,
            checkpoint_config=CheckpointConfig(
                num_to_keep=2, checkpoint_score_attribute="score", checkpoint_score_order="max"
            ),
            failure_config=FailureConfig(max_failures=_MAX_FAILURES, controller_failure_limit=_MAX_WAITS),
        ),
    )

    def poll() -> None:
        progress = ray.get(latest.read.remote())
        if progress is not None:
            watch(progress)

    result = run_watched(trainer.fit, poll)
    with result.checkpoint.as_directory() as folder:
        _, last = load_state(Path(folder))
    if last.diverged:
        raise TaggerError("the training diverged: the loss is no number; lower --lr and name a new --out")
    best, metrics = max(result.best_checkpoints, key=lambda pair: pair[1]["score"])
    with best.as_directory() as folder:
        weights = load_weights(Path(folder))
    return Trained(weights, int(metrics["epoch"]), tuple(last.history))


def local_folder(storage: Location) -> Path | None:
    """Folder for decoded images and unfinished checkpoints: that of the finished ones, unless it is in a bucket.

    Unfinished checkpoints left over from a kill are deleted.
    """
    if storage.is_s3:
        return None
    folder = Path(storage.path)
    for draft in folder.glob(f"{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _train_worker(settings: dict[str, Any]) -> None:
    """The training loop that Ray Train runs in each process."""
    from tagger.training.learner import Learner  # imports PyTorch's compiler, which watching processes do not need

    plan: Plan = settings["plan"]
    folder: Path | None = settings["folder"]
    context = ray.train.get_context()
    rank, device = context.get_world_rank(), get_device()
    if device.type == "cpu":
        cores = max(1, usable_cores() // context.get_local_world_size())
        torch.set_num_threads(min(cores, plan.threads or cores))
    train, val = (
        Examples(ray.train.get_dataset_shard(split).iter_batches(batch_size=_READ_ROWS, batch_format="numpy"), folder)
        for split in ("train", "val")
    )
    learner = Learner(plan, train, val, device, rank, prepare_model)
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as saved:
            learner.resume(Path(saved))
    if rank:
        while not learner.finished:
            learner.run_epoch()
            ray.train.report(learner.state.history[-1])
        return
    reporter = _ProgressReporter(settings["latest"], plan, learner.state)
    while not learner.finished:
        learner.run_epoch(reporter.show, reporter.show_looking)
        with tempfile.TemporaryDirectory(prefix=DRAFT, dir=folder if folder and folder.is_dir() else None) as draft:
            learner.save(Path(draft))
            ray.train.report(learner.state.history[-1], checkpoint=Checkpoint.from_directory(draft))
        reporter.show_epoch()


class _ProgressReporter:
    """Reports the progress of the first worker, at most once per interval."""

    def __init__(self, latest: Any, plan: Plan, state: TrainingState) -> None:
        self._latest = latest
        self._plan = plan
        self._state = state
        self._resumed = state.epoch
        self._reported_at = time.perf_counter()

    def show(self, step: int, tally: "Tally", seconds: float) -> None:
        """Report a step, unless the last report is too recent."""
        if time.perf_counter() - self._reported_at < _REPORT_S:
            return
        items = step * self._plan.worker_batch * self._plan.config.workers
        self._report(step, tally.means()[0], items / seconds)

    def show_looking(self, seen: int, images: int) -> None:
        """Report how many images are embedded, unless the last report is too recent; always at the end."""
        if seen < images and time.perf_counter() - self._reported_at < _REPORT_S:
            return
        workers = self._plan.config.workers
        self._report(0, 0.0, 0.0, seen * workers, images * workers)

    def show_epoch(self) -> None:
        """Report the end of an epoch."""
        self._report(0, 0.0, 0.0)

    def _report(self, step: int, loss: float, images_per_s: float, images_seen: int = 0, images: int = 0) -> None:
        self._reported_at = time.perf_counter()
        state, plan = self._state, self._plan
        self._latest.write.remote(
            Progress(
                epoch=state.epoch,
                epochs=plan.epochs,
                step=step,
                steps=plan.steps,
                loss=loss,
                images_per_s=images_per_s,
                history=tuple(state.history),
                resumed=self._resumed,
                images_seen=images_seen,
                images=images,
            )
        )
