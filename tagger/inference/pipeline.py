"""The Ray Data graphs: shards through tagging workers into parts, and decoded images through a model.

On CPUs a worker decodes and predicts by itself. With GPUs, workers on the CPUs decode, and send uint8 batches to an
engine on each GPU. In both cases one worker turns a whole shard into its part, so that a part is complete or absent.
"""

import pickle
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from schemas.bundle import ModelCard
from schemas.prediction import ErrorCode
from schemas.run import EngineCheck
from schemas.taxonomy import Level
from tagger.catalog.shards import read_shard, shard_of
from tagger.catalog.stores import ImageStore, fetch_all
from tagger.errors import ImageError, TaggerError
from tagger.inference.identical import Board
from tagger.inference.outcomes import Claim, Collector, Outcome, Predictor, Submit, at_once, digest_of
from tagger.inference.rows import Items, PredictionRows
from tagger.inference.runs import RunDirectory, Spent
from tagger.inference.sample import RunSample
from tagger.models.bundle import Bundle
from tagger.models.engines import Engine, PreparedEngine, choose_engine, engine_names
from tagger.storage import first_line
from tagger.watch import run_watched

_FIRST_PIECE_ROWS, _PIECE_ROWS, _PIECE_BYTES = 32, 256, 16 * 2**20
_EVALUATED_AT_ONCE = 64
_TASKS_IN_FLIGHT = 2
_GROWS_TO = 4  # times the workers that fit a cluster at the start
_GPU_BATCHES_IN_FLIGHT = 3
_LOST_WORKER_S = 20.0
_FIRST_PAUSE_S, _LOOK_AGAIN_S = 0.005, 0.05
_WATCH_S = 0.1
_COUNT_EVERY_S = 1.0
_CHANGED = ImageError(ErrorCode.STORE_ERROR, "the image was changed while the run went on")


@dataclass(frozen=True)
class TagPlan:
    """What every tagging worker needs besides the model."""

    run: RunDirectory
    run_id: str
    store: ImageStore
    card: ModelCard
    accept_above: Mapping[Level, float]
    max_pixels: int
    batch_size: int


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
    tagged = _on_actors(numbers, _ShardTagger, (plan, board, engines), batch_size=1, workers=workers)
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


def choose_engine_there(
    bundle: Bundle, wanted: str, device: str, batch_size: int, sample: RunSample
) -> tuple[PreparedEngine, EngineCheck]:
    """Choose the engine on a machine that the workers run on, too, rather than on the command's own.

    Args and errors are those of `choose_engine`.
    """
    remote = ray.remote(num_cpus=1, num_gpus=int(device == "cuda"))(choose_engine)
    found: tuple[PreparedEngine, EngineCheck] = ray.get(remote.remote(bundle, wanted, device, batch_size, sample))
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


@dataclass(frozen=True)
class _Piece:
    """Some rows of a shard with what was read for them, and what other workers know already."""

    first: int
    images: list[bytes | ImageError]
    digests: list[bytes | None]
    claims: dict[bytes, Outcome | Claim]
    """Of the images that no earlier row of the shard has."""


