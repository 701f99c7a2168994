from pathlib import Path

import torch

from tagger.training.checkpoint import TrainingState, load_state, load_weights, save_checkpoint
from tagger.training.schedules import optimiser, scheduled


def make() -> tuple[torch.nn.Sequential, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    steps = optimiser("adamw", model[0], model[1], lr=1e-2, head_lr=3e-2, weight_decay=0.1)
    return model, steps, scheduled(steps, "one_cycle", 20, decay=0.1)


def train(model: torch.nn.Module, steps: torch.optim.Optimizer, schedule: object, count: int) -> None:
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
    before_state = TrainingState(1, 0, 0.5, [{"epoch": 0.0, "val_loss": 0.5}])
    save_checkpoint(tmp_path, before[0], None, before_state, before[1], before[2])

    model, steps, schedule = make()
    model.load_state_dict(load_weights(tmp_path))
    found, state = load_state(tmp_path)
    steps.load_state_dict(found["optimiser"])
    schedule.load_state_dict(found["schedule"])
    train(model, steps, schedule, count=7)
    for a, b in zip(model.parameters(), whole[0].parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert state == before_state


def test_the_average_of_the_weights_is_what_is_used_and_the_weights_are_what_goes_on(tmp_path: Path) -> None:
    model, steps, schedule = make()
    average = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    save_checkpoint(tmp_path, model, average, TrainingState(), steps, schedule)
    torch.testing.assert_close(load_weights(tmp_path)["0.weight"], average[0].weight)
    torch.testing.assert_close(load_weights(tmp_path, averaged=False)["0.weight"], model[0].weight)


def test_the_best_epoch_is_the_one_that_the_monitor_says() -> None:
    figures = [(0.9, 0.5), (0.7, 0.6), (0.8, 0.7), (0.9, 0.6)]
    for monitor, scores, bad in (("loss", [-0.9, -0.7, -0.8, -0.9], 2), ("accuracy", [0.5, 0.6, 0.7, 0.6], 1)):
        state = TrainingState()
        for loss, accuracy in figures:
            state.add({"val_loss": loss, "val_accuracy": accuracy}, monitor)  # type: ignore[arg-type]
        assert [e["score"] for e in state.history] == scores
        assert (state.bad_epochs, state.best_score, state.epoch) == (bad, max(scores), 4)


def test_a_loss_that_is_no_number_is_divergence() -> None:
    assert not TrainingState().diverged
    assert not TrainingState(history=[{"val_loss": 3.0}]).diverged
    assert TrainingState(history=[{"val_loss": float("nan")}]).diverged
    assert TrainingState(history=[{"val_loss": float("inf")}]).diverged
