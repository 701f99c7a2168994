"""Image, title and columns are weighed against each other by what they were worth on held-out items."""

import numpy as np
import pytest

from tagger.confidence.stacking import fit_weights
from tagger.models.evidence import Weights, bayes, surety_in, weighted_logits
from tagger.models.levels import softmax
from tagger.schemas.tables.prediction import Evidence

BOTH = Evidence.IMAGE_AND_TITLE
PRIOR = np.full(5, 0.2)


def loss(parts: list[np.ndarray], weights: Weights, leaves: np.ndarray) -> float:
    both = softmax(weighted_logits(parts, PRIOR, weights, surety_in(parts, BOTH)), 1.0)
    return float(-np.log(both[np.arange(len(leaves)), leaves]).mean())


def test_a_witness_that_claims_more_than_it_knows_weighs_less() -> None:
    rng = np.random.default_rng(0)
    leaves = rng.integers(0, 5, 3000)
    evidence = np.eye(5)[leaves] * 2 + rng.normal(size=(2, 3000, 5)) * 0.8
    image, title = softmax(evidence[0], 0.25), softmax(evidence[1], 1.0)  # the image is four times too sure
    weights = fit_weights([image[:1500], title[:1500]], BOTH, PRIOR, leaves[:1500])
    of_image, of_title = weights.witnesses
    assert of_image < 0.5 * of_title
    rest = [image[1500:], title[1500:]]
    assert loss(rest, weights, leaves[1500:]) < 0.8 * loss(rest, Weights((1.0, 1.0), 1.0), leaves[1500:])


def test_the_image_is_heard_less_where_the_title_names_the_class_and_more_where_it_does_not() -> None:
    rng = np.random.default_rng(0)
    leaves = rng.integers(0, 5, 4000)
    names_it = rng.random(4000) < 0.7
    title = np.full((4000, 5), 0.2)
    title[names_it] = 0.0005
    title[names_it, leaves[names_it]] = 0.998
    # the image is as sure as ever of another class where the title names it: sellers photograph the whole outfit
    seen = np.where(names_it, rng.integers(0, 5, 4000), leaves)
    image = np.full((4000, 5), 0.0001)
    image[np.arange(4000), seen] = 0.9996
    weights = fit_weights([image[:2000], title[:2000]], BOTH, PRIOR, leaves[:2000])
    assert weights.when_sure, "one weight for both kinds of titles cannot be right"
    unsure, change = weights.witnesses[0], weights.when_sure[0]
    assert unsure + change < 0.5 * unsure
    joined = weighted_logits(
        [image[2000:], title[2000:]], PRIOR, weights, surety_in([image[2000:], title[2000:]], BOTH)
    )
    assert (joined.argmax(axis=1) == leaves[2000:]).mean() > 0.99


def test_a_single_witness_is_calibrated_and_two_items_that_are_right_prove_no_certainty() -> None:
    rng = np.random.default_rng(0)
    leaves = rng.integers(0, 5, 1000)
    too_sure = softmax(np.eye(5)[leaves] * 2 + rng.normal(size=(1000, 5)) * 1.5, 0.25)
    alone = fit_weights([too_sure], Evidence.TITLE, PRIOR, leaves)
    assert alone.witnesses[0] < 0.6
    few = np.flatnonzero(too_sure.argmax(axis=1) == leaves)[:2]
    two = fit_weights([too_sure[few], too_sure[few]], BOTH, PRIOR, leaves[few])
    assert 0 < two.witnesses[0] < 1
    assert two.when_sure == ()


def test_without_weights_it_is_bayes_rule() -> None:
    """By hand: 0.6 · 0.1 / 0.5 = 0.12 and 0.4 · 0.9 / 0.5 = 0.72."""
    image, title, prior = np.array([[0.6, 0.4]]), np.array([[0.1, 0.9]]), np.array([0.5, 0.5])
    assert np.exp(bayes([image, title], prior)) == pytest.approx(np.array([[0.12, 0.72]]))
    assert np.exp(weighted_logits([image, title], prior, Weights((0, 1), 0))) == pytest.approx(title), "the title alone"
