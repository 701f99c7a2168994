"""What a person reads while an engine is chosen."""

from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from tagger.engines.choice_progress import ChoiceProgress
from tagger.engines.process import ChosenEngine, PickledEngine
from tagger.errors import UsageError
from tagger.schemas.documents.run import EngineCheck
from tagger.workflows.tagging_watch import ChoiceBar, wait_for_engine
from tests.tagger.workflows.test_training_watch import Lines


@dataclass
class PendingChoice:
    """A choice whose progress a test sets."""

    progress: ChoiceProgress | None = None
    chosen: "Future[ChosenEngine]" = field(default_factory=Future)


class EndsAtTheThirdLook:
    """A choice that ends when it is looked at for the third time."""

    def __init__(self) -> None:
        self.chosen: Future[ChosenEngine] = Future()
        self._looks = 0

    @property
    def progress(self) -> ChoiceProgress:
        self._looks += 1
        if self._looks == 3:
            check = EngineCheck(engine="torch-cpu-float32")
            self.chosen.set_result((PickledEngine(check.engine, b""), check))
        return ChoiceProgress("reading", 100 * self._looks, 512)


def test_the_choice_of_an_engine_counts_images_step_by_step() -> None:
    reporter, choice = Lines(), PendingChoice()
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
    wait_for_engine(reporter, EndsAtTheThirdLook())
    assert reporter.lines[-1] == "Choosing an engine of 512 images: 300 reading"


def test_a_choice_that_fails_is_not_waited_for_any_longer() -> None:
    choice = PendingChoice()
    choice.chosen.set_exception(UsageError("--engine: none"))
    wait_for_engine(Lines(), choice)
    with pytest.raises(UsageError):
        choice.chosen.result()
