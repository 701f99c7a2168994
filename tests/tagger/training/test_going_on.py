"""A training that is stopped within an epoch goes on there, and gives the weights of one that was not."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tagger.training.learner import Learner
from tests.tagger.training.test_learner import examples, finish, learner_of, plan_of, weights_of

pytestmark = pytest.mark.slow


class StoppedError(Exception):
    """A kill, after a checkpoint."""


def often(folder: Path, seconds: float, **settings: object) -> Learner:
    """A learner that makes a checkpoint every few seconds."""
    plan = replace(plan_of(folder, **settings), checkpoint_s=seconds)
    return Learner(plan, examples(), examples(seed=1), torch.device("cpu"))


def stop_after(learner: Learner, epoch: int, step: int, folder: Path) -> None:
    """Train up to a checkpoint within an epoch."""

    def checkpoint() -> None:
        if (learner.state.epoch, learner.state.step) == (epoch, step):
            folder.mkdir()
            learner.save(folder)
            raise StoppedError

    with pytest.raises(StoppedError):
        while not learner.finished:
            learner.run_epoch(checkpoint=checkpoint)


def resumed(learner: Learner, folder: Path) -> Learner:
    learner.resume(folder)
    return learner


SETTINGS: dict[str, dict[str, object]] = {
    "chance": {"dropout": 0.3, "flip": True, "shift": 0.1, "noise": 0.02, "mixup": 0.2, "sampling": "sqrt"},
    "average": {"ema": 0.9, "schedule": "one_cycle", "optimiser": "adamw"},
    "phases": {"frozen_epochs": 1, "epochs": 2, "head_lr": 1e-2, "flip": True, "ema": 0.9},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize(("epoch", "step"), [(0, 4), (1, 1), (2, 8)])
def test_it_goes_on_with_the_next_step_and_ends_with_the_same_weights_to_the_bit(
    settings: dict[str, object], epoch: int, step: int, tmp_path: Path
) -> None:
    whole = finish(learner_of(tmp_path, **settings))
    stop_after(often(tmp_path, 0, **settings), epoch, step, tmp_path / "stop")
    again = resumed(learner_of(tmp_path, **settings), tmp_path / "stop")
    assert (again.state.epoch, again.state.step) == (epoch, step)
    steps: list[int] = []
    again.run_epoch(lambda number, tally, seconds: steps.append(number))
    assert steps == list(range(step + 1, 10))
    finish(again)
    expected = weights_of(whole, tmp_path / "a")
    for name, tensor in weights_of(again, tmp_path / "b").items():
        assert torch.equal(tensor, expected[name]), name
    kept = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "score")
    for ours, theirs in zip(again.state.history, whole.state.history, strict=True):
        assert [ours[k] for k in kept] == [theirs[k] for k in kept]


def test_checkpoints_within_an_epoch_have_no_score_and_are_made_when_it_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("tagger.training.learner.time.monotonic", lambda: next(clock))
    learner = often(tmp_path, 4, epochs=1)
    reported: list[dict[str, float]] = []

    def checkpoint() -> None:
        (folder := tmp_path / str(len(reported))).mkdir()
        learner.save(folder)
        reported.append(learner.metrics)

    learner.run_epoch(checkpoint=checkpoint)
    assert reported == [{"epoch": 0.0, "step": 4.0}, {"epoch": 0.0, "step": 8.0}]
    assert "score" in learner.metrics
    weights_of(learner, tmp_path / "end")
    assert not list((tmp_path / "end").glob("position-*")), "the end of an epoch is no position within it"


@pytest.mark.parametrize("schedule", ["cosine", "exponential", "one_cycle", "constant"])
def test_with_another_number_of_workers_it_goes_on_at_the_same_part_of_the_epoch_and_of_the_schedule(
    schedule: str, tmp_path: Path
) -> None:
    settings = {"schedule": schedule, "epochs": 3, "lr_end": 0.1, "ema": 0.9}
    stop_after(often(tmp_path, 0, **settings), 1, 3, tmp_path / "stop")
    fewer_at_once = replace(plan_of(tmp_path, **settings), workers=3)  # 12 steps of 2 images each in place of 9 of 8
    again, anew = (
        Learner(fewer_at_once, examples((14, 8, 2)), examples(seed=1), torch.device("cpu")) for _ in range(2)
    )
    again.resume(tmp_path / "stop")
    assert (again.state.epoch, again.state.step, again.state.steps, again.state.workers) == (1, 4, 12, 3)
    for _ in range(12 + 4):
        anew._optimiser.step()
        anew._schedule.step()
    rates = [[group["lr"] for group in learner._optimiser.param_groups] for learner in (again, anew)]
    assert rates[0] == rates[1]
    steps: list[int] = []
    again.run_epoch(lambda number, tally, seconds: steps.append(number))
    assert steps == list(range(5, 13))
    finish(again)
    assert len(again.state.history) == 3
