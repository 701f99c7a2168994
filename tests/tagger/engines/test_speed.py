"""Engines are ordered by their speed on this machine."""

import time

import numpy as np

from tagger.engines.base import UnsuitableError
from tagger.engines.choice_progress import ChoiceProgress
from tagger.engines.speed import quickest_first

IMAGES = np.zeros((100, 4, 4, 3), np.uint8)


class Waiting:
    """An engine that takes a while."""

    def __init__(self, seconds: float, name: str = "x") -> None:
        self.name = name
        self.calls: list[int] = []
        self._seconds = seconds

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        self.calls.append(len(images))
        time.sleep(self._seconds)
        return np.zeros((len(images), 1)), np.zeros((len(images), 1))


class Broken(Waiting):
    """An engine that fails."""

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        super().run(images)
        raise UnsuitableError("cannot run this model")


def test_the_quickest_comes_first_and_what_fails_before_it_after_one_attempt() -> None:
    engines = {"slow": Waiting(0.05), "quick": Waiting(0.0), "broken": Broken(0.01), "middling": Waiting(0.02)}
    reports: list[ChoiceProgress] = []
    assert quickest_first(engines, IMAGES, reports.append) == ["broken", "quick", "middling", "slow"]
    assert len(engines["broken"].calls) == 1
    assert set(engines["slow"].calls) == {64}
    assert [progress.done for progress in reports] == [0, 64, 128, 192, 256]
