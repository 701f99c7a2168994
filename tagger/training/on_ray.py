"""Training on Ray: the check of the images, the trainer, and its worker processes."""

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
import ray.data
import ray.train
import torch
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer, get_device, prepare_model
from torch import Tensor

from tagger.allocator import keep_freed_memory
from tagger.cluster.actors import end_actors
from tagger.dataset.decoding import DecodeShard
from tagger.dataset.usable import CheckShard, UsableRows
from tagger.errors import TaggerError
from tagger.flow.watch import run_watched
from tagger.imaging.quality import blur_score, blurred, learn_blur_threshold
from tagger.io.location import Location, first_line
from tagger.machine import usable_cores
from tagger.schemas.values import parse_range
from tagger.training.checkpoint import TrainingState, load_state, load_weights
from tagger.training.plan import Plan
from tagger.training.process_group import HeldPort
from tagger.training.progress import LatestProgress, Progress
from tagger.training.row_images import Decoder, Opened, open_share
from tagger.workarounds import Workaround

_LOG = logging.getLogger(__name__)

if TYPE_CHECKING:
    from tagger.training.position import Tally

_REPORT_S = 1.0
_MAX_FAILURES = 2
"""Failures of workers in an attempt; another attempt begins as long as each has made a checkpoint."""
_MAX_WAITS = 10  # time for a cluster to find room for the workers
SCORE = "score"
"""The metric of an epoch by which its checkpoint is kept; a checkpoint within an epoch has none, and stays until the
next one."""
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


def image_dataset(shards: Sequence[Location], decode: DecodeShard) -> ray.data.Dataset:
    """Decode shards, to uint8 at model size, when the dataset is read.

    Args:
        shards: Rows of id, imageRef and leaf.
        decode: Turns a shard into batches.
    """
    dataset = ray.data.from_items(list(shards), override_num_blocks=max(1, len(shards)))
    return dataset.map_batches(decode.__call__, batch_size=1, zero_copy_batch=True)


def check_images(shards: Sequence[Location], check: CheckShard, show: Callable[[int], None]) -> None:
    """Check shards on all CPUs; no pixels leave the worker that decodes them.

    Args:
        shards: Rows of id, imageRef and leaf.
        check: Writes the usable rows of a shard.
        show: Called with the number of usable rows so far.
    """
    dataset = ray.data.from_items(list(shards), override_num_blocks=max(1, len(shards)))
    dataset = dataset.map_batches(check.__call__, batch_size=1, zero_copy_batch=True)
    rows = 0
    for batch in dataset.iter_batches(batch_size=None, batch_format="numpy"):
        rows += int(batch["rows"].sum())
        show(rows)


def edge_threshold(images: Iterable[np.ndarray]) -> float:
    """The blur score that best separates decoded images, at model size with their margin, from blurred copies."""
    scores = [(blur_score(image), blur_score(blurred(image))) for image in images]
    return learn_blur_threshold([score for score, _ in scores], [score for _, score in scores])


@dataclass(frozen=True)
class Sides:
    """The images of a training: the usable rows of train and val, which each worker decodes its share of."""

    train: UsableRows
    val: UsableRows
    decoder: Decoder


def fit(plan: Plan, sides: Sides, storage: Location, watch: Callable[[Progress], None]) -> Trained:
    """Train; resumes from the last checkpoint in `storage` if there is one.

    Args:
        plan: The plan of the training.
        sides: The images.
        storage: Folder of the checkpoints; on a cluster, all nodes must reach it.
        watch: Called periodically in this thread.
    """
    latest = ray.remote(num_cpus=0)(LatestProgress).remote()
    settings = {"plan": plan, "sides": sides, "latest": latest, "folder": local_folder(storage)}

    def poll() -> None:
        progress = ray.get(latest.read.remote())
        if progress is not None:
            watch(progress)

    saved = 0
    while True:
        try:
            result = run_watched(_trainer(plan, settings, storage).fit, poll, stop=end_actors)
            break
        except TrainingFailedError as error:
            progress = ray.get(latest.read.remote())
            if progress is None or progress.saved <= saved:
                raise
            saved = progress.saved
            _LOG.warning("workers failed, and the training goes on from its last checkpoint: %s", first_line(error))
    with result.checkpoint.as_directory() as folder:
        _, last = load_state(Path(folder))
    if last.diverged:
        raise TaggerError("the training diverged: the loss is no number; lower --lr and name a new --out")
    of_epochs = [pair for pair in result.best_checkpoints if SCORE in pair[1]]  # the others are within an epoch
    best, metrics = max(of_epochs, key=lambda pair: pair[1][SCORE])
    with best.as_directory() as folder:
        weights = load_weights(Path(folder))
    return Trained(weights, int(metrics["epoch"]), tuple(last.history))


