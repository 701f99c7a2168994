"""Witnesses judge labels without having seen them, and confident learning names what they contradict."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tagger.auditing import learning
from tagger.auditing.learning import (
    assign_folds,
    combine_probabilities,
    confident_classes,
    out_of_fold,
    title_features,
    title_probabilities,
)
from tagger.errors import InputError
from tagger.evaluation.metrics import calibration_error


def test_a_class_counts_where_it_is_as_probable_as_it_usually_is() -> None:
    """By hand: the usual probabilities are 0.7 for class 0 and 0.5 for class 1."""
    probabilities = np.array(
        [
            [0.9, 0.1],  # its own
            [0.9, 0.1],
            [0.3, 0.7],  # labelled 0, rather 1
            [0.45, 0.55],  # labelled 1, as usual
            [0.55, 0.45],  # labelled 1; less than what is usual for either
        ],
        np.float32,
    )
    assert confident_classes(probabilities, np.array([0, 0, 0, 1, 1])).tolist() == [0, 0, 1, 1, 1]


def test_a_class_that_nothing_is_labelled_as_contradicts_nothing() -> None:
    probabilities = np.array([[0.2, 0.1, 0.7], [0.1, 0.2, 0.7]], np.float32)
    assert confident_classes(probabilities, np.array([0, 1])).tolist() == [0, 1]


def test_an_item_is_judged_by_a_model_that_has_not_seen_it() -> None:
    """Each item has a feature of its own: a model that had seen it would know its label by heart."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 200)
    features = np.eye(200, dtype=np.float32) * 10
    model = LogisticRegression(C=100)
    learnt = model.fit(features, classes).predict(features)
    fold = assign_folds(classes, np.arange(200), folds=5, seed=0)
    judged = out_of_fold(model, features, classes, 2, fold, seed=0).argmax(axis=1)
    assert (learnt == classes).all()
    assert 0.3 < (judged == classes).mean() < 0.7


def test_folds_have_their_share_of_each_class_and_copies_stay_together() -> None:
    classes = np.repeat([0, 1], [400, 20])
    groups = np.arange(420)
    groups[:10] = 0
    fold = assign_folds(classes, groups, folds=5, seed=0)
    assert len(set(fold[:10])) == 1
    assert np.bincount(fold[classes == 1]).tolist() == [4] * 5
    assert np.bincount(fold[classes == 0]).min() > 65


def test_copies_of_one_picture_do_not_vouch_for_each_others_label() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 100)
    features = (np.eye(3)[classes] * 3 + rng.normal(0, 0.7, (300, 3))).astype(np.float32)
    labels = classes.copy()
    features[:10], labels[:10] = features[0], 1  # ten copies, all wrong alike
    groups = np.arange(300)
    groups[:10] = 0

    def judged(grouped: np.ndarray) -> np.ndarray:
        fold = assign_folds(labels, grouped, folds=5, seed=0)
        model = LogisticRegression(C=100)
        return confident_classes(out_of_fold(model, features, labels, 3, fold, seed=0), labels)[:10]

    assert (judged(groups) == 0).all()


def test_rare_classes_are_all_in_what_a_large_catalogue_is_fitted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "_MAX_FITTED", 100)
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [2000, 1000, 10])
    features = (np.eye(3)[classes] * 4 + rng.normal(0, 0.5, (3010, 3))).astype(np.float32)
    fold = assign_folds(classes, np.arange(3010), folds=5, seed=0)
    probabilities = out_of_fold(LogisticRegression(), features, classes, 3, fold, seed=0)
    assert (probabilities.argmax(axis=1) == classes)[classes == 2].all()


def test_a_class_that_is_in_one_fold_alone_is_not_judged() -> None:
    classes = np.array([0, 1] * 20 + [2, 2])
    fold = np.arange(42) % 5
    fold[40:] = 0
    features = np.eye(3, dtype=np.float32)[classes]
    probabilities = out_of_fold(LogisticRegression(), features, classes, 3, fold, seed=0)
    assert probabilities[40:].tolist() == [[0, 0, 1], [0, 0, 1]]


def test_titles_without_a_word_in_common_are_told() -> None:
    with pytest.raises(InputError, match="--title: no word is in two of these 2 titles"):
        title_features(["one", "two"])


def test_titles_name_what_they_say() -> None:
    rng = np.random.default_rng(0)
    words = ["shirt", "watch", "kurta"]
    classes = rng.integers(0, 3, 300)
    brands = rng.choice(["Puma", "Élan", "Fabindia"], 300)
    titles = [f"{brand} Women {words[c]} {n % 7}" for n, (brand, c) in enumerate(zip(brands, classes, strict=True))]
    titles[5] = ""
    probabilities = title_probabilities(title_features(titles), classes, 3, np.arange(300) % 4, seed=0)
    assert probabilities[5] == pytest.approx(np.bincount(classes) / 300), "without a word, what is usual"
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-4)
    assert (np.delete(probabilities.argmax(axis=1), 5) == np.delete(classes, 5)).all()


def test_two_witnesses_are_better_than_either_and_as_sure_as_they_are_right() -> None:
    """Both of them see the truth through noise of their own, and a part of what they see is the same noise."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, 20_000)
    shared = rng.normal(0, 0.6, (20_000, 4))

    def seen(noise: float) -> np.ndarray:
        scores = np.eye(4)[classes] * 2 + shared + rng.normal(0, noise, (20_000, 4))
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)

    image, title = seen(1.0), seen(0.8)
    both = combine_probabilities(image, title, classes)

    def accuracy(p: np.ndarray) -> float:
        return float((p.argmax(axis=1) == classes).mean())

    assert accuracy(both) > max(accuracy(image), accuracy(title)) + 0.02
    assert calibration_error(both.max(axis=1), both.argmax(axis=1) == classes) < 0.02
