"""What measures the forward pass calls the engine as the job does."""

import threading
from pathlib import Path

import numpy as np
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.engines.torch import PreparedTorch
from tagger.jobs import bench
from tagger.jobs.benchmark import rates
from tagger.models.bundle import Bundle

SECONDS = 30.0


class Meeting:
    """An engine of which each pass waits until so many are under way."""

    name = "meeting"

    def __init__(self, threads: int) -> None:
        self._met = threading.Barrier(threads)
        self.with_embeddings: set[bool] = set()

    def start(self) -> "Meeting":
        return self

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        self.with_embeddings.add(embeddings)
        self._met.wait(SECONDS)
        return np.zeros((len(images), 1)), np.zeros((len(images), 0))


@pytest.mark.parametrize("threads", [1, 2])
def test_so_many_threads_of_a_process_call_the_engine_at_once(
    threads: int, bundle: Bundle, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "_gate", [threading.Barrier(1)])
    files: list[Path] = sorted(drawn.images.glob("*.jpg"))[:3]
    engine = Meeting(threads)
    images, seconds = rates.forward_only(engine, bundle, files, 0.0001, threads)
    assert images > 0
    assert images % len(files) == 0
    assert seconds > 0
    assert engine.with_embeddings == {False}


def test_a_gpu_is_measured_by_one_process_and_cpus_by_one_for_each_worker(bundle: Bundle) -> None:
    assert bench._callers(PreparedTorch(bundle, "cuda", "float16", 512), 16) == (1, 2)
    assert bench._callers(PreparedTorch(bundle, "cpu", "float32", 16), 16) == (16, 1)
