import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.models.bundle import CARD, WEIGHTS, Bundle, model_id
from tagger.models.classifier import restore
from tagger.models.levels import Levels, softmax
from tagger.schemas.documents.bundle import Calibration
from tagger.schemas.documents.taxonomy import Level, Taxonomy

IMAGES = np.random.default_rng(0).integers(0, 256, (11, 48, 36, 3), dtype=np.uint8)


def test_a_saved_bundle_comes_back_the_same(bundle: Bundle, bundle_dir: Path) -> None:
    loaded = Bundle.load(Location(str(bundle_dir)))
    assert loaded == bundle
    assert loaded.card.model_id == model_id(bundle.card, bundle.weights)


def test_a_bundle_holds_nothing_that_can_run_code(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(Location(str(tmp_path)))
    assert {p.name for p in tmp_path.iterdir()} == {CARD, WEIGHTS}
    json.loads((tmp_path / CARD).read_text())


def test_the_model_id_changes_with_weights_and_with_all_that_decides_a_prediction(bundle: Bundle) -> None:
    warmer = bundle.card.model_copy(update={"calibration": Calibration(method="temperature", temperature=2.0)})
    renamed = bundle.card.model_copy(update={"provenance": bundle.card.provenance.model_copy(update={"best_epoch": 9})})
    assert model_id(warmer, bundle.weights) != bundle.card.model_id
    assert model_id(bundle.card, bundle.weights + b"x") != bundle.card.model_id
    assert model_id(renamed, bundle.weights) == bundle.card.model_id


def test_what_is_no_bundle_is_told(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no bundle"):
        Bundle.load(Location(str(tmp_path / "nothing")))
    with pytest.raises(InputError, match=r"is not a bundle: it has no bundle\.json"):
        Bundle.load(Location(str(tmp_path)))
    bundle.save(Location(str(tmp_path)))
    (tmp_path / CARD).write_text("{}")
    with pytest.raises(InputError, match="not a model card"):
        Bundle.load(Location(str(tmp_path)))


def test_a_bundle_that_was_changed_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(Location(str(tmp_path)))
    text = (tmp_path / CARD).read_text()
    (tmp_path / CARD).write_text(text.replace('"temperature": 1.3', '"temperature": 1.4'))
    with pytest.raises(InputError, match="was changed"):
        Bundle.load(Location(str(tmp_path)))


def test_weights_that_do_not_fit_the_card_are_told(bundle: Bundle) -> None:
    smaller = bundle.card.model_copy(update={"taxonomy": Taxonomy.of([("A", "x"), ("B", "y")], {})})
    with pytest.raises(InputError, match="do not fit"):
        restore(Bundle(smaller, bundle.weights))


def test_the_classifier_normalises_as_torchvision_does(bundle: Bundle) -> None:
    model = restore(bundle)
    images = torch.from_numpy(IMAGES)
    scaled = images.permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor(bundle.card.preprocessing.mean).view(1, 3, 1, 1)
    std = torch.tensor(bundle.card.preprocessing.std).view(1, 3, 1, 1)
    expected = model.head(model.backbone((scaled - mean) / std))
    torch.testing.assert_close(model(images)[0], expected, atol=1e-4, rtol=1e-4)


TAXONOMY = Taxonomy.of([("A", "x"), ("A", "y"), ("B", "x"), ("B", "z"), ("C", "w")], {})


def test_levels_are_sums_over_leaves() -> None:
    levels = Levels(TAXONOMY)
    leaf = np.array([[0.1, 0.3, 0.25, 0.05, 0.3]], np.float32)  # A/x A/y B/x B/z C/w
    master, master_confidence, article, type_confidence = levels.choose(leaf)
    assert levels.masters[master[0]] == "A"
    assert master_confidence[0] == pytest.approx(0.4)
    assert levels.types[article[0]] == "x"
    assert type_confidence[0] == pytest.approx(0.35)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-20, 20, width=32), min_size=5, max_size=5), st.floats(0.1, 5))
def test_a_prediction_never_contradicts_its_own_taxonomy(logits: list[float], temperature: float) -> None:
    levels = Levels(TAXONOMY)
    probabilities = softmax(np.array([logits], np.float32), temperature)
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    master, master_confidence, article, type_confidence = levels.choose(probabilities)
    assert (levels.masters[master[0]], levels.types[article[0]]) in TAXONOMY.index
    assert 0 <= type_confidence[0] <= 1
    assert 1 / 3 - 1e-6 <= master_confidence[0] <= 1


def test_of_leaves_gives_both_levels_of_the_truth() -> None:
    levels = Levels(TAXONOMY)
    masters, types = levels.classes_of_leaves(np.arange(5))
    assert [(levels.masters[m], levels.types[t]) for m, t in zip(masters, types, strict=True)] == list(TAXONOMY.index)
    assert levels.masters == TAXONOMY.classes(Level.MASTER_CATEGORY)


def test_what_is_said_of_an_image_does_not_depend_on_the_other_images_of_its_batch() -> None:
    levels = Levels(Taxonomy.of([(f"M{n % 7}", f"type {n}") for n in range(106)], {}))
    logits = np.random.default_rng(0).normal(0, 3, (400, 106)).astype(np.float32)
    together = levels.choose(softmax(logits, 1.1))
    for size in (1, 2, 3, 7, 12, 16, 31):
        for start in range(0, 400, size):
            batch = slice(start, start + size)
            alone = levels.choose(softmax(logits[batch], 1.1))
            assert all(np.array_equal(a, t[batch]) for a, t in zip(alone, together, strict=True))
