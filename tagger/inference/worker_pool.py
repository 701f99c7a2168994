"""Processes that take shards from one queue: how many, and what happens when one is lost."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from tagger.errors import TaggerError
from tagger.storage import first_line

_RETRIES = 3
_GROWS_TO = 4  # times the workers that fit a cluster at the start


@dataclass(frozen=True)
class Workers:
    """How many processes work on a run: at first, and at most when a cluster gets more nodes."""

    first: int
    most: int
    gpus: int = 0
    """Engines on GPUs that the workers send their images to; 0: each worker has an engine of its own."""

    def __str__(self) -> str:
        span = f"{self.first}" if self.first == self.most else f"{self.first} to {self.most}"
        return f"workers: {span}" + (f", GPUs: {self.gpus}" if self.gpus else "")


def fit_workers(on_gpu: bool, wanted: tuple[int, int], shards: int, may_grow: bool) -> Workers:
    """How many workers a run gets.

    Args:
        on_gpu: Whether engines on GPUs do the predicting.
        wanted: As asked, least and most; 0 for what fits the machine or the cluster.
        shards: Pieces of work; there are never more workers.
        may_grow: Whether this is a cluster that may get more nodes while the run goes on.
    """
    gpus = fitting_workers("GPU", shards) if on_gpu else 0
    fitting = fitting_workers("CPU", shards)
    least, most = wanted
    if not least:
        return Workers(fitting, max(fitting, min(shards, _GROWS_TO * fitting)) if may_grow else fitting, gpus)
    least, most = min(least, shards), min(most, shards)
    return Workers(min(max(least, fitting), most), most, gpus)


def fitting_workers(resource: str, pieces: int) -> int:
    """One worker a GPU, or a CPU less the one for what feeds or watches them; never more than pieces of work."""
    there = ray.cluster_resources().get(resource, 0)
    return max(1, min(int(there) - (resource == "CPU"), pieces))


class WorkerPool:
    """Workers that take shards from one queue. One that is lost is replaced, and its shards go back into the queue.

    Ray's own restarts would keep the shards of a lost node until there is room for their worker again; here the workers
    that are left take them.

    Args:
        make: Starts an actor with `ready()` and `tag(shard)`.
        shards: Their numbers, in the order in which they are begun.
        workers: How many.
    """

    def __init__(self, make: Callable[[], Any], shards: Sequence[int], workers: Workers) -> None:
        self._make = make
        self._most = workers.most
        self._waiting = deque(shards)
        self._starting: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, int]] = {}
        self._losses: Counter[int | None] = Counter()
        for _ in range(workers.first):
            self._start_one()

    @property
    def is_done(self) -> bool:
        """Whether all shards have their part."""
        return not self._waiting and not self._running

    def wait(self, seconds: float) -> None:
        """Wait until a worker has started or finished, but no longer than so many seconds; hand out work."""
        done, _ = ray.wait([*self._running, *self._starting], num_returns=1, timeout=seconds)
        for ref in done:
            worker, shard = self._running.pop(ref) if ref in self._running else (self._starting.pop(ref), None)
            try:
                ray.get(ref)
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, TaggerError) else error  # noqa: B904 - its own words
            except RayError as error:
                self._lose(shard, error)
            else:
                self._hand_out(worker)
        self._grow()

    def _start_one(self) -> None:
        worker = self._make()
        self._starting[worker.ready.remote()] = worker

    def _hand_out(self, worker: Any) -> None:
        """Give a worker its next shard; where there is none it is let go, which ends it."""
        if self._waiting:
            shard = self._waiting.popleft()
            self._running[worker.tag.remote(shard)] = (worker, shard)

    def _grow(self) -> None:
        """Start more workers where there may be more, as many again as work already: a growing cluster is soon full."""
        if self._starting:
            return
        spare = min(self._most - len(self._running), len(self._waiting))
        for _ in range(min(spare, max(1, len(self._running)))):
            self._start_one()

    def _lose(self, shard: int | None, error: RayError) -> None:
        """Put a lost worker's shard back. Raises TaggerError when that happens too often."""
        self._losses[shard] += 1
        if self._losses[shard] > _RETRIES:
            what = "while they started" if shard is None else f"over part {shard}"
            raise TaggerError(
                f"{self._losses[shard]} workers were lost {what}, the last one so: {first_line(error)}; "
                "the same command goes on from here"
            )
        if shard is not None:
            self._waiting.appendleft(shard)
