"""Engines on GPUs, which serve the workers of a run: the command replaces those that are lost, as it does workers.

Ray's own restarts and retries would keep a batch waiting for the engine of a lost node until there is a GPU for it
again, which on a cluster of fixed size is never. Here the other engines take the batch.
"""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import ray
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayActorError, RayError

from tagger.engines.base import Engine
from tagger.errors import TaggerError
from tagger.io.location import first_line
from tagger.tagging.gpu_turns import Turns
from tagger.tagging.losses import LostStarting

BATCHES_AT_ONCE = 2
"""Of an engine, so that copying and computing overlap."""
_ANSWER_S = 300.0
"""How long a worker waits for a batch. The first one may compile, which takes a minute."""
_ASK_EVERY_S = 5.0
"""How often a worker asks for the engines that serve, and tries one again that was out of reach."""
_LOOK_S = 0.5
_NO_GPU_S = 1800.0
"""How long a run goes on without an engine: a cluster may get a GPU again."""
_LOST_AT_WORK = 3
"""How often each engine may be lost on average while not one shard is finished."""


class Serving(NamedTuple):
    """An engine that serves."""

    engine: Any
    """A handle of `EngineServer`."""
    node: str
    """Id of its node."""
    number: int
    """Of all that the run has started."""


class EngineServer:
    """An engine in a process of its own, which has a GPU.

    Args:
        start: Starts the engine.
    """

    def __init__(self, start: Callable[[], Engine]) -> None:
        self._engine = start()
        self._never = threading.Event()

    def node(self) -> str:
        """Id of its node."""
        return ray.get_runtime_context().get_node_id()  # type: ignore[no-any-return]

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float16 [N, D], or [N, 0] where they are not wanted."""
        return self._engine.run(images, embeddings)

    def live(self) -> None:
        """Never answer: the call ends with this process, so its end is noticed even if nobody asks it for anything."""
        self._never.wait()


def start_server(start: Callable[[], Engine]) -> Any:
    """Start an engine on a GPU, as soon as there is one for it.

    Args:
        start: Starts the engine; called in its process.
    """
    options = {"num_gpus": 1, "num_cpus": 0, "max_concurrency": BATCHES_AT_ONCE + 1, "max_restarts": 0}
    return ray.remote(**options, max_task_retries=0)(EngineServer).remote(start)


class EnginePool:
    """The engines of a run, seen from the command: replaces those that are lost, and grows with the cluster.

    Args:
        make: Starts an engine, as `start_server` does.
        first: How many at first.
        most: How many there may be when the cluster gets more GPUs.
    """

    def __init__(self, make: Callable[[], Any], first: int, most: int) -> None:
        self._make = make
        self._most = most
        self._starting: dict[Any, Any] = {}
        self._serving: dict[Any, Serving] = {}
        self._numbers = count()
        self._lost_starting = LostStarting("engines on GPUs")
        self._lost_at_work = 0
        self._without_since: float | None = None
        self._grown_at = time.monotonic()
        self._start(first)

    @property
    def serving(self) -> list[Serving]:
        """The engines that serve."""
        return list(self._serving.values())

    def __str__(self) -> str:
        return f"{len(self._serving)} of {len(self._serving) + len(self._starting)} engines on GPUs"

    def look(self) -> bool:
        """Take note of engines that have started or were lost, without waiting; return whether there were any.

        Raises:
            TaggerError: when too many were lost, or none has served for too long.
        """
        self._grow()
        refs = [*self._starting, *self._serving]
        done, _ = ray.wait(refs, num_returns=len(refs), timeout=0) if refs else ([], [])
        for ref in done:
            try:
                node = ray.get(ref)
            except RayError as error:
                self._lose(ref, error)
            else:
                engine = self._starting.pop(ref)
                self._lost_starting.forget(ref)
                self._serving[engine.live.remote()] = Serving(engine, node, next(self._numbers))
        self._check_time()
        return bool(done)

    def progressed(self) -> None:
        """Take note that a shard was finished."""
        self._lost_at_work = 0

    def kill(self, numbers: Collection[int]) -> None:
        """Kill engines that did not answer; they are then replaced as others are."""
        for serving in self.serving:
            if serving.number in numbers:
                ray.kill(serving.engine)

    def close(self) -> None:
        """End all engines."""
        for engine in [*self._starting.values(), *(serving.engine for serving in self.serving)]:
            ray.kill(engine)
        self._starting, self._serving = {}, {}

    def _start(self, count: int) -> None:
        engines = [self._make() for _ in range(count)]
        refs = {engine.node.remote(): engine for engine in engines}
        self._starting.update(refs)
        if refs:
            self._lost_starting.expect(refs)

    def _grow(self) -> None:
        """Start engines on GPUs that have come; those that wait for one take it themselves."""
        if self._starting or time.monotonic() - self._grown_at < _ASK_EVERY_S:
            return
        self._grown_at = time.monotonic()
        gpus = int(ray.cluster_resources().get("GPU", 0))
        self._start(min(gpus, self._most) - len(self._serving))

    def _lose(self, ref: Any, error: RayError) -> None:
        if ref in self._starting:
            del self._starting[ref]
            self._lost_starting.lose(ref, error)
        else:
            del self._serving[ref]
            self._lost_at_work += 1
            if self._lost_at_work > _LOST_AT_WORK * (1 + len(self._serving)):
                raise TaggerError(
                    f"{self._lost_at_work} engines on GPUs were lost, and not one shard was finished meanwhile, the "
                    f"last one so: {first_line(error)}; the same command goes on from here"
                )
        self._start(1)

    def _check_time(self) -> None:
        if self._serving:
            self._without_since = None
        elif self._without_since is None:
            self._without_since = time.monotonic()
        elif time.monotonic() - self._without_since > _NO_GPU_S:
            raise TaggerError(
                f"no engine on a GPU has served for {_NO_GPU_S / 60:.0f} minutes, and none could be started; has the "
                "cluster a GPU? The same command goes on from here"
            )


class RemoteEngine:
    """A worker's way to the engines on GPUs; if one is lost, another one runs the batch.

    Args:
        ask: Returns the engines that serve, the number of this worker among those that ask, and how many these are.
        suspect: Reports the number of an engine that does not answer.
    """

    name = "elsewhere"

    def __init__(self, ask: Callable[[], tuple[Sequence[Serving], int, int]], suspect: Callable[[int], None]) -> None:
        self._ask = ask
        self._suspect = suspect
        self._turns = Turns(ray.get_runtime_context().get_node_id())
        self._serving: Sequence[Serving] = ()
        self._left_out: dict[int, float] = {}
        self._asked = -np.inf
        self._lock = threading.Lock()

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float16 [N, D]; waits until an engine has answered."""
        reference = ray.put(images)
        while True:
            serving = self._next()
            if serving is None:
                time.sleep(_LOOK_S)
                continue
            try:
                asked = serving.engine.run.remote(reference, embeddings)
                answer: tuple[np.ndarray, np.ndarray] = ray.get(asked, timeout=_ANSWER_S)
                return answer
            except GetTimeoutError:
                self._leave_out(serving, np.inf)
                self._suspect(serving.number)
            except ActorUnavailableError:  # it may be back soon
                self._leave_out(serving, time.monotonic() + _ASK_EVERY_S)
            except RayActorError:
                self._leave_out(serving, np.inf)

    def _next(self) -> Serving | None:
        """The engine whose turn it is; None if there is none."""
        with self._lock:
            now = time.monotonic()
            if not self._serving or now - self._asked > _ASK_EVERY_S:
                self._serving, number, workers = self._ask()
                self._asked = now
                self._turns.set_engines([serving.node for serving in self._serving], number, workers)
            left_out = frozenset(
                n for n, serving in enumerate(self._serving) if self._left_out.get(serving.number, -np.inf) > now
            ) if self._left_out else frozenset()  # fmt: skip
            turn = self._turns.next(left_out)
            if turn is None:
                self._asked = -np.inf
                return None
            return self._serving[turn]

    def _leave_out(self, serving: Serving, until: float) -> None:
        with self._lock:
            self._left_out[serving.number] = until
