"""The Ray Data graphs: shards through tagging workers into parts, and decoded images through a model.

On CPUs a worker decodes and predicts by itself. With GPUs, workers on the CPUs decode, and send uint8 batches to an
engine on each GPU. In both cases one worker turns a whole shard into its part, so that a part is complete or absent.
"""

import pickle
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import ray
import ray.data
from ray.data import ActorPoolStrategy
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tagger.inference.engine_choice import Chosen, Question
from tagger.inference.identical import Board
from tagger.inference.outcomes import Claim, Outcome
from tagger.inference.shard_tagger import ShardTagger, TagPlan
from tagger.models.engines import Engine, PreparedEngine, engine_names
from tagger.watch import run_watched

_EVALUATED_AT_ONCE = 64
_TASKS_IN_FLIGHT = 2
_GROWS_TO = 4  # times the workers that fit a cluster at the start
_LOOK_AGAIN_S = 0.05
_WATCH_S = 0.25
_COUNT_EVERY_S = 1.0


@dataclass(frozen=True)
class Workers:
    """How many processes work on a run: at first, and between which numbers a cluster's autoscaler decides then."""

    first: int
    least: int
    most: int
    gpus: int = 0
    """Engines on GPUs that the workers send their images to; 0: each worker has an engine of its own."""

    def __str__(self) -> str:
        span = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
        return f"workers: {span}" + (f", GPUs: {self.gpus}" if self.gpus else "")


def tag_shards(
    plan: TagPlan,
    prepared: "Future[PreparedEngine]",
    shards: Sequence[int],
    workers: Workers,
    watch: Callable[[int], None],
) -> None:
    """Tag shards on a pool of workers, each shard into its part.

    Args:
        plan: What the workers need.
        prepared: The model, sent to the workers once; they start while it is still being prepared.
        shards: Numbers of the shards to do.
        workers: How many.
        watch: Called now and then, in this thread, with the number of rows tagged by this call.
    """
    board = _board()
    engines = [_gpu_engine(board) for _ in range(workers.gpus)]
    numbers = ray.data.from_items(list(shards), override_num_blocks=len(shards))
    start = partial(_EngineElsewhere, engines) if engines else partial(_brought_engine, board)
    arguments = (plan, partial(_SharedBoard, board), start, bool(engines))
    tagged = _on_actors(numbers, ShardTagger, arguments, batch_size=1, workers=workers)
    brought = False
    rows, counted = 0, time.monotonic()

    def look() -> None:
        nonlocal brought, rows, counted
        if time.monotonic() - counted > _COUNT_EVERY_S:
            (rows, brought), counted = ray.get(board.state.remote()), time.monotonic()
        if not brought and prepared.done():
            board.bring.remote(_Shared(ray.put(prepared.result())))  # once more, when the board was lost with its node
            brought = True
        watch(rows)

    run_watched(lambda: _raise_failures(tagged), look, _WATCH_S)


def choose_engine_there(question: Question, device: str) -> Chosen:
    """Answer a question on a machine that the workers run on, too, rather than on the command's own.

    Args:
        question: Which engine the run is to have.
        device: `cpu` or `cuda`.
    """
    remote = ray.remote(num_cpus=1, num_gpus=int(device == "cuda"))(Question.answer)
    found: Chosen = ray.get(remote.remote(question, device))
    return found


def leaf_logits(images: ray.data.Dataset, prepared: PreparedEngine, on_gpu: bool) -> tuple[np.ndarray, ...]:
    """Run a model over decoded images.

    Args:
        images: Rows of split, leaf and image uint8 [H, W, 3], materialised.
        prepared: The model, sent to the workers once.
        on_gpu: Whether it runs on GPUs.

    Returns:
        Logits float32 [N, L], leaves int64 [N] and names of splits, object [N], in any order.
    """
    size = _fitting("GPU" if on_gpu else "CPU", images.num_blocks())
    arguments = (_Shared(ray.put(prepared)),)
    found = _on_actors(
        images,
        _LeafLogits,
        arguments,
        batch_size=_EVALUATED_AT_ONCE,
        workers=Workers(size, size, size),
        gpus=int(on_gpu),
    )
    batches = list(found.iter_batches(batch_format="numpy", batch_size=None))
    return tuple(np.concatenate([b[name] for b in batches]) for name in ("logits", "leaf", "split"))


def fit_workers(on_gpu: bool, wanted: tuple[int, int], shards: int, may_grow: bool) -> Workers:
    """How many workers a run gets.

    Args:
        on_gpu: Whether engines on GPUs do the predicting.
        wanted: As asked, least and most; 0 for what fits the machine or the cluster.
        shards: Pieces of work; there are never more workers.
        may_grow: Whether this is a cluster that may get more nodes while the run goes on.
    """
    gpus = _fitting("GPU", shards) if on_gpu else 0
    fitting = _fitting("CPU", shards)
    least, most = wanted
    if not least:
        if may_grow:
            return Workers(fitting, 1, max(fitting, min(shards, _GROWS_TO * fitting)), gpus)
        return Workers(fitting, fitting, fitting, gpus)
    least, most = min(least, shards), min(most, shards)
    return Workers(min(max(least, fitting), most), least, most, gpus)


def _fitting(resource: str, pieces: int) -> int:
    """One worker a GPU, or a CPU less the one that feeds them; never more than there are pieces of work."""
    there = ray.cluster_resources().get(resource, 0)
    return max(1, min(int(there) - (resource == "CPU"), pieces))


