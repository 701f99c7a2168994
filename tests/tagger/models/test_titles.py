"""What titles say of classes, alone and beside an image."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.models.titles import TitleModel, Weights, combined_logits, expand_top_k
from tagger.training.titles import fit_titles

WORDS = ["shirt", "watch", "kurta"]
TYPES = ["Shirts", "Watches", "Kurtas", "Ties"]


def some_titles(count: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    leaves = rng.integers(0, 3, count)
    brands = rng.choice(["Puma", "Élan", "Fabindia"], count)
    return [f"{brand} Women {WORDS[c]} {rng.integers(9)}" for brand, c in zip(brands, leaves, strict=True)], leaves


@pytest.fixture(scope="module")
def model() -> TitleModel:
    return fit_titles("title", "some-model", *some_titles(300), TYPES)


def test_it_names_the_class_that_a_title_names(model: TitleModel) -> None:
    titles, leaves = some_titles(100, seed=1)
    probabilities = model.probabilities(titles)
    assert probabilities.shape == (100, 4)
    assert (probabilities.argmax(axis=1) == leaves).all()
    assert probabilities[:, 3].max() < 1e-4, "nothing was ever of the fourth class"
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(100), abs=1e-5)
    assert model.probabilities(["elan WATCH"]).argmax() == 1, "neither case nor accents matter"
    assert model.probabilities(["Puma wristwatches"]).argmax() == 1, "a word is known by its letters, too"


def test_a_title_that_does_not_name_its_type_is_known_by_its_other_words() -> None:
    rng = np.random.default_rng(0)
    leaves = rng.integers(0, 3, 400)
    hints = ["cotton", "steel", "embroidered"]
    titles = [f"{rng.choice(['Puma', 'Roadster'])} {hints[c]} {WORDS[c]}" for c in leaves]
    model = fit_titles("title", "m", titles, leaves, TYPES)
    assert model.probabilities([f"Nike {hint}" for hint in hints])[range(3), range(3)].min() > 0.75


def test_two_classes_are_distinguished_like_more() -> None:
    titles, leaves = some_titles(300)
    two = leaves < 2
    model = fit_titles("title", "m", [t for t, good in zip(titles, two, strict=True) if good], leaves[two], TYPES[:2])
    assert model.probabilities(["Puma shirt", "Puma watch"]).argmax(axis=1).tolist() == [0, 1]


def test_a_title_without_a_known_word_changes_nothing(model: TitleModel) -> None:
    image = np.array([[0.5, 0.3, 0.1, 0.1]], np.float32)
    titles = ["", "zzz", "shirt"]
    assert model.has_known_word(titles).tolist() == [False, False, True]
    both = model.combined_probabilities(np.repeat(image, 3, axis=0), ["", "zzz", "watch"])
    assert both[:2].argmax(axis=1).tolist() == [0, 0]
    assert both[2].argmax() == 1
    assert both[:2] == pytest.approx(np.repeat(image, 2, axis=0))
    assert model.probabilities(["", "zzz"]) == pytest.approx(np.repeat(model.prior[None], 2, axis=0))
    assert model.probabilities([]).shape == (0, 4)
    assert model.has_known_word([]).shape == (0,)


def test_the_pair_is_bayes_rule() -> None:
    """By hand: 0.6 · 0.1 / 0.5 = 0.12 and 0.4 · 0.9 / 0.5 = 0.72."""
    logits = combined_logits(np.array([[0.6, 0.4]]), np.array([[0.1, 0.9]]), np.array([0.5, 0.5]))
    assert np.exp(logits) == pytest.approx(np.array([[0.12, 0.72]]))
    image, title, prior = np.array([[0.6, 0.4]]), np.array([[0.1, 0.9]]), np.array([0.5, 0.5])
    assert np.exp(combined_logits(image, title, prior, Weights(0, 1, 0))) == pytest.approx(title), "the title alone"


def test_the_rest_of_a_probability_is_spread_over_the_other_leaves() -> None:
    probabilities = expand_top_k(np.array([[2, 0], [1, -1]]), np.array([[0.6, 0.2], [0.7, 0.0]], np.float32), 4)
    assert probabilities == pytest.approx(np.array([[0.2, 0.1, 0.6, 0.1], [0.1, 0.7, 0.1, 0.1]]), abs=1e-6)


def test_it_comes_back_from_a_bundles_folder(model: TitleModel, tmp_path: Path) -> None:
    folder = Location(str(tmp_path))
    with pytest.raises(UsageError, match="tagger titles fits one"):
        TitleModel.load(folder, "some-model")
    calibrated = replace(model, temperature=1.3, weights=Weights(0.6, 1.1, 0.9))
    calibrated.save(folder)
    loaded = TitleModel.load(folder, "some-model")
    assert (loaded.column, loaded.temperature, loaded.weights) == ("title", 1.3, Weights(0.6, 1.1, 0.9))
    assert loaded.digest == calibrated.digest != model.digest
    titles, _ = some_titles(50, seed=2)
    assert loaded.probabilities(titles) == pytest.approx(calibrated.probabilities(titles), abs=2e-3)
    with pytest.raises(InputError, match="it was made for some-model"):
        TitleModel.load(folder, "another-model")
    tensors = safetensors.numpy.load((tmp_path / "titles.safetensors").read_bytes())
    about = json.loads(tensors["about"].tobytes())
    del about["letters"]
    tensors["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    (tmp_path / "titles.safetensors").write_bytes(safetensors.numpy.save(tensors))
    with pytest.raises(InputError, match="another version wrote it; tagger titles fits it again"):
        TitleModel.load(folder, "some-model")
    (tmp_path / "titles.safetensors").write_bytes(b"not this")
    with pytest.raises(InputError, match="not a title model"):
        TitleModel.load(folder, "some-model")
