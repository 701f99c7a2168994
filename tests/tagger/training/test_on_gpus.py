"""What a training does on a GPU, as far as a CPU can show it; and on a GPU where there is one."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tagger.training.augment import Augment
from tagger.training.compiled import CompiledModel
from tagger.training.learner import Learner
from tagger.training.precision import use_tensor_float32
from tagger.training.transfer import BufferRing, on_device
from tagger.training.weight_average import weight_average
from tests.tagger.training.test_learner import examples, finish, learner_of, plan_of

CPU = torch.device("cpu")


class Small(nn.Module):
    """Batch norm, dropout and a layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12), nn.Dropout(0.5), nn.Linear(12, 3))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.layers(images.float())
        return logits, logits


def trained_on(call: Any, model: nn.Module) -> dict[str, Tensor]:
    """The state after two batches of two sizes, of which each gives gradients."""
    torch.manual_seed(1)
    for size in (6, 4):
        images = torch.arange(size * 12, dtype=torch.uint8).reshape(size, 2, 2, 3)
        call(images)[0].square().sum().backward()
    return {**model.state_dict(), **{name: p.grad for name, p in model.named_parameters() if p.grad is not None}}


def broken(graph: Any, inputs: Any) -> Any:
    raise RuntimeError("no compiler\nand more")


@pytest.mark.parametrize("backend", ["eager", "aot_eager", broken])
def test_a_compiled_model_trains_as_the_model_does_and_so_does_one_that_cannot_be_compiled(
    backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    plain, compiled = Small(), Small()
    call = CompiledModel(compiled, backend)
    with caplog.at_level(logging.WARNING):
        state = trained_on(call, compiled)
    for name, expected in trained_on(plain, plain).items():
        torch.testing.assert_close(state[name], expected)
    assert call.is_compiled is (backend is not broken)
    assert [record.levelname for record in caplog.records] == (["WARNING"] if backend is broken else [])


def test_batches_come_through_the_buffers_as_they_are_and_the_buffers_are_few() -> None:
    ring = BufferRing(pin=False)
    sent = [(torch.full((5 - n // 19, 2, 3), n, dtype=torch.uint8), torch.full((5 - n // 19,), n)) for n in range(20)]
    memory: set[int] = set()

    def batches() -> Any:
        yield from sent

    store = ring.store

    def noting(parts: Any) -> Any:
        stored = store(parts)
        memory.update(part.data_ptr() for part in stored.parts)
        return stored

    ring.store = noting  # type: ignore[method-assign]
    for (images, leaves, waited_s), (expected, of_expected) in zip(on_device(batches(), CPU, ring), sent, strict=True):
        assert torch.equal(images, expected) and torch.equal(leaves, of_expected)
        assert waited_s >= 0
    assert len(memory) == 2 * 4


class Unreadable:
    """A count on a device, which cannot be read without waiting for it."""

    def __float__(self) -> float:
        raise AssertionError("the step waits for the device")


def test_the_average_of_the_weights_does_not_wait_for_the_device() -> None:
    model = nn.Linear(2, 2)
    average = weight_average(model, 0.5)
    average.n_averaged.fill_(3)
    follow: Any = average.multi_avg_fn
    with torch.no_grad():
        before = [p.clone() for p in average.module.parameters()]
        follow(list(average.module.parameters()), [p + 1 for p in before], Unreadable())
    for now, then in zip(average.module.parameters(), before, strict=True):
        torch.testing.assert_close(now, then + 1 - 4 / 13)


def test_tensor_float32_changes_nothing_on_a_cpu() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(64, 64), torch.randn(64, 64)
    before, precision = a @ b, torch.get_float32_matmul_precision()
    try:
        use_tensor_float32()
        assert torch.equal(a @ b, before)
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(precision)


def test_learning_rates_grow_with_the_batch_of_all_workers_only_if_each_has_its_own(tmp_path: Path) -> None:
    rates = {}
    for name, settings in {
        "recipe": {}, "workers": {"workers": 2}, "own": {"workers": 3, "worker_batch": 4}, "one": {"worker_batch": 16},
    }.items():  # fmt: skip
        plan = plan_of(tmp_path, lr=1e-3, head_lr=4e-3, **settings)
        learner = Learner(plan, examples(), examples(seed=1), CPU)
        rates[name] = (plan.batch, [group["lr"] for group in learner._optimiser.param_groups[::2]])
    assert rates == {
        "recipe": ("8", [1e-3, 4e-3]),
        "workers": ("2 × 4 = 8", [1e-3, 4e-3]),
        "own": ("3 × 4 = 12, learning rates × 1.5", [1.5e-3, pytest.approx(6e-3)]),
        "one": ("16, learning rates × 2", [2e-3, 8e-3]),
    }


def test_an_epoch_says_of_how_many_workers_and_items_its_steps_were(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, epochs=1, worker_batch=12)
    learner.run_epoch()
    epoch = learner.state.history[0]
    assert (epoch["workers"], epoch["worker_batch"], epoch["lr_scale"]) == (1, 12, 1.5)


@pytest.mark.gpu
def test_a_training_on_a_gpu_is_compiled_and_learns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for settings in ({"ema": 0.9, "crop": 0.1}, {"frozen_epochs": 4, "epochs": 0, "head_lr": 2e-2, "flip": True}):
        plan = plan_of(tmp_path, **{"epochs": 4, **settings})
        learner = finish(Learner(plan, examples(), examples(seed=1), torch.device("cuda")))
        assert max(epoch["val_accuracy"] for epoch in learner.state.history) > 0.9
    assert "without compilation" not in caplog.text


@pytest.mark.gpu
def test_augmentation_on_a_gpu_draws_for_larger_groups(tmp_path: Path) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (70, 24, 18, 3), np.uint8)).cuda()
    changed = Augment(plan_of(tmp_path, rotation=10, colour=0.2).config, (24, 18))(images)
    assert changed.shape == images.shape and changed.dtype == torch.uint8
