"""The trainer of an embedded Ray, and how its workers find each other."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
import ray
from ray.train import ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from torch import distributed

from tagger.training.on_ray import TrainerWithoutCleaner, trainer_class
from tagger.training.process_group import HeldPort
from tagger.workarounds import SWITCH

CLEANER = "PlacementGroupCleanerCallback"


def callbacks(kind: type[TorchTrainer]) -> list[str]:
    trainer = kind(print, scaling_config=ScalingConfig(num_workers=1))
    return [type(callback).__name__ for callback in trainer._create_default_callbacks()]


def test_no_process_watches_over_the_placement_group_of_an_embedded_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    usual = callbacks(TorchTrainer)
    assert CLEANER in usual, "else the workaround has nothing to do"
    assert callbacks(trainer_class(None)) == [name for name in usual if name != CLEANER]
    assert trainer_class("10.0.0.1:6379") is TorchTrainer, "a cluster outlives the command"
    monkeypatch.setenv(SWITCH, "no_placement_group_cleaner")
    assert trainer_class(None) is not TrainerWithoutCleaner


class _WorkersHere:
    """One worker, in this process, in place of Ray Train's group of them."""

    def __len__(self) -> int:
        return 1

    def get_resources_per_worker(self) -> dict[str, float]:
        return {"CPU": 1}

    def execute(self, function: Callable[..., Any], *args: Any, **named: Any) -> None:
        if not function.__name__.startswith("_set_torch"):  # which asks for the worker's place in a training
            function(*args, **named)

    def execute_single(self, rank: int, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return function(*args, **named)

    def execute_single_async(self, rank: int, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return ray.put(function(*args, **named))


def test_another_process_that_takes_a_free_port_is_no_failed_training(
    embedded_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("", 0)) as other:
        monkeypatch.setattr("ray.train.torch.config.get_address_and_port", lambda: other.getsockname())
        usual, held = TorchConfig(), HeldPort()
        with pytest.raises(distributed.DistNetworkError, match="EADDRINUSE"):
            usual.backend_cls().on_start(_WorkersHere(), usual)  # else there is nothing to guard against
        held.backend_cls().on_start(_WorkersHere(), held)
    assert distributed.get_world_size() == 1
    distributed.destroy_process_group()
