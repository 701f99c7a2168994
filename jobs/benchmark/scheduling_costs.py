"""Measures what a run's scheduling costs through Ray: staging tasks, handing out parts, the coordinator's answers.

Its seconds are CPU time of the process that does the work: of the command, or of the coordinator; only the start of
processes is measured by the clock. It prints them as JSON, by the names of `ClusterCosts`.
"""

import hashlib
import importlib
import json
import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import ray

from tagger.cluster.tasks import in_tasks
from tagger.tagging.collector import outcome_type
from tagger.tagging.coordinator import Coordinator
from tagger.tagging.coordinator_client import RayCoordinatorClient
from tagger.tagging.questions import Sharing
from tagger.tagging.worker_pool import WorkerPool, Workers

_PIECE, _PIECES = 1024, 100
_PIECES_A_SEND = 4  # 750 images a second for five seconds
_VECTOR = 1280
_PARTS, _CALLS, _TASKS = 2000, 500, 500
_WAITED_FOR, _WAITS = 1000, 100


class Measured(Coordinator):
    """A coordinator that knows its CPU time."""

    def cpu_s(self) -> float:
        """Seconds of this process so far."""
        return time.process_time()


class _Idle:
    """A worker whose parts take no time."""

    def ready(self) -> None:
        """Answer when this worker has started."""

    def tag(self, number: int) -> None:
        """Do nothing."""

    def sleep(self) -> None:
        """Never answer."""
        threading.Event().wait()


def sharing_costs(sharing: Sharing, vectors: bool) -> tuple[float, float]:
    """CPU seconds an image, of a worker that asks and of the coordinator that answers, in pieces of 1,024 images."""
    coordinator = ray.remote(num_cpus=0)(Measured).remote()
    client = RayCoordinatorClient(coordinator, [], sharing)
    outcome = bytes(outcome_type(_VECTOR if vectors else 0).itemsize)
    before, began = ray.get(coordinator.cpu_s.remote()), time.process_time()
    for number, digests in enumerate(_pieces()):
        if number % _PIECES_A_SEND == 0:
            client._sent_at = -math.inf  # a real worker takes longer, and sends as often by the clock
        client.claim(digests)
        client.add_outcomes(dict.fromkeys(digests, outcome))
        client.add_rows(len(digests))
    client.flush()
    asked = time.process_time() - began
    answered = ray.get(coordinator.cpu_s.remote()) - before
    ray.kill(coordinator)
    return asked / (_PIECE * _PIECES), answered / (_PIECE * _PIECES)


def _pieces() -> Iterator[list[bytes]]:
    for first in range(0, _PIECE * _PIECES, _PIECE):
        yield [hashlib.sha256(str(first + n).encode()).digest() for n in range(_PIECE)]


def _call_s() -> float:
    """CPU seconds of the coordinator for a call about no image."""
    coordinator = ray.remote(num_cpus=0)(Measured).remote()
    client = RayCoordinatorClient(coordinator, [], "all")
    before = ray.get(coordinator.cpu_s.remote())
    for _ in range(_CALLS):
        client.add_rows(1)
        client.flush()
    answered: float = ray.get(coordinator.cpu_s.remote()) - before
    ray.kill(coordinator)
    return answered / _CALLS


def _task_s() -> tuple[float, float]:
    """Seconds until a process has started and imported what staging needs; CPU seconds of the command for a call."""
    began = time.perf_counter()
    list(in_tasks(_import, [("tagger.runs.range_staging", "pandas")]))
    started, began = time.perf_counter() - began, time.process_time()
    list(in_tasks(_import, [()] * _TASKS))
    return started, (time.process_time() - began) / _TASKS


def _import(*modules: str) -> None:
    for module in modules:
        importlib.import_module(module)


def _hand_out_s() -> float:
    """CPU seconds of the command for a part, with two workers."""
    pool = WorkerPool(_idle, range(_PARTS), Workers(2, 2))
    began = time.process_time()
    while not pool.is_done:
        pool.wait(1)
    return (time.process_time() - began) / _PARTS


def _wait_s() -> float:
    """CPU seconds of the command for each worker that it waits for, whenever one has finished."""
    worker, finished = _idle(), ray.put(None)
    pending = [worker.sleep.remote() for _ in range(_WAITED_FOR)]
    began = time.process_time()
    for _ in range(_WAITS):
        ray.wait([finished], num_returns=1)
    alone = time.process_time() - began
    for _ in range(_WAITS):
        ray.wait([*pending, finished], num_returns=1)
    among_all = time.process_time() - began - alone
    ray.kill(worker)
    return (among_all - alone) / (_WAITS * _WAITED_FOR)


def _idle() -> Any:
    return ray.remote(num_cpus=0)(_Idle).remote()


def main() -> None:
    """Measure and print."""
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    call = _call_s()
    stage_start, stage_task = _task_s()
    costs = {
        "hand_out": _hand_out_s(),
        "hand_out_worker": _wait_s(),
        "ask_image": sharing_costs("all", vectors=False)[1] - call / _PIECE,
        "ask_call": call,
        "stage_start": stage_start,
        "stage_task": stage_task,
    }
    ray.shutdown()
    print(json.dumps(costs))


if __name__ == "__main__":
    main()
