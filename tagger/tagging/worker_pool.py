"""A pool of processes that take shards from one queue: its size, and recovery from lost processes."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from tagger.cluster.losses import check_after_loss
from tagger.errors import TaggerError
from tagger.io.location import Location, first_line
from tagger.tagging.crashes import Bisection, Crashes, Step, check_count
from tagger.tagging.losses import LostStarting

_RETRIES = 3
_RETRIES_BEFORE_SEARCH = 1
_WORKER_BYTES = 0.6e9  # of a worker with its own engine, as measured by `tagger bench`


@dataclass(frozen=True)
class Workers:
    """Number of processes of a run: at first, and at most when a cluster gets more nodes."""

    first: int
    most: int
    gpus: int = 0
    """Number of engines on GPUs that the workers send their images to; 0: each worker has its own engine."""
    with_the_cluster: bool = False
    """Whether `most` is no limit that somebody set: there are as many as the cluster has room for."""

    def __str__(self) -> str:
        span = f"{self.first}" if self.first == self.most else f"{self.first} to {self.most}"
        if self.with_the_cluster and self.first < self.most:
            span = f"{self.first}, and more if the cluster grows"
        return f"workers: {span}" + (f", GPUs: {self.gpus}" if self.gpus else "")


def fit_workers(on_gpu: bool, limits: tuple[int, int], shards: int, may_grow: bool) -> Workers:
    """How many workers a run gets.

    Args:
        on_gpu: Whether engines run on GPUs.
        limits: Least and most workers; 0 for as many as fit the machine or the cluster.
        shards: Pieces of work; there are never more workers.
        may_grow: Whether this is a cluster that may get more nodes while the run goes on.
    """
    gpus = fitting_workers("GPU", shards) if on_gpu else 0
    fitting = fitting_workers("CPU", shards)
    least, most = limits
    if not least:
        return Workers(fitting, max(fitting, shards) if may_grow else fitting, gpus, with_the_cluster=may_grow)
    least, most = min(least, shards), min(most, shards)
    return Workers(min(max(least, fitting), most), most, gpus)


def fitting_workers(resource: str, pieces: int) -> int:
    """One worker per GPU, or one per CPU except one CPU for the driver, as far as memory allows.

    Never more than pieces of work.
    """
    return fit_into(ray.cluster_resources(), resource, pieces)


def fit_into(resources: Mapping[str, float], resource: str, pieces: int) -> int:
    """`fitting_workers` for resources as Ray names them, memory in bytes."""
    if resource != "CPU":
        return max(1, min(int(resources.get(resource, 0)), pieces))
    in_memory = int(resources.get("memory", _WORKER_BYTES) / _WORKER_BYTES)
    return max(1, min(int(resources.get("CPU", 0)) - 1, in_memory, pieces))


class WorkerPool:
    """Workers that take shards from one queue. A lost worker is replaced, and its shard goes back into the queue.

    Ray's own restarts would keep the shards of a lost node until there is room for their worker again; here the workers
    that are left take them. A shard that loses workers repeatedly is searched for the image that crashes them, see
    `Bisection`, and the run continues without that image.

    Args:
        make: Starts an actor with `ready()`, and `tag`, `try_images` and `digest` as `ShardTagger` has them.
        shards: Their numbers, in the order in which they are begun.
        workers: How many.
        images_of: Gives the number of images of a shard; without it no shard is searched.
        work: The folder that stores the known crashes.
        has_part: Whether a shard has its part; a worker that is lost after it wrote one leaves nothing to do.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        shards: Sequence[int],
        workers: Workers,
        images_of: Callable[[int], int] | None = None,
        work: Location | None = None,
        has_part: Callable[[int], bool] = lambda shard: False,
    ) -> None:
        self._has_part = has_part
        self._make = make
        self._most = workers.most
        self._images_of = images_of
        self._work = work
        self._crashes = self._crashes_before = Crashes.read(work) if work else Crashes()
        self._waiting = deque(Step(shard) for shard in shards)
        self._starting: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, Step]] = {}
        self._bisections: dict[int, Bisection] = {}
        self._losses: Counter[int] = Counter()
        self._searches: Counter[int] = Counter()
        self._lost_starting = LostStarting()
        self._start(workers.first)

    @property
    def is_done(self) -> bool:
        """Whether all shards have their part."""
        return not self._waiting and not self._running

    def __str__(self) -> str:
        starting = f", {len(self._starting)} starting" if self._starting else ""
        return f"{len(self._running)} workers at work{starting}"

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` until a worker has started or finished; hand out work; whether a part was written.

        Raises:
            TaggerError: raised by a worker, after too many losses, or when the Ray inside this command has ended.
        """
        has_part = False
        done, _ = ray.wait([*self._running, *self._starting], num_returns=1, timeout=seconds)
        for ref in done:
            worker, step = self._running.pop(ref) if ref in self._running else (self._starting.pop(ref), None)
            try:
                answer = ray.get(ref)
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, TaggerError) else error  # noqa: B904 - its own words
            except RayError as error:
                check_after_loss()
                self._lose(ref, step, error)
            else:
                self._lost_starting.forget(ref)
                if step is not None:
                    self._advance(step, answer)
                    has_part |= step.kind == "tag"
                self._hand_out(worker)
        self._grow()
        return has_part

    def _start(self, count: int) -> None:
        workers = [self._make() for _ in range(count)]
        refs = {worker.ready.remote(): worker for worker in workers}
        self._starting.update(refs)
        self._lost_starting.expect(refs)

    def _hand_out(self, worker: Any) -> None:
        """Give a worker its next step; without one, the last reference is dropped, which ends the worker."""
        if not self._waiting:
            return
        step = self._waiting.popleft()
        if step.kind == "tag":
            ref = worker.tag.remote(step.shard, *([self._crashes] if self._crashes else []))
        elif step.kind == "try":
            ref = worker.try_images.remote(step.shard, step.first, step.end, self._crashes)
        else:
            ref = worker.digest.remote(step.shard, step.first)
        self._running[ref] = (worker, step)

    def _grow(self) -> None:
        """Start more workers if allowed, doubling their number, so that a growing cluster is soon full."""
        if self._starting:
            return
        spare = min(self._most - len(self._running), len(self._waiting))
        self._start(min(spare, max(1, len(self._running))))

    def _lose(self, ref: Any, step: Step | None, error: RayError) -> None:
        """Requeue a lost worker's step, or search its shard. Raises TaggerError after too many losses."""
        if step is None:
            self._lost_starting.lose(ref, error)
        elif step.kind == "tag":
            self._lose_shard(step, error)
        else:
            image = self._bisections[step.shard].crashed(step, first_line(error))
            if image is not None:
                self._skip_image(step.shard, image, None)
            self._continue_search(step.shard)

    def _lose_shard(self, step: Step, error: RayError) -> None:
        if self._has_part(step.shard):
            return
        self._losses[step.shard] += 1
        if self._losses[step.shard] <= (_RETRIES if self._images_of is None else _RETRIES_BEFORE_SEARCH):
            self._waiting.appendleft(step)
            return
        self._searches[step.shard] += 1
        if self._images_of is None or self._searches[step.shard] > _RETRIES:
            raise TaggerError(
                f"workers were lost again and again over part {step.shard}, and over no image alone, the last one so: "
                f"{first_line(error)}; the same command goes on from here"
            )
        self._bisections[step.shard] = Bisection(step.shard, self._images_of(step.shard))
        self._continue_search(step.shard)

    def _advance(self, step: Step, answer: object) -> None:
        if step.kind == "digest":
            self._skip_image(step.shard, step.first, answer if isinstance(answer, bytes) else None)
        if step.kind != "tag":
            self._continue_search(step.shard)

    def _continue_search(self, shard: int) -> None:
        """Queue the next step of a search in front; at its end, the shard itself."""
        step = self._bisections[shard].next()
        if step is None:
            del self._bisections[shard], self._losses[shard]
        self._waiting.appendleft(step or Step(shard))

    def _skip_image(self, shard: int, image: int, digest: bytes | None) -> None:
        """Skip an image from now on, also after a restart."""
        self._crashes = self._crashes.with_image(shard, image, digest)
        if self._work is not None:
            self._crashes.write(self._work)
        self._searches[shard] = 0
        check_count(self._crashes_before, self._crashes, f"image {image} of part {shard}")
