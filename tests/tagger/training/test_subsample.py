"""Classifiers of titles learn from a draw where there are too many."""

import logging

import numpy as np
import pytest

from tagger.manifest.no_value import NoValue
from tagger.models.bundle import Bundle
from tagger.training import titles as training
from tagger.training.attributes import Examples, fit_attribute
from tagger.training.subsample import subsample
from tagger.training.titles import fit_titles

TYPES = ["Shirts", "Watches", "Ties"]
CLASSES = np.repeat([0, 1, 2], [700, 290, 10])


def some_titles() -> list[str]:
    rng = np.random.default_rng(0)
    return [f"{rng.choice(['Puma', 'Nike'])} {TYPES[leaf]} {rng.integers(9)}" for leaf in CLASSES]


def test_a_draw_has_all_items_of_rare_classes_and_the_others_by_their_shares() -> None:
    drawn = CLASSES[subsample(np.arange(1000), CLASSES, 100, np.random.default_rng(0))]
    assert len(drawn) == 100
    counts = np.bincount(drawn)
    assert counts[2] == 10
    assert counts[0] > counts[1] > 16
    few = np.arange(100)
    assert subsample(few, CLASSES, 100, np.random.default_rng(0)) is few


def test_of_too_many_titles_some_are_learnt_and_the_number_of_the_others_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(training, "MOST_TITLES", 100)
    with caplog.at_level(logging.INFO):
        model = fit_titles(["title"], some_titles(), CLASSES, TYPES)
    assert "Learning titles from 100 titles, with all of rare classes; 900 are left out" in caplog.text
    assert model.prior == pytest.approx([0.7, 0.29, 0.01]), "the shares are those of all"
    assert model.read([f"Puma {name}" for name in TYPES])[0].argmax(axis=1).tolist() == [0, 1, 2]


def test_the_words_of_titles_that_are_left_out_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    titles = [f"{title} {n // 2}" for n, title in enumerate(some_titles())]
    words = len(fit_titles(["title"], titles, CLASSES, TYPES).words)
    monkeypatch.setattr(training, "MOST_TITLES", 100)
    assert len(fit_titles(["title"], titles, CLASSES, TYPES).words) < words / 4


def test_an_attribute_learns_from_as_many_titles(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = fit_titles(["title"], some_titles(), CLASSES, TYPES)
    vectors = model.vectors(some_titles())
    features = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float16)
    examples = Examples(CLASSES, CLASSES % 2, features, np.arange(1000), vectors, {})
    monkeypatch.setattr(training, "MOST_TITLES", 100)
    with caplog.at_level(logging.INFO):
        one = fit_attribute("kind", TYPES, bundle.card.taxonomy, examples, NoValue())
    assert "Learning kind from 100 titles, with all of rare classes; 900 are left out" in caplog.text
    assert one.title_weight is not None and one.title_bias is not None
    assert (vectors.logits(one.title_weight, one.title_bias).argmax(axis=1) == CLASSES).all()
