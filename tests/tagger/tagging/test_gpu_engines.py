"""Engines in other processes: what happens when they end, do not answer, or do not start."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import ray

from tagger.errors import TaggerError
from tagger.tagging import gpu_engines
from tagger.tagging.gpu_engines import EnginePool, EngineServer, RemoteEngine, Serving

pytestmark = pytest.mark.usefixtures("embedded_ray")
IMAGES = np.full((3, 2, 2, 3), 7, np.uint8)
SECONDS = 30.0


class Doubling:
    """An engine that tells twice the first pixel of each image, and the process that it runs in."""

    name = "doubling"

    def __init__(self, fault: str = "") -> None:
        if fault == "does not start":
            os.kill(os.getpid(), signal.SIGKILL)
        self._fault = fault

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        if self._fault == "ends":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault == "does not answer":
            threading.Event().wait()
        return 2 * images[:, 0, 0, 0].astype(np.float32), np.full(len(images), os.getpid())


def server(fault: str = "") -> Any:
    options = {"num_cpus": 0, "max_concurrency": 3, "max_restarts": 0}
    return ray.remote(**options, max_task_retries=0)(EngineServer).remote(lambda: Doubling(fault))


def looked_at(pool: EnginePool, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < deadline, str(pool)
        pool.look()
        time.sleep(0.05)


def worker(engines: Sequence[Serving], suspects: list[int] | None = None) -> RemoteEngine:
    return RemoteEngine(lambda: (engines, 0, 1), (suspects if suspects is not None else []).append)


def test_an_engine_that_ends_is_replaced_and_its_batches_are_run_by_others() -> None:
    pool = EnginePool(lambda: server(), 2, 2)
    try:
        looked_at(pool, lambda: len(pool.serving) == 2)
        here = worker(pool.serving)
        pids = {int(here.run(IMAGES)[1][0]) for _ in range(4)}
        assert len(pids) == 2, "they take turns"
        os.kill(pids.pop(), signal.SIGKILL)
        for _ in range(4):
            logits, by = here.run(IMAGES)
            assert logits.tolist() == [14.0] * 3
            assert set(by.astype(int)) == pids
        looked_at(pool, lambda: max(serving.number for serving in pool.serving) == 2)
        again = worker(pool.serving)
        assert len({int(again.run(IMAGES)[1][0]) for _ in range(4)}) == 2
    finally:
        pool.close()
    assert pool.serving == []


def test_an_engine_that_does_not_answer_is_reported_killed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_engines, "_ANSWER_S", 1.0)
    faults = iter(["does not answer", "", ""])
    pool = EnginePool(lambda: server(next(faults)), 2, 2)
    try:
        looked_at(pool, lambda: len(pool.serving) == 2)
        suspects: list[int] = []
        here = worker(pool.serving, suspects)
        assert [here.run(IMAGES)[0].tolist() for _ in range(3)] == [[14.0] * 3] * 3
        assert len(suspects) == 1
        pool.kill(suspects)
        looked_at(pool, lambda: {serving.number for serving in pool.serving} == {0, 1, 2} - set(suspects))
    finally:
        pool.close()


def test_a_batch_waits_for_an_engine_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_engines, "_LOOK_S", 0.05)
    serving: list[Serving] = []
    here = RemoteEngine(lambda: (list(serving), 0, 1), lambda number: None)
    answers: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: answers.append(here.run(IMAGES)[0]))
    thread.start()
    thread.join(0.5)
    assert not answers
    pool = EnginePool(lambda: server(), 1, 1)
    try:
        looked_at(pool, lambda: len(pool.serving) == 1)
        serving += pool.serving
        thread.join(SECONDS)
        assert [answer.tolist() for answer in answers] == [[14.0] * 3]
    finally:
        pool.close()


def test_engines_that_never_start_end_the_run() -> None:
    pool = EnginePool(lambda: server("does not start"), 1, 1)
    try:
        with pytest.raises(TaggerError, match=r"4 engines on GPUs were lost while they started, and none did start"):
            looked_at(pool, lambda: False)
    finally:
        pool.close()


def test_engines_that_end_with_every_batch_end_the_run_unless_shards_are_finished() -> None:
    pool = EnginePool(lambda: server("ends"), 1, 1)
    try:
        for round_ in range(8):
            looked_at(pool, lambda: len(pool.serving) == 1)
            pool.serving[0].engine.run.remote(IMAGES)
            before = pool.serving[0].number
            if round_ < 5:
                pool.progressed()
            elif round_ == 7:
                with pytest.raises(TaggerError, match=r"4 engines on GPUs were lost, and not one shard was finished"):
                    looked_at(pool, lambda: False)
                return
            looked_at(pool, lambda: all(serving.number != before for serving in pool.serving))  # noqa: B023
    finally:
        pool.close()


def test_a_run_without_a_gpu_for_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_engines, "_NO_GPU_S", 0.5)
    pool = EnginePool(lambda: ray.remote(num_gpus=1)(EngineServer).remote(Doubling), 1, 1)  # Ray has none
    try:
        with pytest.raises(TaggerError, match=r"no engine on a GPU has served for 0 minutes"):
            looked_at(pool, lambda: False)
    finally:
        pool.close()
