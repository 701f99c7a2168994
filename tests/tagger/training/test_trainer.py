"""The trainer of an embedded Ray."""

import pytest
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer

from tagger.training.on_ray import TrainerWithoutCleaner, trainer_class
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
