from pathlib import Path

import torch

from tagger.training.checkpoint import TrainingState, load_state, load_weights, save_checkpoint
from tagger.training.schedules import one_cycle, optimiser


def make() -> tuple[torch.nn.Sequential, torch.optim.AdamW, torch.optim.lr_scheduler.OneCycleLR]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    steps = optimiser(model[0], model[1], lr=1e-2, head_lr=3e-2, weight_decay=0.1)
    return model, steps, one_cycle(steps, 20)


def train(model: torch.nn.Module, steps: torch.optim.AdamW, schedule: object, count: int) -> None:
    torch.manual_seed(1)
    for _ in range(count):
        steps.zero_grad()
        model(torch.ones(3, 4)).square().sum().backward()
        steps.step()
        schedule.step()  # type: ignore[attr-defined]


def test_going_on_from_a_checkpoint_is_going_on(tmp_path: Path) -> None:
    whole = make()
    train(*whole, count=12)
    before = make()
    train(*before, count=5)
    history = [{"epoch": 0.0, "val_loss": 0.5}]
    save_checkpoint(tmp_path, before[0], TrainingState(1, 0, 0.5, history), before[1], before[2])

    model, steps, schedule = make()
    model.load_state_dict(load_weights(tmp_path))
    found, state = load_state(tmp_path)
    steps.load_state_dict(found["optimiser"])
    schedule.load_state_dict(found["schedule"])
    train(model, steps, schedule, count=7)
    for a, b in zip(model.parameters(), whole[0].parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert state == TrainingState(1, 0, 0.5, history)


def test_a_loss_that_is_no_number_is_divergence() -> None:
    assert not TrainingState().diverged
    assert not TrainingState(history=[{"val_loss": 3.0}]).diverged
    assert TrainingState(history=[{"val_loss": float("nan")}]).diverged
    assert TrainingState(history=[{"val_loss": float("inf")}]).diverged


def test_norms_and_biases_do_not_decay_and_each_part_has_its_rate() -> None:
    _, steps, schedule = make()
    groups = [(round(g["max_lr"], 3), g["weight_decay"], [p.ndim for p in g["params"]]) for g in steps.param_groups]
    assert groups == [(0.01, 0.1, [2]), (0.01, 0.0, [1]), (0.03, 0.1, [2]), (0.03, 0.0, [1])]
    rates = []
    for _ in range(20):
        rates.append(steps.param_groups[2]["lr"])
        steps.step()
        if len(rates) < 20:
            schedule.step()
    assert max(rates) == steps.param_groups[2]["max_lr"]
    assert rates[-1] < 1e-2 * rates[0]


def test_what_is_frozen_is_not_optimised() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    model[0].requires_grad_(False)
    steps = optimiser(model[0], model[1], lr=1.0, head_lr=1.0, weight_decay=0.1)
    assert {id(p) for g in steps.param_groups for p in g["params"]} == {id(p) for p in model[1].parameters()}
