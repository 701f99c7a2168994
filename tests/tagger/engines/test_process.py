"""The process that chooses an engine beside the command."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.engines.choice_progress import ChoiceProgress, Watch, unwatched
from tagger.engines.choose import ENOUGH_IMAGES, engine_names, prepare
from tagger.engines.measured import load_measured
from tagger.engines.process import ChosenEngine, EngineProcess, EngineRequest
from tagger.engines.sample import RunSample
from tagger.errors import InputError, TaggerError, UsageError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.runs.staging import shard_of, stage
from tagger.schemas.documents.run import EngineCheck
from tagger.tagging.on_ray import choose_engine_on_ray
from tests.builders import catalog_of

pytestmark = pytest.mark.slow


@pytest.fixture
def engine_request(drawn: Drawn, bundle: Bundle, tmp_path: Path) -> EngineRequest:
    manifest, store = catalog_of(drawn.manifest, drawn.images)
    staged = stage(manifest, store, Location(str(tmp_path / "w")), Location(str(tmp_path / "r")), 100)
    shards = [shard_of(Location(str(tmp_path / "w")), n) for n in range(staged.shards)]
    return EngineRequest(bundle, "auto", 0, RunSample(shards, store, bundle.card, 10**8), None)


def choose(engine_request: EngineRequest, device: str = "cpu", watch: Watch = unwatched) -> ChosenEngine | None:
    process = EngineProcess()
    try:
        return process.choose(engine_request, device, watch)
    finally:
        process.close()


def chosen(engine_request: EngineRequest) -> ChosenEngine:
    answer = choose(engine_request)
    assert answer is not None
    return answer


def test_the_answer_is_an_engine_that_was_measured_on_the_runs_images(
    engine_request: EngineRequest, bundle: Bundle
) -> None:
    engine, check = chosen(engine_request)
    assert check.engine == engine.name
    assert check.images == 278, "all but the missing and the truncated one"
    images = next(engine_request.sample.pieces())[:20]
    expected = prepare(bundle, engine.name, 16).start().run(images)[0]
    assert np.array_equal(engine.start().run(images)[0], expected)


def is_counted(reports: list[ChoiceProgress], images: int) -> bool:
    """Whether reading and running are reported, each from the first image on and never backwards."""
    steps = {progress.step: [p.done for p in reports if p.step == progress.step] for progress in reports}
    return [*steps][:3] == ["reading", "timing engines", "running torch-cpu-float32"] and all(
        counts[0] == 0 and counts == sorted(counts) and (step in ("reading", "timing engines") or counts[-1] == images)
        for step, counts in steps.items()
    )


def test_how_far_the_choice_is_comes_from_the_process_in_images(engine_request: EngineRequest) -> None:
    reports: list[ChoiceProgress] = []
    answer = choose(engine_request, watch=reports.append)
    assert answer
    assert is_counted(reports, answer[1].images)
    assert {progress.images for progress in reports if progress.step == "reading"} == {280}
    assert reports[-1].step == f"running {answer[0].name}"


@pytest.mark.usefixtures("embedded_ray")
def test_a_choice_on_a_cluster_is_the_same_and_says_how_far_it_is(engine_request: EngineRequest) -> None:
    reports: list[ChoiceProgress] = []
    engine, check = choose_engine_on_ray(engine_request, "cpu", reports.append)
    assert (engine.name, check.images) == (check.engine, 278), "which one is quickest differs from time to time"
    assert reports[0].step == "reading"
    named = replace(engine_request, requested=engine.name)
    assert choose_engine_on_ray(named, "cpu")[1] == named.choose("cpu")[1]
    with pytest.raises(UsageError, match="this machine runs"):
        choose_engine_on_ray(replace(engine_request, requested="openvino-cpu-int8"), "cpu")


def test_a_run_that_goes_on_keeps_its_engine(engine_request: EngineRequest) -> None:
    previous = EngineCheck(engine=engine_names("cpu")[-1], images=7, agreement=1.0)
    engine, check = chosen(replace(engine_request, previous=previous))
    assert (engine.name, check) == (previous.engine, previous)


def test_what_many_images_showed_is_kept_for_later_runs(engine_request: EngineRequest, tmp_path: Path) -> None:
    folder = Location(str(tmp_path / "bundle"))
    engine_request.bundle.save(folder)
    few = replace(
        engine_request, sample=replace(engine_request.sample, shards=engine_request.sample.shards[-1:]), folder=folder
    )
    assert len(next(few.sample.pieces())) < ENOUGH_IMAGES
    assert few.choose("cpu")[1] == EngineCheck(engine="torch-cpu-float32")
    many = replace(engine_request, folder=folder, images=280)
    _, check = many.choose("cpu")
    assert not check.earlier
    assert load_measured(folder, engine_request.bundle.card, "cpu", 280) == check
    steps: list[str] = []
    for later in (few, many):
        _, again = later.choose("cpu", lambda progress: steps.append(progress.step))
        assert again == check.model_copy(update={"earlier": True})
    assert steps == [], "no image is read"
    assert not replace(many, images=561).choose("cpu")[1].earlier, "twice as many are measured on again"


def test_a_gpu_is_left_to_the_workers(engine_request: EngineRequest) -> None:
    assert choose(engine_request, "cuda") is None


def test_what_goes_wrong_there_is_raised_here(engine_request: EngineRequest) -> None:
    with pytest.raises(UsageError, match="--engine openvino-cpu-int8: this machine runs"):
        choose(replace(engine_request, requested="openvino-cpu-int8"))
    empty = Bundle(engine_request.bundle.card, b"")
    with pytest.raises(InputError, match="weights do not fit its card"):
        choose(replace(engine_request, bundle=empty))


def test_a_process_that_dies_without_an_answer_is_reported(engine_request: EngineRequest) -> None:
    process = EngineProcess()
    process.close()
    with pytest.raises(TaggerError, match="choosing an engine ended with -9"):
        process.choose(engine_request, "cpu")
