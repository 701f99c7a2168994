"""The notebook's tagger: what it takes, which engine it chooses, and when it chooses again."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagger.engines.choose import ENOUGH_IMAGES, engine_names
from tagger.engines.measured import store_measured
from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.run import EngineCheck
from tagger.schemas.documents.taxonomy import Level
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
    store_measured(folder, bundle.card, "cpu", 5000, check)
    notebook = Tagger.load(folder.path)
    notebook.tag([image])
    assert notebook.engine == check.model_copy(update={"earlier": True})


def test_a_runs_engine_is_taken_as_it_is_or_chosen_where_this_machine_cannot_run_it(bundle: Bundle) -> None:
    image = encoded(picture(24, 32))
    of_run = EngineCheck(engine=engine_names("cpu")[0], images=512, agreement=0.998)
    notebook = Tagger(bundle, of_run)
    notebook.tag([image])
    assert notebook.engine == of_run
    foreign = Tagger(bundle, EngineCheck(engine="openvino-cpu-int3", images=512))
    foreign.tag([image])
    assert foreign.engine == EngineCheck(engine="torch-cpu-float32")


@pytest.mark.parametrize("alone", ["one.jpg", Path("one.jpg"), b"the bytes of one", Image.new("RGB", (9, 9))])
def test_one_image_alone_is_refused_instead_of_being_taken_apart(bundle: Bundle, alone: object) -> None:
    with pytest.raises(TypeError, match="give a list of images, even for one"):
        Tagger(bundle).tag(alone)  # type: ignore[arg-type]


def test_any_iterable_of_paths_and_bytes_is_tagged(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(encoded(picture(24, 32)))
    rows = Tagger(bundle).tag(image for image in (path, path.read_bytes(), str(path)))
    assert rows["id"].tolist() == [str(path), "1", str(path)]
    assert rows["errorCode"].isna().all()


def test_what_is_neither_a_path_nor_bytes_is_told_with_its_type(bundle: Bundle) -> None:
    with pytest.raises(TypeError, match=r"images\[1\] is of type Image; give the path .* or the bytes"):
        Tagger(bundle).tag([b"", Image.new("RGB", (9, 9))])  # type: ignore[list-item]


def test_an_address_is_a_row_that_says_what_can_be_read(bundle: Bundle) -> None:
    (row,) = Tagger(bundle).tag(["s3://shop/one.jpg"]).to_dict("records")
    assert row["errorMessage"] == "s3://shop/one.jpg is an address; Tagger reads local files and bytes only"


def test_too_few_ids_are_told_as_ids_alone(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match=r"^ids: there are 1 for 2 images; give one for each image$"):
        Tagger(bundle).tag([b"", b""], ids=["a"])
    with pytest.raises(ValueError, match=r"^known_masters: there are 3 for 2 images"):
        Tagger(bundle).tag([b"", b""], known_masters=[None] * 3)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("engine", "onnx", "engine: 'onnx' is none of auto, openvino-cpu-float16"),
        ("device", "gpu", "device: 'gpu' is none of auto, cpu and cuda"),
        ("accept_above", {"articletype": 0.9}, "accept_above: 'articletype' is none of .* mean articleType"),
        ("accept_above", {"articleType": 9}, "accept_above: 9 is out of range; it must be 1 or less"),
        ("accept_above", {"articleType": float("nan")}, "accept_above: nan"),
    ],
)
def test_a_wrong_setting_is_told_when_the_bundle_is_loaded(
    bundle: Bundle, tmp_path: Path, argument: str, value: object, message: str
) -> None:
    bundle.save(Location(str(tmp_path)))
    with pytest.raises(UsageError, match=message):
        Tagger.load(tmp_path, **{argument: value})  # type: ignore[arg-type]


def test_a_missing_bundle_is_told_by_the_name_of_the_argument(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^bundle: there is no bundle"):
        Tagger.load(tmp_path / "none")


def test_levels_are_named_by_text_or_by_level(bundle: Bundle) -> None:
    image = encoded(picture(24, 32))
    by_text = Tagger(bundle, accept_above={"masterCategory": 0, "articleType": 0}).tag([image])
    by_level = Tagger(bundle, accept_above=dict.fromkeys(Level, 0.0)).tag([image])
    assert by_text["reviewReasons"].map(list).tolist() == by_level["reviewReasons"].map(list).tolist()
    assert by_text["decision"].tolist() == by_level["decision"].tolist()
