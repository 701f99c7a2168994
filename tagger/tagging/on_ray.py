"""Tagging on Ray: workers turn shards into parts, and models run over decoded images.

On CPUs a worker decodes and predicts by itself. With GPUs, workers on the CPUs decode, and send uint8 batches to an
engine on each GPU. In both cases one worker turns a whole shard into its part, so that a part is complete or absent.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from ray.exceptions import ObjectLostError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tagger.engines.base import Engine, PreparedEngine
from tagger.engines.choice_progress import ChoiceProgress, Watch, unwatched
from tagger.engines.choose import engine_names
from tagger.engines.process import ChosenEngine, EngineRequest
from tagger.errors import TaggerError
from tagger.imaging.layout import layouts
from tagger.models.attributes import features_of
from tagger.models.vectors import of_length_one
from tagger.runs.staging import read_shard, shard_of
from tagger.tagging.coordinator import Coordinator, State
from tagger.tagging.coordinator_client import RayCoordinatorClient
from tagger.tagging.gpu_engines import EnginePool, RemoteEngine, Serving, start_server
from tagger.tagging.outcome_cache import OutcomeCache
from tagger.tagging.questions import sharing_of
from tagger.tagging.shard_images import count_images
from tagger.tagging.shard_tagger import ShardTagger, TagPlan
from tagger.tagging.worker_pool import WorkerPool, Workers, fitting_workers

if TYPE_CHECKING:
    import ray.data

_EVALUATED_AT_ONCE = 64
_WORTH_A_WORKER = 500  # images that take as long as starting a process
_POLL_S = 0.05
_WATCH_S = 0.25
_COUNT_EVERY_S = 1.0


def tag_shards(
    plan: TagPlan,
    prepared: "Future[PreparedEngine]",
    shards: Sequence[int],
    workers: Workers,
    watch: Callable[[int, str], None],
) -> None:
    """Tag shards on a pool of workers, each shard into its part.

    Args:
        plan: What the workers need.
        prepared: The model, sent to the workers once; they start while it is still being prepared.
        shards: Numbers of the shards to do.
        workers: How many.
        watch: Called every now and then with the number of rows tagged by this call, and the state of the run in words.

    Raises:
        TaggerError: raised by a worker, or when workers are lost repeatedly.
    """
    sharing, caches = sharing_of(workers.first, workers.most, plan.embeddings)
    coordinator = _start_coordinator()
    further = [_start_cache() for _ in range(caches - 1)]
    start_engine = partial(_wait_for_engine, coordinator)
    start = partial(_remote_engine, coordinator) if workers.gpus else start_engine
    arguments = (plan, partial(RayCoordinatorClient, coordinator, further, sharing), start, bool(workers.gpus))
    tagger = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(ShardTagger)
    work = plan.run.work
    pool = WorkerPool(
        lambda: tagger.remote(*arguments),
        shards,
        workers,
        lambda n: count_images(read_shard(shard_of(work, n))),
        work,
        plan.run.has_part,
    )
    engines = EnginePool(partial(start_server, start_engine), workers.gpus, len(shards)) if workers.gpus else None
    link = _Link(coordinator, prepared, engines)
    try:
        while not pool.is_done:
            has_part = pool.wait(_WATCH_S)
            if engines:
                engines.look()
                if has_part:
                    engines.progressed()
            link.update()
            watch(link.rows, ", ".join(str(part) for part in (pool, engines) if part))
    finally:
        if engines:
            engines.close()


class _Link:
    """The command's side of the coordinator: tells it the model and the engines, again if it was restarted.

    Nothing here waits for an answer.
    """

    def __init__(self, coordinator: Any, prepared: "Future[PreparedEngine]", engines: EnginePool | None) -> None:
        self._coordinator = coordinator
        self._prepared = prepared
        self._engines = engines
        self._told: Sequence[Serving] = ()
        self._number = 0
        self._has_sent_model = False
        self._asked: Any = None
        self._asked_at = -_COUNT_EVERY_S
        self.rows = 0
        """Rows that the workers have done, by the last answer."""

    def update(self) -> None:
        """Tell what is new; take an answer, if there is one."""
        if not self._has_sent_model and self._prepared.done():
            self._coordinator.set_model.remote(self._prepared.result())
            self._has_sent_model = True
        if self._engines and self._engines.serving != self._told:
            self._told = self._engines.serving
            self._number += 1
            self._coordinator.set_engines.remote(self._number, self._told)
        if self._asked is None:
            if time.monotonic() - self._asked_at > _COUNT_EVERY_S:
                self._asked, self._asked_at = self._coordinator.state.remote(), time.monotonic()
        elif ray.wait([self._asked], timeout=0)[0]:
            self._take(ray.get(self._asked))
            self._asked = None

    def _take(self, state: State) -> None:
        self.rows = state.rows
        if self._has_sent_model and not state.has_model:
            self._coordinator.set_model.remote(self._prepared.result())
        if self._engines:
            self._engines.kill(state.suspects)
            if self._number and not state.engines:
                self._coordinator.set_engines.remote(self._number, self._told)


def choose_engine_on_ray(request: EngineRequest, device: str, watch: Watch = unwatched) -> ChosenEngine:
    """Choose an engine on a machine of the workers rather than on the machine of the command.

    Args:
        request: What to choose from.
        device: `cpu` or `cuda`.
        watch: Called with the progress.
    """
    try:
        return _choose_engine(request, device, watch)
    except WorkerCrashedError:  # an image may have crashed it
        return _choose_engine(request.isolated(), device, watch)


def _choose_engine(request: EngineRequest, device: str, watch: Watch) -> ChosenEngine:
    resources = {"num_cpus": 1, "num_gpus": int(device == "cuda")}
    choosing = ray.remote(num_returns="streaming", **resources)(EngineRequest.choosing)
    for reference in choosing.remote(request, device):
        message: ChoiceProgress | ChosenEngine = ray.get(reference)
        if not isinstance(message, ChoiceProgress):
            return message
        watch(message)
    raise TaggerError("choosing an engine ended without an answer")


def leaf_logits(
    images: "ray.data.Dataset", prepared: PreparedEngine, on_gpu: bool, with_features: bool = False
) -> dict[str, np.ndarray]:
    """Run a model over decoded images.

    Args:
        images: Rows of id, number, image uint8 [H, W, 3] and whatever else, materialised.
        prepared: The model, sent to the workers once; few images run in this process.
        on_gpu: Whether it runs on GPUs.
        with_features: Also what attributes read of the images.

    Returns:
        The other columns, logits float32 [N, L], and, if asked for, features float16 [N, F], in the order of the ids
        and, for each, of the numbers.
    """
    from ray.data import ActorPoolStrategy

    workers = -(-images.count() // _WORTH_A_WORKER)
    if workers > 1 or on_gpu:
        images = images.map_batches(
            _LeafLogits,
            fn_constructor_args=(_Shared(ray.put(prepared)), with_features),
            batch_size=_EVALUATED_AT_ONCE,
            batch_format="numpy",
            compute=ActorPoolStrategy(
                size=fitting_workers("GPU" if on_gpu else "CPU", min(workers, images.num_blocks()))
            ),
            num_cpus=1,
            num_gpus=int(on_gpu),
        )
        batches = list(images.iter_batches(batch_format="numpy", batch_size=None))
    else:
        run = _LeafLogits(prepared, with_features)
        batches = [run(b) for b in images.iter_batches(batch_format="numpy", batch_size=_EVALUATED_AT_ONCE)]
    columns = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    order = np.lexsort((columns["number"], columns["id"].astype(str)))
    return {name: column[order] for name, column in columns.items()}


def _start_coordinator() -> Any:
    """Start the coordinator on the node of the command, which the run cannot outlive; after a restart it is empty."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return ray.remote(**options)(_Coordinator).remote()


