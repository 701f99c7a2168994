"""Attributes: what their witnesses say together, and the file that keeps them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.models.attributes import FILE, Attribute, AttributesModel, LeavesSaid, features_of
from tagger.models.columns import Column, ColumnsModel
from tagger.models.evidence import Said, Weights
from tagger.schemas.tables.prediction import Evidence

LEAVES, TYPES = 3, 2
PRIOR = np.array([0.5, 0.3, 0.2], np.float32)
ALL = Weights((1.0, 1.0), 1.0)


def an_attribute(name: str = "colour", features: int = 4) -> Attribute:
    """Three values, of which the second type has the first two alone; with a column of whether it is dark."""
    rng = np.random.default_rng(0)
    ratio = np.log(np.array([[2.0, 0.5, 0.5], [0.5, 2.0, 2.0]], np.float32))
    column = Column("dark", ("yes", "no"), (), ratio, ("7",))
    return Attribute(
        name, ("black", "white", "red"), PRIOR, np.full((LEAVES, 3), 1 / 3, np.float32),
        np.array([[True, True, True], [True, True, False]]),
        rng.normal(size=(3, features)).astype(np.float32), np.zeros(3, np.float32),
        rng.normal(size=(3, 5)).astype(np.float16).astype(np.float32), np.zeros(3, np.float32),
        ColumnsModel((column,), PRIOR),
        {Evidence.IMAGE: ALL, Evidence.IMAGE_AND_COLUMNS: Weights((1.0, 1.0, 1.0), 2.0), Evidence.TITLE: ALL},
    )  # fmt: skip


def taken_for(types: list[int]) -> LeavesSaid:
    leaves = np.tile([0, 1, -1], (len(types), 1))
    return LeavesSaid(leaves, np.tile(np.array([0.6, 0.3, 0.0], np.float32), (len(types), 1)), np.array(types))


def test_a_model_is_read_as_it_was_written_and_by_its_own_bundle_alone(tmp_path: Path) -> None:
    model = AttributesModel("m", "words", (an_attribute(), replace(an_attribute("size"), title_weight=None)))
    folder = Location(str(tmp_path))
    assert AttributesModel.load_if_any(folder, "m") is None
    model.save(folder)
    read = AttributesModel.load_if_any(folder, "m")
    assert read is not None
    assert (read.digest, read.evidence_digest, read.names) == (model.digest, "words", ("colour", "size"))
    features = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float16)
    assert (read.by_image(features) == model.by_image(features)).all()
    assert read.attributes[0].weights == model.attributes[0].weights
    assert read.attributes[1].title_weight is None
    with pytest.raises(InputError, match="it was made for m, and the bundle is another"):
        AttributesModel.load_if_any(folder, "another")
    (tmp_path / FILE).write_bytes(b"no model")
    with pytest.raises(InputError, match="not a model of attributes of this version"):
        AttributesModel.load_if_any(folder, "m")


def test_probabilities_by_an_image_do_not_depend_on_the_others() -> None:
    model = AttributesModel("m", "", (an_attribute("a", 300), an_attribute("b", 300)))
    features = np.random.default_rng(1).normal(size=(64, 300)).astype(np.float16)
    together = model.by_image(features)
    assert together.shape == (64, model.size) == (64, 6)
    assert (together == np.concatenate([model.by_image(features[n : n + 1]) for n in range(64)])).all()
    for part in model.slices:
        assert together[:, part].astype(np.float64).sum(axis=1) == pytest.approx(1, abs=2e-3)


def test_an_item_is_predicted_by_all_that_it_shows_and_by_nothing_else() -> None:
    one = an_attribute()
    image = np.tile(np.array([0.1, 0.1, 0.8], np.float16), (4, 1))
    has_image = np.array([True, True, False, False])
    by_columns = one.hear(Said({}, {}), {"dark": ["yes", None, "7", "yes"]}, 4)
    assert by_columns.speaks["columns"].tolist() == [True, False, False, True]
    valued = one.fuse(image, has_image, by_columns, taken_for([0] * 4))
    names = list(Evidence)
    assert [names[code] for code in valued.evidence[:2]] == [Evidence.IMAGE_AND_COLUMNS, Evidence.IMAGE]
    assert valued.evidence[2:].tolist() == valued.value[2:].tolist() == [-1, -1], "columns alone were never weighed"
    assert valued.value[:2].tolist() == [2, 2]
    assert valued.confidence[0] < valued.confidence[1], "the column speaks for black"


def test_a_value_that_no_item_of_its_article_type_has_is_ruled_out() -> None:
    image = np.tile(np.array([0.15, 0.05, 0.8], np.float16), (2, 1))
    valued = an_attribute().fuse(image, np.ones(2, bool), Said({}, {}), taken_for([0, 1]))
    assert valued.value.tolist() == [2, 0]
    assert valued.confidence[1] == pytest.approx(0.105 / 0.160, abs=0.01), "of what is left"


def test_what_an_item_is_taken_for_is_a_witness_too() -> None:
    by_leaf = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]], np.float32)
    one = replace(an_attribute(), by_leaf=by_leaf)
    said = one.of_leaves(taken_for([0]))
    assert said[0] == pytest.approx(0.6 * by_leaf[0] + 0.3 * by_leaf[1] + 0.1 * PRIOR, abs=1e-6)


def test_features_keep_what_the_embeddings_of_a_run_keep() -> None:
    vectors, layouts = np.array([[0.1, 0.2]], np.float32), np.array([[3, 4, 5]], np.float16)
    assert features_of(vectors, layouts).dtype == np.float16
    assert features_of(vectors, layouts).shape == (1, 5)
