"""Searches for a better recipe on Ray Tune: many trainings, with early stopping of bad ones."""

import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from tagger.cluster.actors import end_actors
from tagger.errors import TaggerError
from tagger.flow.watch import run_watched
from tagger.io.location import Location, first_line
from tagger.machine import usable_cores
from tagger.schemas.configs.options import WeightsOptions
from tagger.schemas.configs.search import Range, SearchSpace
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.documents.bundle import Preprocessing, Provenance
from tagger.schemas.documents.taxonomy import Taxonomy
from tagger.training.examples import Examples
from tagger.training.on_ray import DRAFT, edge_threshold, local_folder
from tagger.training.plan import Plan, draft_card, initial_weights, preprocessing_of, with_edge_threshold
from tagger.training.progress import LatestTrials, Trial

TRIALS = "search"
_BATCH_ROWS = 512
_GRACE_SHARE = 3
_THRESHOLD_IMAGES = 2000
_INPUT_FIELDS = ("image_size", "fit", "resize")
_FIGURES = (
    "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_macro_f1", "val_master_accuracy",
    "seconds", "images_per_s", "score",
)  # fmt: skip


@dataclass(frozen=True)
class DecodedSides:
    """Train and val images of one size in Ray's object store, as references to batches of image and leaf."""

    train: Sequence[Any]
    val: Sequence[Any]
    leaf_items: tuple[int, ...]
    edges_below: float
    """The blur score below which they are blurry."""


@dataclass(frozen=True)
class Search:
    """The settings that all trials share.

    Attributes:
        base: Settings of a TrainConfig that hold in every trial.
        space: The settings that vary.
        weights: Sources of the backbones' weights.
        trials: Number of random draws; 0 for every combination.
        taxonomy: The leaves.
        provenance: For the models' cards.
        at_once: Number of concurrent trials.
        threads: Number of threads of each trial on a CPU.
        use_gpu: Whether each trial has a GPU.
        stop_bad_trials: Whether trials that fall behind are stopped early.
        seed: Of the random draws.
    """

    base: Mapping[str, Any]
    space: SearchSpace
    weights: WeightsOptions
    trials: int
    taxonomy: Taxonomy
    provenance: Provenance
    at_once: int
    threads: int
    use_gpu: bool
    stop_bad_trials: bool
    seed: int

    def config(self, settings: Mapping[str, Any]) -> TrainConfig:
        """The config of a trial. Raises pydantic's ValidationError when settings are incompatible."""
        recipe = {**self.base, **settings}
        weights = self.weights.weights_of(TrainConfig.model_validate(recipe).model_dump())
        return TrainConfig.model_validate({**recipe, **weights})

    def preprocessings(self) -> list[Preprocessing]:
        """The distinct preprocessings of the trials."""
        varied = {n: v for n, v in self.space.space.items() if n in _INPUT_FIELDS and isinstance(v, list)}
        combinations = [dict(zip(varied, values, strict=True)) for values in itertools.product(*varied.values())]
        first = self.space.probes()[0]
        return [preprocessing_of(self.config({**first, **settings})) for settings in combinations]


def hold(train: ray.data.Dataset, val: ray.data.Dataset, leaves: int) -> DecodedSides:
    """Keep decoded items in Ray's object store, so that every trial can read them.

    Args:
        train: Rows of image and leaf.
        val: Rows of image and leaf.
        leaves: Number of leaves.
    """
    references: list[list[Any]] = []
    counts = np.zeros(leaves, np.int64)
    for side, images in enumerate((train, val)):
        batches = images.select_columns(["image", "leaf"]).iter_batches(batch_size=_BATCH_ROWS, batch_format="numpy")
        references.append([])
        for batch in batches:
            references[-1].append(ray.put(batch))
            if side == 0:
                counts += np.bincount(batch["leaf"], minlength=leaves)
    return DecodedSides(references[0], references[1], tuple(counts.tolist()), _edge_threshold(train))


def _edge_threshold(train: ray.data.Dataset) -> float:
    """The edge threshold of a random sample."""
    share = min(1.0, _THRESHOLD_IMAGES / max(1, train.count()))
    rows = (
        train.select_columns("image").random_sample(share, seed=0).take(_THRESHOLD_IMAGES)
        if share < 1
        else (train.select_columns("image").take_all())
    )
    return edge_threshold(row["image"] for row in rows)


def search(
    search: Search, decoded: Mapping[str, DecodedSides], storage: Location, watch: Callable[[Sequence[Trial]], None]
) -> list[Trial]:
    """Run all trials; resumes an earlier call.

    Args:
        search: The settings of the search.
        decoded: The images, by `key_of` of each of `search.preprocessings()`.
        storage: Folder of the trials' state; the same folder resumes.
        watch: Called periodically with the trials that have reported since this call began.

    Returns:
        All trials, the best first.

    Raises:
        TaggerError: when every trial failed.
    """
    latest = ray.remote(num_cpus=0)(LatestTrials).remote()
    folder = local_folder(storage)
    trial = tune.with_parameters(_run_trial, search=search, decoded=decoded, latest=latest, folder=folder)
    tuner = _tuner(search, tune.with_resources(trial, {"cpu": 1, "gpu": int(search.use_gpu)}), storage)
    results = run_watched(tuner.fit, lambda: watch(ray.get(latest.read.remote())), stop=end_actors)
    trials = sorted((_trial_of(result) for result in results), key=lambda t: -t.score)
    if not trials[0].best:
        reason = next((f"one failed with: {t.error}" for t in trials if t.error), "all of them diverged")
        raise TaggerError(f"no trial came to the end of an epoch with a figure; {reason}")
    return trials


