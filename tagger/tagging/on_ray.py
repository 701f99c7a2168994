"""What runs on Ray: shards through tagging workers into parts, and decoded images through a model.

On CPUs a worker decodes and predicts by itself. With GPUs, workers on the CPUs decode, and send uint8 batches to an
engine on each GPU. In both cases one worker turns a whole shard into its part, so that a part is complete or absent.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from ray.exceptions import RayActorError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tagger.engines.base import Engine, PreparedEngine
from tagger.engines.choice_progress import ChoiceProgress, Watch, unwatched
from tagger.engines.choose import engine_names
from tagger.engines.process import ChosenEngine, EngineRequest
from tagger.errors import TaggerError
from tagger.runs.staging import read_shard, shard_of
from tagger.tagging.board import Board
from tagger.tagging.collector import Claim, Outcome
from tagger.tagging.shard_tagger import ShardTagger, TagPlan
from tagger.tagging.worker_pool import WorkerPool, Workers, fitting_workers

if TYPE_CHECKING:
    import ray.data

_EVALUATED_AT_ONCE = 64
_WORTH_A_WORKER = 500  # images that take as long as starting a process for them
_RETRIES = 3
_LOOK_AGAIN_S = 0.05
_WATCH_S = 0.25
_COUNT_EVERY_S = 1.0


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
        watch: Called now and then with the number of rows tagged by this call.

    Raises:
        TaggerError: what a worker raised, or that workers are lost again and again.
    """
    board = _board()
    engines = [_gpu_engine(board) for _ in range(workers.gpus)]
    start = partial(_EngineElsewhere, engines) if engines else partial(_brought_engine, board)
    arguments = (plan, partial(_SharedBoard, board), start, bool(engines))
    tagger = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(ShardTagger)
    work = plan.run.work
    pool = WorkerPool(
        lambda: tagger.remote(*arguments), shards, workers, lambda n: len(read_shard(shard_of(work, n))), work
    )
    brought = False
    rows, counted = 0, time.monotonic()
    while not pool.is_done:
        pool.wait(_WATCH_S)
        if time.monotonic() - counted > _COUNT_EVERY_S:
            (rows, brought), counted = ray.get(board.state.remote()), time.monotonic()
        if not brought and prepared.done():
            board.bring.remote(_Shared(ray.put(prepared.result())))  # once more, when the board was lost with its node
            brought = True
        watch(rows)


def choose_engine_there(request: EngineRequest, device: str, watch: Watch = unwatched) -> ChosenEngine:
    """Answer a question on a machine that the workers run on, too, rather than on the command's own.

    Args:
        request: Which engine the run is to have.
        device: `cpu` or `cuda`.
        watch: Is told how far the choice is.
    """
    try:
        return _chosen_there(request, device, watch)
    except WorkerCrashedError:  # an image may have ended it
        return _chosen_there(request.isolated(), device, watch)


def _chosen_there(request: EngineRequest, device: str, watch: Watch) -> ChosenEngine:
    resources = {"num_cpus": 1, "num_gpus": int(device == "cuda")}
    choosing = ray.remote(num_returns="streaming", **resources)(EngineRequest.choosing)
    for reference in choosing.remote(request, device):
        message: ChoiceProgress | ChosenEngine = ray.get(reference)
        if not isinstance(message, ChoiceProgress):
            return message
        watch(message)
    raise TaggerError("choosing an engine ended without an answer")


def leaf_logits(images: "ray.data.Dataset", prepared: PreparedEngine, on_gpu: bool) -> dict[str, np.ndarray]:
    """Run a model over decoded images.

    Args:
        images: Rows of id, image uint8 [H, W, 3] and whatever else, materialised.
        prepared: The model, sent to the workers once; this process runs it on few images.
        on_gpu: Whether it runs on GPUs.

    Returns:
        The other columns, and logits float32 [N, L], in the order of the ids.
    """
    from ray.data import ActorPoolStrategy

    workers = -(-images.count() // _WORTH_A_WORKER)
    if workers > 1 or on_gpu:
        images = images.map_batches(
            _LeafLogits,
            fn_constructor_args=(_Shared(ray.put(prepared)),),
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
        run = _LeafLogits(prepared)
        batches = [run(b) for b in images.iter_batches(batch_format="numpy", batch_size=_EVALUATED_AT_ONCE)]
    columns = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    order = np.argsort(columns["id"].astype(str))
    return {name: column[order] for name, column in columns.items()}


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


def _brought_engine(board: Any) -> Engine:
    """The run's engine, as soon as the command has brought the model; its library is loaded meanwhile."""
    engine_names("cpu")
    while True:
        model: _Shared | None = ray.get(board.model.remote())
        if model is not None:
            return model.start()
        time.sleep(_LOOK_AGAIN_S)


def _gpu_engine(board: Any) -> Any:
    """An engine on a GPU, for any number of workers; two batches at once, so that copies and computing overlap."""
    return ray.remote(num_gpus=1, num_cpus=0, max_concurrency=2, max_restarts=_RETRIES, max_task_retries=_RETRIES)(
        _EngineServer
    ).remote(board)


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
    """Runs a model over decoded images; an actor, where they are many."""

    def __init__(self, model: PreparedEngine) -> None:
        self._engine = model.start()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        logits, _ = self._engine.run(batch["image"])
        return {**{name: column for name, column in batch.items() if name != "image"}, "logits": logits}
