"""What a person reads while an engine is chosen."""

from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from tagger.engines.choice_progress import ChoiceProgress
from tagger.engines.process import ChosenEngine, PickledEngine
from tagger.errors import UsageError
from tagger.schemas.documents.run import EngineCheck
from tagger.workflows.tagging_watch import ChoiceBar, wait_for_engine
from tests.tagger.workflows.test_training_watch import Lines


@dataclass
class Told:
    """A choice that is as far as it is told to be."""

    progress: ChoiceProgress | None = None


class EndsAtTheThirdLook:
    """A choice that ends when it is looked at for the third time."""

    def __init__(self, choosing: "Future[ChosenEngine]") -> None:
        self._choosing = choosing
        self._looks = 0

    @property
    def progress(self) -> ChoiceProgress:
        self._looks += 1
        if self._looks == 3:
            check = EngineCheck(engine="torch-cpu-float32")
            self._choosing.set_result((PickledEngine(check.engine, b""), check))
        return ChoiceProgress("reading", 100 * self._looks, 512)


def test_the_choice_of_an_engine_counts_images_step_by_step() -> None:
    reporter, choice = Lines(), Told()
    bar = ChoiceBar(reporter, choice)
    for progress in (
        None,
        ChoiceProgress("reading", 0, 512),
        ChoiceProgress("reading", 200, 512),
        ChoiceProgress("running torch-cpu-float32", 64, 500),
    ):
        choice.progress = progress
        bar.update()
    bar.close()
    assert reporter.lines == [
        "Choosing an engine: 0 starting",
        "Choosing an engine of 512 images: 0 reading",
        "Choosing an engine of 512 images: 200 reading",
        "Choosing an engine of 500 images: 64 running torch-cpu-float32",
    ]


def test_a_choice_on_a_cluster_is_waited_for_with_a_bar() -> None:
    reporter = Lines()
    choosing: Future[ChosenEngine] = Future()
    wait_for_engine(reporter, choosing, EndsAtTheThirdLook(choosing))
    assert reporter.lines[-1] == "Choosing an engine of 512 images: 300 reading"


def test_a_choice_that_fails_is_not_waited_for_any_longer() -> None:
    choosing: Future[ChosenEngine] = Future()
    choosing.set_exception(UsageError("--engine: none"))
    wait_for_engine(Lines(), choosing, Told())
    with pytest.raises(UsageError):
        choosing.result()