def _trainer(plan: Plan, settings: dict[str, Any], storage: Location) -> TorchTrainer:
    """The trainer of an attempt, which ends after a few failures; another one goes on from the last checkpoint."""
    least, most = parse_range(plan.config.workers)
    return trainer_class(plan.config.ray_address)(
        _train_worker,
        train_loop_config=settings,
        torch_config=HeldPort(),
        scaling_config=ScalingConfig(
            num_workers=most if least == most else (least, most),
            use_gpu=plan.use_gpu,
            elastic_resize_monitor_interval_s=plan.checkpoint_s,  # a resize loses the steps since the last checkpoint
        ),
        run_config=RunConfig(
            name=CHECKPOINTS,
            worker_runtime_env={"env_vars": dict(keep_freed_memory())} if plan.config.ray_address else None,
            storage_path=storage.path,
            storage_filesystem=storage.filesystem,
            checkpoint_config=CheckpointConfig(
                num_to_keep=2, checkpoint_score_attribute=SCORE, checkpoint_score_order="max"
            ),
            failure_config=FailureConfig(max_failures=_MAX_FAILURES, controller_failure_limit=_MAX_WAITS),
        ),
    )


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

    folder: Path | None = settings["folder"]
    context = ray.train.get_context()
    plan: Plan = replace(settings["plan"], workers=context.get_world_size())
    rank, device = context.get_world_rank(), get_device()
    if device.type == "cpu":
        cores = max(1, usable_cores() // context.get_local_world_size())
        torch.set_num_threads(min(cores, plan.threads or cores))
    train, val = _opened_shares(settings["sides"], plan, folder)
    learner = Learner(plan, train.share, val.share, device, rank, prepare_model, folder)
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as saved:
            learner.resume(Path(saved))

    def report() -> None:
        with tempfile.TemporaryDirectory(prefix=DRAFT, dir=folder if folder and folder.is_dir() else None) as draft:
            (learner.save_position if rank else learner.save)(Path(draft))
            has_files = any(Path(draft).iterdir())
            ray.train.report(learner.metrics, checkpoint=Checkpoint.from_directory(draft) if has_files else None)
        if reporter:
            reporter.show_saved()

    reporter = None if rank else _ProgressReporter(settings["latest"], plan, learner.state, train.how)
    while not learner.finished:
        if reporter:
            learner.run_epoch(reporter.show, reporter.show_looking, report)
        else:
            learner.run_epoch(checkpoint=report)
        report()


def _opened_shares(sides: Sides, plan: Plan, folder: Path | None) -> tuple[Opened, Opened]:
    """This worker's shares of train and val."""
    context = ray.train.get_context()
    rank, workers, local = context.get_world_rank(), context.get_world_size(), context.get_local_world_size()
    threads = max(1, usable_cores() // local)
    train, val = (
        open_share(rows.share(rank, workers, plan.config.seed), sides.decoder, folder, threads, local)
        for rows in (sides.train, sides.val)
    )
    return train, val


class _ProgressReporter:
    """Reports the progress of the first worker, at most once per interval."""

    def __init__(self, latest: Any, plan: Plan, state: TrainingState, images: str) -> None:
        self._latest = latest
        self._plan = plan
        self._images = images
        self._state = state
        self._resumed, self._resumed_step = state.epoch, state.step
        self._saved = state.epoch * plan.steps + state.step
        self._last = (0.0, 0.0)
        self._reported_at = time.perf_counter()

    def show(self, step: int, tally: "Tally", seconds: float) -> None:
        """Report a step, unless the last report is too recent."""
        if time.perf_counter() - self._reported_at < _REPORT_S:
            return
        items = step * self._plan.worker_batch * self._plan.workers
        self._last = (tally.means()[0], items / seconds)
        self._report(step, *self._last)

    def show_looking(self, seen: int, images: int) -> None:
        """Report how many images are embedded, unless the last report is too recent; always at the end."""
        if seen < images and time.perf_counter() - self._reported_at < _REPORT_S:
            return
        workers = self._plan.workers
        self._report(0, 0.0, 0.0, seen * workers, images * workers)

    def show_saved(self) -> None:
        """Report a checkpoint, within an epoch or at its end."""
        self._saved = self._state.epoch * self._plan.steps + self._state.step
        self._report(self._state.step, *self._last)

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
                resumed_step=self._resumed_step,
                saved=self._saved,
                images_seen=images_seen,
                images=images,
                notice=self._images,
            )
        )
