"""Training on Ray Train: the datasets, the trainer, and what each of its processes does."""

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
from tagger.training.progress import Progress, ProgressBoard

if TYPE_CHECKING:
    from tagger.training.learner import Tally

_REPORT_S = 1.0
_READ_ROWS = 512
_THRESHOLD_IMAGES = 2000
_MAX_FAILURES = 2
_MAX_WAITS = 10  # a cluster has so many minutes to find room for the workers
CHECKPOINTS = "train"
DRAFT = "draft-"
"""Begins the name of a folder in which a checkpoint is still being written."""


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


def edge_threshold(images: ray.data.Dataset) -> float:
    """The blur score that best tells decoded images, at model size with their margin, from blurred copies of them."""
    rows = images.select_columns("image").take(_THRESHOLD_IMAGES)
    own = [blur_score(row["image"]) for row in rows]
    return learn_blur_threshold(own, [blur_score(blurred(row["image"])) for row in rows])


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
    board = ray.remote(num_cpus=0)(ProgressBoard).remote()
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"plan": plan, "board": board, "folder": local_folder(storage)},
        datasets={"train": train, "val": val},
        # one worker reads all by itself; to split between several takes a process more for each dataset
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

    def look() -> None:
        progress = ray.get(board.read.remote())
        if progress is not None:
            watch(progress)

    result = run_watched(trainer.fit, look)
    with result.checkpoint.as_directory() as folder:
        _, last = load_state(Path(folder))
    if last.diverged:
        raise TaggerError("the training diverged: the loss is no number; lower --lr and name a new --out")
    best, metrics = max(result.best_checkpoints, key=lambda found: found[1]["score"])
    with best.as_directory() as folder:
        weights = load_weights(Path(folder))
    return Trained(weights, int(metrics["epoch"]), tuple(last.history))


def local_folder(storage: Location) -> Path | None:
    """Where decoded images and drafts of checkpoints lie: beside the finished ones, unless those are in a bucket.

    Drafts that a kill has left there are deleted.
    """
    if storage.is_s3:
        return None
    folder = Path(storage.path)
    for draft in folder.glob(f"{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _train_worker(settings: dict[str, Any]) -> None:
    """What Ray Train runs in each process."""
    from tagger.training.learner import Learner  # loads PyTorch's compiler, which the processes that only watch spare

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
    board = _BoardView(settings["board"], plan, learner.state)
    while not learner.finished:
        learner.run_epoch(board.show, board.show_looking)
        with tempfile.TemporaryDirectory(prefix=DRAFT, dir=folder if folder and folder.is_dir() else None) as draft:
            learner.save(Path(draft))
            ray.train.report(learner.state.history[-1], checkpoint=Checkpoint.from_directory(draft))
        board.show_epoch()


class _BoardView:
    """Tells the board how far the first worker is, now and then."""

    def __init__(self, board: Any, plan: Plan, state: TrainingState) -> None:
        self._board = board
        self._plan = plan
        self._state = state
        self._resumed = state.epoch
        self._told = time.perf_counter()

    def show(self, step: int, tally: "Tally", seconds: float) -> None:
        """Tell of a step, unless it is too soon."""
        if time.perf_counter() - self._told < _REPORT_S:
            return
        items = step * self._plan.worker_batch * self._plan.config.workers
        self._tell(step, tally.means()[0], items / seconds)

    def show_looking(self, seen: int, images: int) -> None:
        """Tell how many of its images the frozen backbone has looked at, unless it is too soon or it has seen all."""
        if seen < images and time.perf_counter() - self._told < _REPORT_S:
            return
        workers = self._plan.config.workers
        self._tell(0, 0.0, 0.0, seen * workers, images * workers)

    def show_epoch(self) -> None:
        """Tell that an epoch is over."""
        self._tell(0, 0.0, 0.0)

    def _tell(self, step: int, loss: float, images_per_s: float, images_seen: int = 0, images: int = 0) -> None:
        self._told = time.perf_counter()
        state, plan = self._state, self._plan
        self._board.write.remote(
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
