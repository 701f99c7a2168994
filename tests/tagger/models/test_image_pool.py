"""What several images of an item say together."""

import numpy as np

from tagger.confidence.stacking import fit_image_pool
from tagger.models.evidence import stored_top_k
from tagger.models.image_pool import UNFITTED, ImageRows, pool_images
from tagger.models.levels import softmax
from tagger.schemas.documents.bundle import ImagePool

LEAVES = 8


def by_images(logits: list[list[float]]) -> np.ndarray:
    return softmax(np.array([row + [0.0] * (LEAVES - len(row)) for row in logits]), 1.0)


def test_an_item_with_one_image_keeps_what_that_says_to_the_last_digit() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(LEAVES), 4).astype(np.float32)
    rows = ImageRows.of(["a", "b", "b", "c"], np.array([0, 0, 1, 0]))
    pooled = pool_images(probabilities, rows, None)
    np.testing.assert_array_equal(pooled.probabilities[[0, 2]], probabilities[[0, 3]])
    assert pooled.surest[[0, 2]].tolist() == [0, 3]


def test_two_images_that_doubt_elsewhere_agree_on_what_both_hold_possible() -> None:
    probabilities = by_images([[3.0, 3.2, -3.0], [3.0, -3.0, 3.2]])
    pooled = pool_images(probabilities, ImageRows.of(["a", "a"], np.array([0, 1])), None)
    assert probabilities.argmax(axis=1).tolist() == [1, 2]
    assert pooled.probabilities.argmax(axis=1).tolist() == [0]


def test_the_image_that_is_surest_of_the_leaf_stands_for_the_item() -> None:
    probabilities = by_images([[0.1, 0.0], [4.0, 0.0], [0.0, 0.5]])
    pooled = pool_images(probabilities, ImageRows.of(["a"] * 3, np.arange(3)), None)
    assert (int(pooled.probabilities.argmax()), pooled.surest.tolist()) == (0, [1])


def test_without_their_first_image_the_others_have_its_weight_too() -> None:
    probabilities = by_images([[2.0, 0.0], [2.0, 0.0]])
    pool = ImagePool(first=0.7, further=0.3, prior=0.0)
    with_first = pool_images(probabilities, ImageRows.of(["a", "a"], np.array([0, 1])), pool)
    without = pool_images(probabilities, ImageRows.of(["a", "a"], np.array([1, 2])), pool)
    np.testing.assert_allclose(without.probabilities, with_first.probabilities, rtol=1e-5)


def test_fitted_weights_learn_that_the_first_image_says_more() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, LEAVES, 400)
    logits = rng.normal(0, 1, (800, LEAVES))
    logits[np.arange(0, 800, 2), truth] += 3  # the second ones are noise
    probabilities = softmax(logits, 1.0)
    rows = ImageRows.of(np.repeat(np.arange(400), 2), np.tile([0, 1], 400))
    pool = fit_image_pool(probabilities, rows, truth)
    assert pool is not None
    assert pool.first > 3 * pool.further
    right = {name: (pool_images(probabilities, rows, p).probabilities.argmax(axis=1) == truth).mean()
             for name, p in (("fitted", pool), ("unfitted", UNFITTED))}  # fmt: skip
    assert right["fitted"] > right["unfitted"]


def test_few_items_with_several_images_prove_no_weights() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(LEAVES), 60).astype(np.float32)
    rows = ImageRows.of(np.repeat(np.arange(30), 2), np.tile([0, 1], 30))
    assert fit_image_pool(probabilities, rows, np.zeros(30, np.int64)) is None


def test_pooling_sees_no_more_than_what_predictions_store() -> None:
    probabilities = np.random.default_rng(2).dirichlet(np.ones(LEAVES), 2).astype(np.float32)
    rows = ImageRows.of(["a", "a"], np.array([0, 1]))
    pooled, stored = (pool_images(p, rows, None).probabilities for p in (probabilities, stored_top_k(probabilities)))
    np.testing.assert_array_equal(pooled, stored)
