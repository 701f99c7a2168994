"""The process that chooses an engine beside the command."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.engines.choose import ENOUGH_IMAGES, engine_names, prepare
from tagger.engines.measured import last_measured
from tagger.engines.process import Chosen, EngineProcess, Question
from tagger.engines.sample import RunSample
from tagger.errors import InputError, TaggerError, UsageError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.runs.staging import shard_of, stage
from tagger.schemas.documents.run import EngineCheck
from tests.builders import catalog_of


@pytest.fixture
def question(drawn: Drawn, bundle: Bundle, tmp_path: Path) -> Question:
    manifest, store = catalog_of(drawn.manifest, drawn.images)
    staged = stage(manifest, store, Location(str(tmp_path / "w")), Location(str(tmp_path / "r")), 100)
    shards = [shard_of(Location(str(tmp_path / "w")), n) for n in range(staged.shards)]
    return Question(bundle, "auto", 0, RunSample(shards, store, bundle.card, 10**8), None)


def ask(question: Question, device: str = "cpu") -> Chosen | None:
    process = EngineProcess()
    try:
        return process.ask(question, device)
    finally:
        process.close()


def chosen(question: Question) -> Chosen:
    found = ask(question)
    assert found is not None
    return found


def test_the_answer_is_an_engine_that_was_measured_on_the_runs_images(question: Question, bundle: Bundle) -> None:
    engine, check = chosen(question)
    assert check.engine == engine.name
    assert check.images == 278, "all but the missing and the truncated one"
    images = question.sample()[:20]
    expected = prepare(bundle, engine.name, 16).start().run(images)[0]
    assert np.array_equal(engine.start().run(images)[0], expected)


def test_a_run_that_goes_on_keeps_its_engine(question: Question) -> None:
    before = EngineCheck(engine=engine_names("cpu")[-1], images=7, agreement=1.0)
    engine, check = chosen(replace(question, before=before))
    assert (engine.name, check) == (before.engine, before)


def test_what_many_images_showed_is_kept_for_a_run_that_has_few(question: Question, tmp_path: Path) -> None:
    folder = Location(str(tmp_path / "bundle"))
    question.bundle.save(folder)
    few = replace(question, sample=replace(question.sample, shards=question.sample.shards[-1:]), folder=folder)
    assert len(few.sample()) < ENOUGH_IMAGES
    assert few.answer("cpu")[1] == EngineCheck(engine="torch-cpu-float32")
    _, check = replace(question, folder=folder).answer("cpu")
    assert few.answer("cpu")[1] == check
    assert last_measured(folder, question.bundle.card.model_id, "cpu") == check


def test_a_gpu_is_left_to_the_workers(question: Question) -> None:
    assert ask(question, "cuda") is None


def test_what_goes_wrong_there_is_raised_here(question: Question) -> None:
    with pytest.raises(UsageError, match="--engine openvino-cpu-int8: this machine runs"):
        ask(replace(question, requested="openvino-cpu-int8"))
    empty = Bundle(question.bundle.card, b"")
    with pytest.raises(InputError, match="weights do not fit its card"):
        ask(replace(question, bundle=empty))


def test_a_process_that_dies_without_an_answer_is_told(question: Question) -> None:
    process = EngineProcess()
    process.close()
    with pytest.raises(TaggerError, match="choosing an engine ended with -9"):
        process.ask(question, "cpu")
