import math
from collections.abc import Callable

import pytest
import torch

from tagger.models.backbones import build, parameter_blocks
from tagger.schemas.configs.learning import OptimiserName, Schedule
from tagger.training.schedules import optimiser, scheduled


def model() -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))


def test_norms_and_biases_do_not_decay_and_each_part_has_its_rate() -> None:
    parts = model()
    steps = optimiser("adamw", parts[0], parts[1], lr=1e-2, head_lr=3e-2, weight_decay=0.1)
    groups = [(g["lr"], g["weight_decay"], [p.ndim for p in g["params"]]) for g in steps.param_groups]
    assert groups == [(0.01, 0.1, [2]), (0.01, 0.0, [1]), (0.03, 0.1, [2]), (0.03, 0.0, [1])]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", torch.optim.SGD),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_an_optimiser_is_what_its_name_says(name: str, kind: type) -> None:
    parts = model()
    found = optimiser(name, parts[0], parts[1], lr=0.1, head_lr=0.2, weight_decay=0.0, momentum=0.7)  # type: ignore[arg-type]
    assert type(found) is kind
    if name in ("sgd", "rmsprop"):
        assert {g["momentum"] for g in found.param_groups} == {0.7}


def test_sgd_with_nesterovs_momentum_steps_as_the_formula_says() -> None:
    part, head = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(part.weight, 1.0)
    steps = optimiser("sgd", part, head, lr=0.1, head_lr=0.1, weight_decay=0.0, momentum=0.5)
    expected, velocity = 1.0, 0.0
    for _ in range(3):
        steps.zero_grad()
        part.weight.square().sum().backward()
        steps.step()
        gradient = 2 * expected
        velocity = 0.5 * velocity + gradient
        expected -= 0.1 * (gradient + 0.5 * velocity)
        assert part.weight.item() == pytest.approx(expected)


def _adam(decoupled: bool) -> Callable[[float, float, int, list[float]], float]:
    """One step as Kingma & Ba write it (algorithm 1); decay as in Loshchilov & Hutter (algorithm 2, line 12)."""

    def step(weight: float, gradient: float, number: int, memory: list[float]) -> float:
        memory[0] = 0.9 * memory[0] + 0.1 * gradient
        memory[1] = 0.999 * memory[1] + 0.001 * gradient**2
        mean, square = memory[0] / (1 - 0.9**number), memory[1] / (1 - 0.999**number)
        return weight - 0.1 * (mean / (math.sqrt(square) + 1e-8) + (0.5 * weight if decoupled else 0))

    return step


def _rmsprop(weight: float, gradient: float, number: int, memory: list[float]) -> float:
    memory[0] = 0.99 * memory[0] + 0.01 * gradient**2
    memory[1] = 0.7 * memory[1] + gradient / (math.sqrt(memory[0]) + 1e-8)
    return weight - 0.1 * memory[1]


@pytest.mark.parametrize(
    ("name", "decay", "step"),
    [("adam", 0.0, _adam(False)), ("adamw", 0.5, _adam(True)), ("rmsprop", 0.0, _rmsprop)],
)
def test_an_optimiser_steps_as_its_formula_says(
    name: OptimiserName, decay: float, step: Callable[[float, float, int, list[float]], float]
) -> None:
    part, head = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(part.weight, 1.0)
    steps = optimiser(name, part, head, lr=0.1, head_lr=0.1, weight_decay=decay, momentum=0.7)
    expected, memory = 1.0, [0.0, 0.0]
    for number in range(1, 5):
        steps.zero_grad()
        (part.weight**3).sum().backward()
        steps.step()
        expected = step(expected, 3 * expected**2, number, memory)
        assert part.weight.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_what_is_frozen_is_not_optimised() -> None:
    parts = model()
    parts[0].requires_grad_(False)
    steps = optimiser("adamw", parts[0], parts[1], lr=1.0, head_lr=1.0, weight_decay=0.1)
    assert {id(p) for g in steps.param_groups for p in g["params"]} == {id(p) for p in parts[1].parameters()}


def test_each_block_learns_slower_than_the_next() -> None:
    backbone = build("small_cnn", "none", (48, 36))
    head = torch.nn.Linear(128, 3)
    steps = optimiser("adamw", backbone, head, lr=1.0, head_lr=5.0, weight_decay=0.0, layer_decay=0.5)
    rates = {id(p): g["lr"] for g in steps.param_groups for p in g["params"]}
    assert [rates[id(part[0])] for part in parameter_blocks(backbone)] == [0.125, 0.25, 0.5, 1.0]
    assert {rates[id(p)] for p in head.parameters()} == {5.0}


def rates(schedule: Schedule, steps: int, decay: float = 0.01) -> list[list[float]]:
    """The rate of each group at each step, relative to its own."""
    parts = model()
    steps_of = optimiser("adamw", parts[0], parts[1], lr=1e-2, head_lr=3e-2, weight_decay=0.0)
    own = [group["lr"] for group in steps_of.param_groups]
    followed = scheduled(steps_of, schedule, steps, decay)
    found = []
    for _ in range(steps):
        found.append([group["lr"] / highest for group, highest in zip(steps_of.param_groups, own, strict=True)])
        steps_of.step()
        followed.step()
    return found


def test_the_schedules_begin_and_end_where_they_should() -> None:
    names: tuple[Schedule, ...] = ("constant", "exponential", "cosine", "one_cycle")
    constant, exponential, cosine, cycle = ([step[0] for step in rates(name, 101)] for name in names)
    assert constant == pytest.approx([1.0] * 101)
    assert [exponential[0], exponential[50], exponential[100]] == pytest.approx([1, 0.1, 0.01])
    assert [cosine[0], cosine[50], cosine[100]] == pytest.approx([1, 0.5005, 0.001])
    assert cycle[0] == pytest.approx(1 / 25)
    assert cycle.index(max(cycle)) == 30
    assert max(cycle) == pytest.approx(1, abs=1e-3)
    assert cycle[100] == pytest.approx(1 / 25_000)


@pytest.mark.parametrize("name", ["constant", "exponential", "cosine", "one_cycle"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 50])
def test_all_groups_follow_a_schedule_alike_however_short_it_is(name: Schedule, steps: int) -> None:
    for step in rates(name, steps):
        assert step == pytest.approx([step[0]] * 4)
        assert 0 < step[0] <= 1 + 1e-12