def _start_cache() -> Any:
    """Start a further outcome cache on any node; after a restart it is empty."""
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": "SPREAD"}
    return ray.remote(**options)(OutcomeCache).remote()


class _Coordinator(Coordinator):
    """Keeps the model in Ray's object store.

    There it is the coordinator's, not the command's: Ray's core (2.60) ends a process without a word that has objects
    in a store which is lost, and all processes of a command may be stopped at once.
    """

    def set_model(self, model: object) -> None:
        super().set_model(_Shared(ray.put(model)))


@dataclass(frozen=True)
class _Shared:
    """A model in Ray's object store; the workers of a node share one copy."""

    ref: Any

    def start(self) -> Engine:
        prepared: PreparedEngine = ray.get(self.ref)
        return prepared.start()


def _wait_for_engine(coordinator: Any) -> Engine:
    """Start the run's engine once the command has set the model; its library is imported meanwhile."""
    engine_names("cpu")
    while True:
        model: _Shared | None = ray.get(coordinator.model.remote())
        if model is not None:
            with suppress(ObjectLostError):  # with the coordinator, which gets it again
                return model.start()
        time.sleep(_POLL_S)


def _remote_engine(coordinator: Any) -> Engine:
    """A worker's way to the engines on GPUs."""
    worker = ray.get_runtime_context().get_actor_id()

    def ask() -> tuple[list[Serving], int, int]:
        answer: tuple[list[Serving], int, int] = ray.get(coordinator.engines.remote(worker))
        return answer

    return RemoteEngine(ask, coordinator.suspect.remote)


class _LeafLogits:
    """Runs a model over decoded images; an actor if there are many."""

    def __init__(self, model: PreparedEngine, with_features: bool) -> None:
        self._engine = model.start()
        self._with_features = with_features

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        logits, embeddings = self._engine.run(batch["image"], self._with_features)
        outputs = {**{name: column for name, column in batch.items() if name != "image"}, "logits": logits}
        if self._with_features:
            descriptors = layouts(batch["image"][..., :3])
            outputs["features"] = features_of(of_length_one(embeddings), descriptors)
        return outputs
