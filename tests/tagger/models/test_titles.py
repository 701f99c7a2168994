"""What titles say of classes."""

from dataclasses import replace

import numpy as np
import pytest

from tagger.models.titles import TitleModel
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
    return fit_titles(["title"], *some_titles(300), TYPES)


def test_it_names_the_class_that_a_title_names(model: TitleModel) -> None:
    titles, leaves = some_titles(100, seed=1)
    probabilities = model.read(titles)[0]
    assert probabilities.shape == (100, 4)
    assert (probabilities.argmax(axis=1) == leaves).all()
    assert probabilities[:, 3].max() < 1e-4, "nothing was ever of the fourth class"
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(100), abs=1e-5)
    assert model.read(["elan WATCH"])[0].argmax() == 1, "neither case nor accents matter"
    assert model.read(["Puma wristwatches"])[0].argmax() == 1, "a word is known by its letters, too"


def test_a_title_that_does_not_name_its_type_is_known_by_its_other_words() -> None:
    rng = np.random.default_rng(0)
    leaves = rng.integers(0, 3, 400)
    hints = ["cotton", "steel", "embroidered"]
    titles = [f"{rng.choice(['Puma', 'Roadster'])} {hints[c]} {WORDS[c]}" for c in leaves]
    model = fit_titles(["title"], titles, leaves, TYPES)
    assert model.read([f"Nike {hint}" for hint in hints])[0][range(3), range(3)].min() > 0.75


def test_two_classes_are_distinguished_like_more() -> None:
    titles, leaves = some_titles(300)
    two = leaves < 2
    model = fit_titles(["title"], [t for t, good in zip(titles, two, strict=True) if good], leaves[two], TYPES[:2])
    assert model.read(["Puma shirt", "Puma watch"])[0].argmax(axis=1).tolist() == [0, 1]


def test_a_title_without_a_known_word_says_nothing_and_several_columns_are_one_title(model: TitleModel) -> None:
    probabilities, is_known = model.read(["", "zzz", "shirt"])
    assert is_known.tolist() == [False, False, True]
    assert probabilities[:2] == pytest.approx(np.repeat(model.prior[None], 2, axis=0))
    assert [len(part) for part in model.read([])] == [0, 0]
    assert model.read(["Fabindiawear", "Yakurtas"])[1].tolist() == [True, False], "five letters alone may be chance"
    both = replace(model, names=("title", "more"))
    assert both.texts({"title": ["Puma", None], "more": ["watch", "shirt"], "x": ["y", "z"]}, 2) == [
        "Puma watch",
        "shirt",
    ]
    assert both.texts({}, 2) == ["", ""]
