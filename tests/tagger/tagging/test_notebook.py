"""The notebook's tagger: which engine it takes, and when it chooses again."""

from pathlib import Path

import numpy as np

from tagger.engines.choose import ENOUGH_IMAGES, engine_names
from tagger.engines.measured import store_measured
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.run import EngineCheck
from tagger.tagging.notebook import Tagger
from tests.builders import encoded, picture


def test_one_image_is_tagged_in_float32_and_many_choose_the_engine_again(bundle: Bundle) -> None:
    images: list[bytes] = [encoded(picture(24, 32, seed=n)) for n in range(ENOUGH_IMAGES)]
    notebook = Tagger(bundle)
    first = notebook.tag(images[:1])
    assert notebook.engine == EngineCheck(engine="torch-cpu-float32"), "one image proves no other engine right"
    notebook.tag(images[:9])
    assert notebook.engine.engine == "torch-cpu-float32"
    all_of_them = notebook.tag(images)
    assert notebook.engine.images == ENOUGH_IMAGES or notebook.engine.passed_over
    assert np.abs(all_of_them["articleTypeConfidence"][0] - first["articleTypeConfidence"][0]) < 0.05


def test_few_images_are_tagged_with_the_engine_that_the_job_chose(bundle: Bundle, tmp_path: Path) -> None:
    folder, image = Location(str(tmp_path / "bundle")), encoded(picture(24, 32))
    bundle.save(folder)
    check = EngineCheck(engine=engine_names("cpu")[0], images=512, agreement=0.998, largest_difference=0.1)
    store_measured(folder, bundle.card.model_id, "cpu", check)
    notebook = Tagger.load(folder.path)
    notebook.tag([image])
    assert notebook.engine == check


def test_a_runs_engine_is_taken_as_it_is_or_chosen_where_this_machine_cannot_run_it(bundle: Bundle) -> None:
    image = encoded(picture(24, 32))
    of_run = EngineCheck(engine=engine_names("cpu")[0], images=512, agreement=0.998)
    notebook = Tagger(bundle, of_run)
    notebook.tag([image])
    assert notebook.engine == of_run
    foreign = Tagger(bundle, EngineCheck(engine="openvino-cpu-int3", images=512))
    foreign.tag([image])
    assert foreign.engine == EngineCheck(engine="torch-cpu-float32")
