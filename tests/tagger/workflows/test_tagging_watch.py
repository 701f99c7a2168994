"""What a person reads while an engine is chosen."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from tagger.engines.choice_progress import ChoiceProgress
from tagger.engines.process import ChosenEngine, PickledEngine
from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.runs.directory import RunDirectory
from tagger.schemas.documents.run import EngineCheck, RunRecord
from tagger.tagging.worker_pool import Workers
from tagger.workflows import tagging_watch
from tagger.workflows.tagging_watch import ChoiceBar, TaggingWatch, wait_for_engine
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


def test_a_run_that_stands_still_says_so_each_minute_and_what_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(tagging_watch, "time", SimpleNamespace(monotonic=lambda: now[0]))
    reporter, choice = Lines(), PendingChoice()
    record = RunRecord.model_construct(model_id="m", engine=None)
    directory = RunDirectory(Location(str(tmp_path)))
    monkeypatch.setattr(RunDirectory, "write", lambda self, record: None)
    check = EngineCheck(engine="torch-cpu-float32")
    with TaggingWatch(reporter, directory, record, 100, 0, choice, Workers(2, 2, 2), lambda: None) as watch:
        for seconds, rows in ((100, 0), (101, 0), (102, 5), (150, 5), (163, 5), (170, 5), (224, 5), (225, 6), (280, 6)):
            now[0] = seconds
            if seconds == 101:
                choice.chosen.set_result((PickledEngine(check.engine, b""), check))
            watch(rows, "2 workers at work, 0 of 2 engines on GPUs")
    assert [line for line in reporter.lines if line.startswith("!")] == [
        "! No item was tagged in the last 1 min: 2 workers at work, 0 of 2 engines on GPUs",
        "! No item was tagged in the last 2 min: 2 workers at work, 0 of 2 engines on GPUs",
    ], "nothing is said while an engine is chosen"
