"""The engine of GPUs, tried on a CPU: all but streams, events and pinned memory is the same."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tagger.engines.cuda import CudaEngine

IMAGES = np.random.default_rng(0).integers(0, 256, (1100, 4, 3, 3), dtype=np.uint8)


class Sums(nn.Module):
    """Logits that are an image's sum and its first value; it notes the sizes of its batches."""

    def __init__(self, most: int = 10**6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.sizes: list[int] = []
        self._most = most

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.sizes.append(len(images))
        if len(images) > self._most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        values = images.float().flatten(1) * self.weight
        return torch.stack([values.sum(1), values[:, 0]], dim=1), values[:, :5]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(torch, "compile", lambda model, dynamic: lambda pixels: model(pixels))
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)


def engine(model: nn.Module | None = None, batch_size: int = 512, precision: torch.dtype = torch.float32) -> CudaEngine:
    return CudaEngine(model or Sums(), "torch-cuda-float32", batch_size, precision, device="cpu")


def expected(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), -1).astype(np.float32)
    return np.stack([flat.sum(axis=1), flat[:, 0]], axis=1)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 128, 200])
def test_batches_come_back_in_order_through_memory_that_is_used_again(count: int) -> None:
    tried = engine(batch_size=64)
    first, vectors = tried.run(IMAGES[:count])
    kept = first.copy()
    assert np.array_equal(first, expected(IMAGES[:count]))
    assert np.array_equal(vectors, IMAGES[:count].reshape(count, -1)[:, :5])
    assert first.dtype == np.float32
    assert vectors.dtype == np.float16
    tried.run(IMAGES[-count:])
    assert np.array_equal(first, kept), "an answer is no view of that memory"


def test_embeddings_stay_on_the_device_unless_they_are_wanted() -> None:
    logits, vectors = engine(batch_size=64).run(IMAGES[:100], embeddings=False)
    assert (logits.shape, vectors.shape) == ((100, 2), (100, 0))


def test_batches_are_halved_where_memory_does_not_suffice_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    model = Sums(most=100)
    tried = engine(model)
    with caplog.at_level(logging.WARNING):
        logits, _ = tried.run(IMAGES)
        tried.run(IMAGES)
    assert np.array_equal(logits, expected(IMAGES))
    assert tried.batch_size == 64
    assert sorted(set(model.sizes)) == [64, 128, 256, 512]
    assert [record.getMessage().rpartition(" ")[2] for record in caplog.records] == ["256", "128", "64"]


def test_the_smallest_batch_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        engine(Sums(most=10)).run(IMAGES)


def test_the_first_batches_of_threads_are_run_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch compiles again for a thread whose state differs, and must not do so in two threads at once."""
    seen: set[int] = set()
    at_once = [0, 0]

    def compiling(model: Any, dynamic: bool) -> Callable[[Tensor], Any]:
        def call(pixels: Tensor) -> Any:
            if threading.get_ident() in seen:
                return model(pixels)
            at_once[0] += 1
            at_once[1] = max(at_once)
            time.sleep(0.01)
            at_once[0] -= 1
            seen.add(threading.get_ident())
            return model(pixels)

        return call

    monkeypatch.setattr(torch, "compile", compiling)
    tried = engine(batch_size=64)
    gate = threading.Barrier(4)
    answers: list[np.ndarray] = [IMAGES] * 4

    def work(number: int) -> None:
        gate.wait()
        for _ in range(3):
            answers[number] = tried.run(IMAGES[number * 100 :][:100])[0]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert at_once == [0, 1]
    assert all(np.array_equal(answers[n], expected(IMAGES[n * 100 :][:100])) for n in range(4))


def test_a_model_that_cannot_be_compiled_runs_without_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(model: Any, dynamic: bool) -> Any:
        raise RuntimeError("no C compiler")

    compiled = engine()
    compiled.run(IMAGES[:1])
    assert compiled.is_compiled
    monkeypatch.setattr(torch, "compile", refused)
    eager = engine()
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(eager.run(IMAGES[:10])[0], expected(IMAGES[:10]))
    assert not eager.is_compiled
    assert "torch-cuda-float32 runs without compilation, slower: no C compiler" in caplog.text


def test_float32_is_float32_and_not_tf32() -> None:
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    engine(precision=torch.float16)
    assert torch.backends.cudnn.allow_tf32
    engine()
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32


def test_what_is_compiled_is_kept_in_the_users_cache_folder_if_that_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine().run(IMAGES[:1])
    folder = tmp_path / "caches/catalog-tagger/compiled"
    assert folder.is_dir()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(folder)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    engine().run(IMAGES[:1])
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
