"""What an item shows beside its image: every kind of evidence has its say, and nothing missing breaks a prediction."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest.no_value import NoValue
from tagger.models.evidence import EvidenceModel, Weights, expand_top_k
from tagger.models.titles import TitleModel
from tagger.schemas.tables.prediction import Evidence
from tagger.training.columns import fit_columns

KINDS = list(Evidence)
GENDERS = ["Women", "Men", "Men", "Girls"]


@pytest.fixture(scope="module")
def model() -> EvidenceModel:
    """Four leaves; a title says `first`, and each gender is that of one leaf or two."""
    weight = np.zeros((4, 2), np.float32)
    weight[0, 0] = 6
    prior = np.full(4, 0.25, np.float32)
    titles = TitleModel(("name",), ("first",), ("fir",), np.ones(2, np.float32), weight, np.zeros(4, np.float32), prior)
    leaves = np.arange(400) % 4
    columns = fit_columns({"gender": [GENDERS[leaf] for leaf in leaves]}, leaves, 4, NoValue())
    weights = {kind: Weights((1.0,) * len(kind.witnesses), len(kind.witnesses) - 1.0) for kind in KINDS[1:]}
    return EvidenceModel("some-model", prior, titles, columns, weights)


def fused(
    model: EvidenceModel, has_image: list[bool], titles: list[str | None], genders: list[str | None]
) -> tuple[list[str], np.ndarray]:
    shown = {"name": titles, "gender": genders}
    image = np.repeat(np.array([[0.1, 0.4, 0.3, 0.2]], np.float32), len(titles), axis=0)
    result = model.fuse(image, np.array(has_image), model.hear(shown, len(titles)))
    return [str(KINDS[code]) if code >= 0 else "" for code in result.evidence], result.probabilities


def test_an_item_is_predicted_by_all_that_it_shows(model: EvidenceModel) -> None:
    kinds, probabilities = fused(
        model,
        [True, True, True, True, False, False, False, False],
        ["first", "first", "mute", None, "first", "first", "mute", None],
        ["Women", None, "girls ", "unheard of", "WOMEN", "", "Men", None],
    )
    assert kinds == [
        "image+title+columns", "image+title", "image+columns", "image", "title+columns", "title", "", "",
    ]  # fmt: skip
    assert probabilities[:6].argmax(axis=1).tolist() == [0, 0, 3, 1, 0, 0]
    assert probabilities[0, 0] > probabilities[1, 0], "what agrees makes surer"
    assert probabilities[3] == pytest.approx([0.1, 0.4, 0.3, 0.2])
    assert probabilities[6:] == pytest.approx(np.full((2, 4), 0.25)), "without evidence the image has no say, either"
    assert probabilities[:6].sum(axis=1) == pytest.approx(np.ones(6), abs=1e-5)


def test_a_kind_of_evidence_that_was_never_weighed_falls_back_to_a_poorer_one(model: EvidenceModel) -> None:
    poorer = replace(model, weights={Evidence.IMAGE_AND_TITLE: model.weights[Evidence.IMAGE_AND_TITLE]})
    assert fused(poorer, [True, True, False], ["first", None, "first"], ["Men"] * 3)[0] == ["image+title", "image", ""]


def test_one_item_is_predicted_as_it_is_among_others(model: EvidenceModel) -> None:
    together = fused(model, [True] * 3, ["first", "mute", "first"], ["Men", "Women", None])[1]
    for row, (title, gender) in enumerate([("first", "Men"), ("mute", "Women"), ("first", None)]):
        assert fused(model, [True], [title], [gender])[1].tolist() == together[row : row + 1].tolist()


def test_columns_of_a_manifest_that_lacks_some_say_less(model: EvidenceModel) -> None:
    said = model.hear({"name": ["first"]}, 1)
    assert (said.speaks["title"].tolist(), said.speaks["columns"].tolist()) == ([True], [False])
    assert said.probabilities["columns"] == pytest.approx(model.prior[None])


def test_the_rest_of_a_probability_is_spread_over_the_other_leaves() -> None:
    probabilities = expand_top_k(np.array([[2, 0], [1, -1]]), np.array([[0.6, 0.2], [0.7, 0.0]], np.float32), 4)
    assert probabilities == pytest.approx(np.array([[0.2, 0.1, 0.6, 0.1], [0.1, 0.7, 0.1, 0.1]]), abs=1e-6)


def test_it_comes_back_from_a_bundles_folder(model: EvidenceModel, tmp_path: Path) -> None:
    folder, file = Location(str(tmp_path)), tmp_path / "evidence.safetensors"
    with pytest.raises(UsageError, match="knows images alone; tagger evidence teaches it"):
        EvidenceModel.load(folder, "some-model")
    assert EvidenceModel.load_if_any(folder, "some-model") is None
    (tmp_path / "titles.safetensors").write_bytes(b"of an earlier version")
    with pytest.raises(InputError, match="an earlier version wrote it; tagger evidence teaches it again"):
        EvidenceModel.load_if_any(folder, "some-model")
    weighed = replace(model, weights={Evidence.IMAGE_AND_TITLE: Weights((0.6, 1.1), 0.9, (-0.3, 0.0))})
    weighed.save(folder)
    assert not (tmp_path / "titles.safetensors").exists()
    loaded = EvidenceModel.load(folder, "some-model")
    assert (loaded.names, loaded.weights) == (("name", "gender"), weighed.weights)
    assert loaded.digest == weighed.digest != model.digest
    assert (
        fused(loaded, [True], ["first"], ["Men"])[1].tolist() == fused(weighed, [True], ["first"], ["Men"])[1].tolist()
    )
    with pytest.raises(InputError, match="it was made for some-model"):
        EvidenceModel.load(folder, "another-model")
    tensors = safetensors.numpy.load(file.read_bytes())
    about = json.loads(tensors["about"].tobytes())
    del about["titles"]["letters"]
    tensors["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    file.write_bytes(safetensors.numpy.save(tensors))
    with pytest.raises(InputError, match="another version wrote it; tagger evidence teaches it again"):
        EvidenceModel.load(folder, "some-model")
    file.write_bytes(b"not this")
    with pytest.raises(InputError, match="not a model of titles and columns"):
        EvidenceModel.load(folder, "some-model")
