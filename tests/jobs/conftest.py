"""A trained bundle and a run of it, made once for all processes of a test run."""

from pathlib import Path

import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.once import Once


@pytest.fixture(scope="session")
def trained(drawn: Drawn, small_training: dict[str, object], once: Once, embedded_ray: None) -> Path:
    """A bundle trained for one frozen epoch and a few others."""
    from tagger import TrainConfig, train

    def make(folder: Path) -> None:
        inputs = {"manifest": str(drawn.manifest), "images": str(drawn.images), "out": str(folder / "bundle")}
        train(TrainConfig.model_validate({**inputs, **small_training, "epochs": 10, "frozen_epochs": 1}))

    return once("trained", make) / "bundle"


@pytest.fixture(scope="session")
def run_dir(trained: Path, drawn: Drawn, once: Once) -> Path:
    """A run of that bundle over the catalogue that trained it."""
    from tagger import TagConfig, tag

    def make(folder: Path) -> None:
        inputs = {"manifest": str(drawn.manifest), "images": str(drawn.images)}
        tag(TagConfig.model_validate({**inputs, "model": str(trained), "out": str(folder / "run")}))

    return once("tagged", make) / "run"
