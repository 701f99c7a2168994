"""What a person reads while a model is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tagger.io.location import Location
from tagger.reporter import Bar
from tagger.training.progress import Progress
from tagger.training.tensorboard import TensorBoardLog
from tagger.workflows.training_watch import TrainingWatch
from tests.tagger.training.test_learner import plan_of

EPOCH = {
    "epoch": 0.0, "train_loss": 1.5, "train_accuracy": 0.4, "val_loss": 1.25, "val_accuracy": 0.5, "val_macro_f1": 0.4,
    "val_master_accuracy": 0.6, "seconds": 2.0, "images_per_s": 1234.4, "waited_share": 0.0, "score": -1.25,
}  # fmt: skip
BEGUN = Progress(epoch=0, epochs=3, step=0, steps=9, loss=0.0, images_per_s=0.0, history=(), resumed=0)


class Lines:
    """A reporter that keeps what it is told, line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(f"! {text}")

    @contextmanager
    def progress(self, label: str, total: float | None, unit: str = "") -> Iterator[Bar]:
        yield LineBar(self.lines, label if total is None else f"{label} of {total:.0f} {unit}".rstrip())


class LineBar:
    """A bar that is a line each time."""

    def __init__(self, lines: list[str], label: str) -> None:
        self._lines = lines
        self._label = label

    def update(self, done: float, note: str = "") -> None:
        self._lines.append(f"{self._label}: {done:.0f} {note}".rstrip())


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def watch(tmp_path: Path, lines: Lines) -> Iterator[TrainingWatch]:
    log = TensorBoardLog(Location(str(tmp_path / "log")))
    with log, TrainingWatch(plan_of(tmp_path), log, lines) as begun:
        yield begun


def test_a_pass_of_a_frozen_backbone_has_a_bar_of_images_and_no_rate(watch: TrainingWatch, lines: Lines) -> None:
    watch.show(replace(BEGUN, images_seen=640, images=1391))
    watch.show(replace(BEGUN, images_seen=1391, images=1391))
    watch.show(replace(BEGUN, step=2, loss=2.03, images_per_s=1011.2))
    assert lines.lines == [
        "Looking at each image once of 1391 images: 640",
        "Looking at each image once of 1391 images: 1391",
        "steps of 27: 2 loss 2.030, 1,011 images/s",
    ]


def test_each_epoch_is_told_once_and_the_last_one_when_all_is_done(watch: TrainingWatch, lines: Lines) -> None:
    watch.show(replace(BEGUN, epoch=1, history=(EPOCH,)))
    watch.show(replace(BEGUN, epoch=1, step=3, loss=1.0, images_per_s=10.0, history=(EPOCH,)))
    watch.finish([EPOCH, {**EPOCH, "epoch": 1.0}])
    told = [line for line in lines.lines if line.startswith("epoch")]
    first = "train loss 1.500, val loss 1.250, val accuracy 50.00%, 1,234 images/s"
    assert told == [f"epoch 1 of 3: {first}", f"epoch 2 of 3: {first}"]
    assert "steps of 27: 12 loss 1.000, 10 images/s, best val loss 1.2500" in lines.lines


def test_a_training_that_goes_on_says_after_which_epoch(watch: TrainingWatch, lines: Lines) -> None:
    watch.show(replace(BEGUN, epoch=1, resumed=1, history=(EPOCH,)))
    assert lines.lines[0] == "Going on after epoch 1 of 3"