def _raise_failures(tagged: ray.data.Dataset) -> None:
    """Wait for all shards; raise what went wrong with the first that failed, and start no other."""
    for row in tagged.iter_rows():
        if row["failure"]:
            raise pickle.loads(row["failure"])


def _board() -> Any:
    """A board on the node of the command itself, which the run cannot outlive; one that is killed starts empty."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return ray.remote(**options)(Board).remote()


@dataclass(frozen=True)
class _Shared:
    """A model in Ray's object store: workers on a node read one copy."""

    ref: Any

    def start(self) -> Engine:
        prepared: PreparedEngine = ray.get(self.ref)
        return prepared.start()


def _on_actors(
    data: ray.data.Dataset, actor: type, arguments: tuple[object, ...], batch_size: int, workers: Workers, gpus: int = 0
) -> ray.data.Dataset:
    pool = ActorPoolStrategy(
        min_size=workers.least,
        max_size=workers.most,
        initial_size=workers.first,
        max_tasks_in_flight_per_actor=_TASKS_IN_FLIGHT,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`ray_remote_args")  # Ray 2.60 has no other way to bound retries yet
        return data.map_batches(
            actor,
            fn_constructor_args=arguments,
            batch_size=batch_size,
            batch_format="numpy",
            compute=pool,
            num_cpus=1,
            num_gpus=gpus,
            ray_remote_args_fn=_retries,
        )


def _brought_engine(board: Any) -> Engine:
    """The run's engine, as soon as the command has brought the model; its library is loaded meanwhile."""
    engine_names("cpu")
    while True:
        model: _Shared | None = ray.get(board.model.remote())
        if model is not None:
            return model.start()
        time.sleep(_LOOK_AGAIN_S)


def _retries() -> dict[str, Any]:
    """Ray Data's default is to try for ever, which an image that kills its decoder would turn into a hang."""
    return {"max_restarts": 3, "max_task_retries": 3}


def _gpu_engine(board: Any) -> Any:
    """An engine on a GPU, for any number of workers; two batches at once, so that copies and computing overlap."""
    return ray.remote(num_gpus=1, num_cpus=0, max_concurrency=2, **_retries())(_EngineServer).remote(board)


class _EngineServer:
    """An engine in a process of its own."""

    def __init__(self, board: Any) -> None:
        self._engine = _brought_engine(board)

    def node(self) -> str:
        return ray.get_runtime_context().get_node_id()  # type: ignore[no-any-return]

    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._engine.run(images)


class _EngineElsewhere:
    """The engines of other processes as one: those on this node first, one after another, the next when one is lost."""

    name = "elsewhere"

    def __init__(self, servers: Sequence[Any]) -> None:
        self._servers = list(servers)
        self._nodes = [server.node.remote() for server in servers]
        self._turn = 0

    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float32 [N, D]."""
        sent = ray.put(images)
        lost: RayActorError | None = None
        for server in self._ready():
            try:
                found: tuple[np.ndarray, np.ndarray] = ray.get(server.run.remote(sent))
                return found
            except RayActorError as error:
                lost = error
        raise lost or RuntimeError("no engine on a GPU started")

    def _ready(self) -> list[Any]:
        """The engines that run already, or else the first that will, in the order to try them."""
        ready, _ = ray.wait(self._nodes, num_returns=1)
        ready, _ = ray.wait(self._nodes, num_returns=len(self._nodes), timeout=0)
        here = ray.get_runtime_context().get_node_id()
        self._turn += 1
        servers = [(n, s) for n, s in zip(self._nodes, self._servers, strict=True) if n in ready]
        turned = servers[self._turn % len(servers) :] + servers[: self._turn % len(servers)]
        return [s for _, s in sorted(turned, key=lambda e: not _is_on(e[0], here))]


def _is_on(node: Any, here: str) -> bool:
    try:
        return bool(ray.get(node) == here)
    except RayActorError:
        return False


class _SharedBoard:
    """The run's board as a worker sees it: what it says waits for the next question, to spare calls."""

    def __init__(self, board: Any) -> None:
        self._board = board
        self._worker = ray.get_runtime_context().get_actor_id()  # the same after a restart
        self._lock = threading.Lock()
        self._outcomes: dict[bytes, Outcome] = {}
        self._rows = 0

    def tell(self, outcomes: Mapping[bytes, Outcome]) -> None:
        with self._lock:
            self._outcomes.update(outcomes)

    def add(self, rows: int) -> None:
        with self._lock:
            self._rows += rows

    def claim(self, digests: Sequence[bytes], take_over: bool = False) -> list[Outcome | Claim]:
        found: list[Outcome | Claim] = ray.get(self._exchange(digests, take_over))
        return found

    def flush(self) -> None:
        """Say what has not been said."""
        self._exchange([], take_over=False)

    def _exchange(self, digests: Sequence[bytes], take_over: bool) -> Any:
        with self._lock:
            rows, outcomes = self._rows, self._outcomes
            self._rows, self._outcomes = 0, {}
            return self._board.exchange.remote(self._worker, rows, outcomes, digests, take_over)


class _LeafLogits:
    """An actor that runs a model over decoded images."""

    def __init__(self, model: _Shared) -> None:
        self._engine = model.start()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        logits, _ = self._engine.run(batch["image"])
        return {"logits": logits, "leaf": batch["leaf"], "split": batch["split"]}