class _ShardTagger:
    """An actor that turns shards into parts: it fetches the next images while it looks at these."""

    def __init__(self, plan: TagPlan, board: Any, engines: Sequence[Any]) -> None:
        self._plan = plan
        self._board = _SharedBoard(board)
        self._start = partial(_EngineElsewhere, engines) if engines else partial(_brought_engine, board)
        self._rows = PredictionRows(plan.card, plan.accept_above, plan.run_id)
        pool = ThreadPoolExecutor(_GPU_BATCHES_IN_FLIGHT, thread_name_prefix="gpu") if engines else None
        self._submit: Submit = pool.submit if pool else at_once

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self._plan.card, self._start(), self._plan.max_pixels)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        failure = b""
        try:
            for number in batch["item"].tolist():
                self._tag(number)
        except TaggerError as error:
            failure = pickle.dumps(error)  # as a row: Ray Data would hand on its own exception instead of this one
        except OSError as error:
            failure = pickle.dumps(TaggerError(f"{self._plan.run.root}: {first_line(error)}"))
        return {"shard": batch["item"], "failure": np.array([failure] * len(batch["item"]), object)}

    def _tag(self, number: int) -> None:
        predictor = self._predictor
        started, engine_s = time.perf_counter(), predictor.engine_s
        shard = read_shard(shard_of(self._plan.run.work, number))
        known = [bytes.fromhex(k) if k else None for k in shard["knownDigest"].to_pylist()]
        collector = Collector(predictor, len(shard), self._plan.batch_size, self._submit, self._board.tell)
        for piece in _ahead(self._pieces(shard["imageRef"].to_pylist(), known)):
            for row, (data, digest) in enumerate(zip(piece.images, piece.digests, strict=True), piece.first):
                if digest is not None and digest == known[row]:
                    collector.skip(row, digest)
                else:
                    collector.put(row, data, digest, piece.claims.get(digest or b"", Claim.MINE))
            self._board.add(len(piece.images))
        self._wait_for_others(collector, shard["imageRef"])
        fresh = np.array([d is None or d != k for d, k in zip(collector.digests, known, strict=True)], bool)
        predictions = self._predictions(shard, collector, fresh)
        spent = Spent(time.perf_counter() - started, predictor.engine_s - engine_s)
        self._plan.run.write_part(number, predictions, {"known": int((~fresh).sum())}, spent)

    def _predictions(self, shard: pa.Table, collector: Collector, fresh: np.ndarray) -> pa.Table:
        rows = shard.filter(pa.array(fresh))
        items = Items(*(rows[name].to_pylist() for name in ("id", "imageRef", "masterCategory")))
        chosen = np.flatnonzero(fresh).tolist()
        outcomes = collector.outcomes()
        return self._rows.table(items, [collector.digests[i] for i in chosen], [outcomes[i] for i in chosen])

    def _pieces(self, refs: Sequence[str | None], known: Sequence[bytes | None]) -> Iterator[_Piece]:
        asked: set[bytes] = set()
        images: list[bytes | ImageError] = []
        size = first = 0
        most = _FIRST_PIECE_ROWS  # nothing runs while the first piece is fetched
        for row, data in enumerate(fetch_all(self._plan.store, refs)):
            images.append(data)
            size += len(data) if isinstance(data, bytes) else 0
            if len(images) < most and size < _PIECE_BYTES and row + 1 < len(refs):
                continue
            digests = [digest_of(image) for image in images]
            new = {d for d, k in zip(digests, known[first:], strict=False) if d is not None and d != k} - asked
            asked |= new
            wanted = list(new)
            yield _Piece(first, images, digests, dict(zip(wanted, self._board.claim(wanted), strict=True)))
            images, size, first, most = [], 0, row + 1, min(2 * most, _PIECE_ROWS)

    def _wait_for_others(self, collector: Collector, refs: pa.ChunkedArray) -> None:
        """Take what other workers find; when one of them is lost, look at its images here."""
        since, pause = time.monotonic(), _FIRST_PAUSE_S
        missing = collector.missing()
        self._board.flush()
        while missing:
            take_over = time.monotonic() - since > _LOST_WORKER_S
            claims = dict(zip(missing, self._board.claim(list(missing), take_over), strict=True))
            mine = [digest for digest, claim in claims.items() if claim is Claim.MINE]
            images = dict(zip(mine, fetch_all(self._plan.store, [refs[missing[d]].as_py() for d in mine]), strict=True))
            for digest, claim in claims.items():
                data = images.get(digest, b"")
                changed = claim is Claim.MINE and isinstance(data, bytes) and digest_of(data) != digest
                collector.settle(digest, _CHANGED if changed else data, claim)
            if all(claim is Claim.ANOTHERS for claim in claims.values()):
                time.sleep(pause)
                pause = min(2 * pause, _LOOK_AGAIN_S)
            missing = collector.missing()


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


def _ahead(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    """Run an iterator in a thread of its own, two pieces ahead of whoever takes them."""
    ready: queue.Queue[_Piece | BaseException | None] = queue.Queue(maxsize=1)
    ended = threading.Event()

    def run() -> None:
        last: BaseException | None = None
        try:
            for piece in pieces:
                ready.put(piece)
                if ended.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised in the thread that takes the pieces
            last = error
        ready.put(last)

    thread = threading.Thread(target=run, name="fetch", daemon=True)
    thread.start()
    try:
        while (piece := ready.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        ended.set()
        while not ready.empty():
            ready.get_nowait()