def _tuner(search: Search, trainable: Any, storage: Location) -> tune.Tuner:
    experiment = f"{storage.path}/{TRIALS}"
    if tune.Tuner.can_restore(experiment, storage_filesystem=storage.filesystem):
        return tune.Tuner.restore(experiment, trainable, resume_errored=True, storage_filesystem=storage.filesystem)
    return tune.Tuner(
        trainable,
        param_space={name: _choices(values, search.trials) for name, values in search.space.space.items()},
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            search_alg=_Settings(max_concurrent=search.at_once, random_state=search.seed),
            scheduler=_scheduler(search) if search.stop_bad_trials else None,
            num_samples=max(1, search.trials),
            reuse_actors=True,  # a new process loads PyTorch for seconds
        ),
        run_config=tune.RunConfig(
            name=TRIALS,
            storage_path=storage.path,
            storage_filesystem=storage.filesystem,
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            verbose=0,
        ),
    )


class _Settings(BasicVariantGenerator):  # type: ignore[misc]
    """Draws the settings of trials.

    After a kill, the stored state may name a trial as running whose end was stored elsewhere; Ray would then wait for
    that end for ever, at the limit of trials at once. A trial that goes on is not counted in the first moment.
    """

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a stored state, without trials that run."""
        super().set_state({**state, "_live_trials": set()})


def _choices(values: "list[Any] | Range", trials: int) -> Any:
    if isinstance(values, list):
        return tune.choice(values) if trials else tune.grid_search(values)
    low, high = values.low, values.high
    if values.whole:
        return (tune.lograndint if values.log else tune.randint)(int(low), int(high) + 1)
    return (tune.loguniform if values.log else tune.uniform)(low, high)


def _scheduler(search: Search) -> ASHAScheduler:
    """Asynchronous successive halving (Li et al. 2020, arXiv:1810.05934)."""
    configs = [search.config(settings) for settings in search.space.probes()]
    epochs = max(c.epochs for c in configs) + max(c.frozen_epochs for c in configs)
    return ASHAScheduler(max_t=epochs, grace_period=max(1, epochs // _GRACE_SHARE), reduction_factor=2)


def _run_trial(
    settings: dict[str, Any], search: Search, decoded: Mapping[str, DecodedSides], latest: Any, folder: Path | None
) -> None:
    """Run one training, in a process that runs others after it."""
    from tagger.training.learner import Learner  # imports PyTorch's compiler, which watching processes do not need

    parent = folder if folder and folder.is_dir() else None
    config = search.config(settings)
    torch.set_num_threads(min(search.threads, usable_cores()))
    card = draft_card(config, search.taxonomy, search.provenance)
    images = decoded[key_of(card.preprocessing)]
    card = with_edge_threshold(card, images.edges_below)
    train, val = (Examples((ray.get(batch) for batch in side), parent) for side in (images.train, images.val))
    device = torch.device("cuda" if search.use_gpu else "cpu")
    with tempfile.TemporaryDirectory(prefix=DRAFT, dir=parent) as weights:
        initial = initial_weights(config, card, Location(weights))
        plan = Plan(config, card, initial, images.leaf_items, search.use_gpu)
        learner = Learner(plan, train, val, device, folder=parent)
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as saved:
            learner.resume(Path(saved))
    while not learner.finished:
        learner.run_epoch()
        latest.write.remote(tune.get_context().get_trial_id(), Trial(settings, tuple(learner.state.history)))
        with tempfile.TemporaryDirectory(prefix=DRAFT, dir=parent) as draft:
            learner.save(Path(draft))
            tune.report(learner.state.history[-1], checkpoint=tune.Checkpoint.from_directory(draft))


def key_of(preprocessing: Preprocessing) -> str:
    """The key of decoded images with a preprocessing; edges are computed later."""
    return preprocessing.model_dump_json(include={"height", "width", "fit", "resize"})


def _trial_of(result: Any) -> Trial:
    """Convert a result of Tune: one row of metrics per epoch, the last one if an epoch was repeated."""
    error = first_line(result.error) if result.error else ""
    rows = result.metrics_dataframe
    if rows is None or "epoch" not in rows:
        return Trial(result.config, (), error)
    rows = rows.drop_duplicates("epoch", keep="last").sort_values("epoch")
    names = [name for name in rows.columns if name in _FIGURES]
    return Trial(result.config, tuple(rows[names].astype(float).to_dict("records")), error)
