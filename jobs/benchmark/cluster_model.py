"""Simulates a tagging run on a cluster from the costs of its steps.

The steps follow each other as in `tagger.workflows.tag`: start, staging, tagging, finish. Parts are cut by the code
that cuts them in a run, and workers take them one by one. While a part is tagged, its work flows at an even rate. Where
the parts in work ask more of something shared than it can give, all of them slow down alike: on one node its cores, its
GPUs or its network; on the cluster the coordinator or the bucket. The command hands out one part after another.

What the model leaves out: lost workers, slow nodes, images of different sizes, copies of images, caches, and the choice
of an engine, which the first run with a bundle makes.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa

from tagger.manifest.ranges import RANGE_ROWS
from tagger.runs.parallel_staging import COMPARED_ROWS, WORTH_RANGES
from tagger.runs.parts import READ_AT_ONCE
from tagger.runs.shard_sizes import cut
from tagger.runs.staging import WRITTEN_AT_ONCE
from tagger.schemas.documents.cluster_costs import ClusterCosts
from tagger.schemas.tables.item import ITEM
from tagger.tagging.questions import SAMPLE, SEND_EVERY_S, Sharing, sharing_of

_STREAM_ROWS = 8192
_CALLS_OF_A_PART = 6
"""Of a worker to the coordinator: before the small pieces that a part begins with, which double to 1,024 images, and at
its end. Calls about larger pieces are part of what an image costs."""
_REQUESTS_OF_A_PART = 3
"""Of a worker that finds shards and parts in a bucket: the size of a shard, its rows, and the part."""
_REQUESTS_OF_A_RANGE = 12
"""Of a process that stages a range: its rows in the manifest, four files to write, and these again to cut it."""
_REQUESTS_TO_COUNT = 2
"""Of the command at the end: the size of a part, and its counts."""


class Phase(StrEnum):
    """What a run does one after another."""

    START = "start"
    STAGING = "staging"
    TAGGING = "tagging"
    FINISH = "finish"


class Shared(StrEnum):
    """What can be too little while a run tags."""

    CPU = "workers' CPUs"
    GPU = "GPUs"
    NETWORK = "network"
    BUCKET = "bucket"
    COORDINATOR = "coordinator"
    COMMAND = "command"


_OF_A_NODE = (Shared.CPU, Shared.GPU, Shared.NETWORK)
_OF_ALL = (Shared.COORDINATOR, Shared.BUCKET)


@dataclass(frozen=True)
class Cluster:
    """What a run gets. Infinity is no limit."""

    nodes: int
    cores: int
    """Of each node."""
    workers: int
    """Of the cluster, spread evenly over its nodes."""
    gpus: int = 0
    """Of each node; with some, the model runs on them alone."""
    network_bytes_s: float = math.inf
    """Of each node."""
    from_s3: bool = False
    """Whether images, shards and parts are in a bucket."""
    bucket_requests_s: float = math.inf
    request_s: float = 0
    """Until the bucket answers."""
    in_flight: int = 16
    """Requests of a worker for images at the same time."""

    @property
    def busy_cores(self) -> int:
        """Cores that workers can use at the same time."""
        return min(self.workers, self.nodes * self.cores)


@dataclass(frozen=True)
class Simulated:
    """A run as the model plays it."""

    rows: int
    parts: int
    phases: dict[Phase, float]
    """Seconds of each."""
    used: dict[Shared, float]
    """While the run tags: what it asks of each shared thing, as a share of what that can give."""
    at_work: float
    """Share of tagging that workers have a part and would need for it undisturbed."""
    command: float
    """Share of the whole run that the command computes: it stages or waits for those who do, hands out parts and
    finishes."""

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return sum(self.phases.values())

    @property
    def images_per_second(self) -> float:
        """Of the whole run."""
        return self.rows / self.seconds


@dataclass(frozen=True)
class _Demand:
    """What a part needs."""

    seconds: float
    """Of a worker that nothing slows down."""
    of: dict[Shared, float]
    """In the unit of each: seconds of a core, of a GPU or of the coordinator, bytes, requests."""


def simulate(costs: ClusterCosts, cluster: Cluster, rows: int, part_rows: int) -> Simulated:
    """Play a run over the rows of a Parquet manifest with one image each, without image vectors.

    Args:
        costs: Of each step. With GPUs, they must have `gpu_images_per_second`; from S3, `image.fetch`.
        cluster: What the run gets.
        rows: Of the manifest.
        part_rows: Most rows in a part.
    """
    sizes = part_sizes(rows, part_rows, cluster.workers)
    sharing, _ = sharing_of(cluster.workers, max(cluster.workers, len(sizes)), embeddings=False)  # it may grow
    of_size = {size: _demand(costs, cluster, size, sharing) for size in set(sizes)}
    demands = [of_size[size] for size in sizes]
    tagging = _tagging_s(costs, cluster, demands)
    staging, staged_by_command = _staging_s(costs, cluster, rows, len(sizes))
    phases = {
        Phase.START: costs.start + costs.worker_start,
        Phase.STAGING: staging,
        Phase.TAGGING: tagging,
        Phase.FINISH: _finish_s(costs, cluster, len(sizes)),
    }
    hand_out = len(sizes) * _hand_out_s(costs, cluster)
    limits = _limits(cluster)
    used = {
        shared: sum(d.of[shared] for d in demands) / (limit * (1 if shared in _OF_ALL else cluster.nodes) * tagging)
        for shared, limit in limits.items()
    }
    used[Shared.CPU] = sum(d.of[Shared.CPU] for d in demands) / (cluster.busy_cores * tagging)
    used[Shared.COMMAND] = hand_out / tagging
    at_work = sum(d.seconds for d in demands) / (cluster.workers * tagging)
    command = (staged_by_command + hand_out + phases[Phase.FINISH]) / sum(phases.values())
    return Simulated(rows, len(sizes), phases, used, at_work, command)


def part_sizes(rows: int, part_rows: int, workers: int) -> list[int]:
    """Rows of each part, in the order in which they are handed out."""
    return [len(shard) for shard in cut(_stream(rows), part_rows, workers, rows)]


def _stream(rows: int) -> Iterator[pa.Table]:
    """Tables of so many rows in all, which share their memory."""
    empty = pa.table([pa.nulls(_STREAM_ROWS, f.type) for f in ITEM], schema=ITEM)
    for first in range(0, rows, _STREAM_ROWS):
        yield empty.slice(0, min(_STREAM_ROWS, rows - first))


def _demand(costs: ClusterCosts, cluster: Cluster, rows: int, sharing: Sharing) -> _Demand:
    image = costs.image
    fetch = (image.fetch or 0) if cluster.from_s3 else 0
    computed = image.decode + image.rest + fetch + (0 if cluster.gpus else image.forward)
    waited = cluster.request_s / cluster.in_flight if cluster.from_s3 else 0
    requests = _REQUESTS_OF_A_PART if cluster.from_s3 else 0
    seconds = rows * max(computed, waited) + costs.part + requests * cluster.request_s
    calls = _CALLS_OF_A_PART if sharing == "all" else 1 + seconds / SEND_EVERY_S
    asked = rows if sharing == "all" else rows / SAMPLE
    of = {
        Shared.CPU: rows * computed + costs.part,
        Shared.GPU: rows / costs.gpu_images_per_second if cluster.gpus and costs.gpu_images_per_second else 0,
        Shared.NETWORK: rows * costs.image_bytes,
        Shared.BUCKET: rows + requests if cluster.from_s3 else 0,
        Shared.COORDINATOR: asked * costs.ask_image + calls * costs.ask_call,
    }
    return _Demand(seconds, of)


def _limits(cluster: Cluster) -> dict[Shared, float]:
    """How much each shared thing gives in a second: of a node, or of all."""
    return {
        Shared.CPU: cluster.cores,
        Shared.GPU: cluster.gpus or math.inf,
        Shared.NETWORK: cluster.network_bytes_s,
        Shared.COORDINATOR: 1,
        Shared.BUCKET: cluster.bucket_requests_s,
    }


def _hand_out_s(costs: ClusterCosts, cluster: Cluster) -> float:
    return costs.hand_out + cluster.workers * costs.hand_out_worker


def _staging_s(costs: ClusterCosts, cluster: Cluster, rows: int, parts: int) -> tuple[float, float]:
    """Seconds of staging, and those of the command alone."""
    if rows >= WORTH_RANGES:
        return _staging_in_ranges_s(costs, cluster, rows, parts)
    requests = parts * cluster.request_s / WRITTEN_AT_ONCE if cluster.from_s3 else 0
    computed = rows * costs.stage_row + parts * costs.stage_part
    return max(computed, requests), computed


def _staging_in_ranges_s(costs: ClusterCosts, cluster: Cluster, rows: int, parts: int) -> tuple[float, float]:
    """The same for a manifest that processes stage in ranges; nobody else is at work meanwhile."""
    ranges = -(-rows // RANGE_ROWS)
    at_once = min(cluster.nodes * cluster.cores, ranges)
    tasks = (2 * ranges + -(-rows // COMPARED_ROWS)) * costs.stage_task
    a_range = rows / ranges * costs.stage_range_row
    if cluster.from_s3:
        a_range += (_REQUESTS_OF_A_RANGE + (ranges + parts / ranges) / WRITTEN_AT_ONCE) * cluster.request_s
    return costs.stage_start + tasks + -(-ranges // at_once) * a_range, tasks


def _finish_s(costs: ClusterCosts, cluster: Cluster, parts: int) -> float:
    requests = _REQUESTS_TO_COUNT * parts * cluster.request_s / READ_AT_ONCE if cluster.from_s3 else 0
    return max(parts * costs.finish_part, requests)


class _Working:
    """The parts in work. Each node has a clock of its own, which slows down where its workers do."""

    def __init__(self, cluster: Cluster) -> None:
        limits = _limits(cluster)
        self._limits = np.array([[limits[shared]] for shared in _OF_A_NODE])
        self._limits_of_all = np.array([[limits[shared]] for shared in _OF_ALL])
        self._asked = np.zeros((len(_OF_A_NODE), cluster.nodes))
        self._asked_of_all = np.zeros((len(_OF_ALL), cluster.nodes))
        self._clock = np.zeros(cluster.nodes)
        self._ends = np.full(cluster.nodes, math.inf)
        """By the clock of each node, when its next part ends."""
        self._parts: list[list[tuple[float, int, int, np.ndarray]]] = [[] for _ in range(cluster.nodes)]
        self._begun = 0
        self._speeds = np.ones(cluster.nodes)

    def begin(self, worker: int, demand: _Demand) -> None:
        """A worker begins a part."""
        node = worker % len(self._clock)
        rates = np.array([demand.of[shared] for shared in (*_OF_A_NODE, *_OF_ALL)]) / demand.seconds
        self._begun += 1
        heapq.heappush(self._parts[node], (self._clock[node] + demand.seconds, self._begun, worker, rates))
        self._change(node, rates)

    def next_end_s(self) -> float:
        """Seconds until the next part ends; infinity without one."""
        return float(((self._ends - self._clock) / self._speeds).min())

    def advance(self, seconds: float) -> None:
        """Let time pass, not beyond the next end."""
        self._clock += self._speeds * seconds

    def end(self) -> int:
        """End the next part; return its worker."""
        node = int(((self._ends - self._clock) / self._speeds).argmin())
        _, _, worker, rates = heapq.heappop(self._parts[node])
        self._change(node, -rates)
        return worker

    def _change(self, node: int, rates: np.ndarray) -> None:
        self._asked[:, node] += rates[: len(_OF_A_NODE)]
        self._asked_of_all[:, node] += rates[len(_OF_A_NODE) :]
        if not self._parts[node]:
            self._asked[:, node] = self._asked_of_all[:, node] = 0  # rounding adds up
        self._ends[node] = self._parts[node][0][0] if self._parts[node] else math.inf
        self._speeds = 1 / np.maximum(1, (self._asked / self._limits).max(axis=0))
        in_all = (self._asked_of_all * self._speeds).sum(axis=1, keepdims=True)
        self._speeds /= np.maximum(1, (in_all / self._limits_of_all).max())


def _tagging_s(costs: ClusterCosts, cluster: Cluster, demands: list[_Demand]) -> float:
    """Seconds from the start of the workers, which all ask for a part at once, to the end of the last part."""
    waiting, asking, working = deque(demands), deque[tuple[float, int]](), _Working(cluster)
    hand_out, now, free_at = _hand_out_s(costs, cluster), 0.0, 0.0
    for worker in range(min(cluster.workers, len(demands))):
        free_at += hand_out
        asking.append((free_at, worker))
    while True:
        ends_at = now + working.next_end_s()
        if asking and asking[0][0] <= ends_at:
            begins_at, worker = asking.popleft()
            working.advance(begins_at - now)
            now = begins_at
            working.begin(worker, waiting.popleft())
        elif math.isfinite(ends_at):
            working.advance(ends_at - now)
            now = ends_at
            worker = working.end()
            if len(waiting) > len(asking):
                free_at = max(free_at, now) + hand_out
                asking.append((free_at, worker))
        else:
            return now
