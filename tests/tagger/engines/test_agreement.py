"""An engine agrees with another one if it finds the same tags where a tag may be accepted."""

import numpy as np
import pytest

from tagger.demo.drawn_catalogue import ARTICLES
from tagger.engines.agreement import agrees, compare, is_certain, reason
from tagger.schemas.documents.run import EngineCheck
from tests.builders import card

CARD = card(list(ARTICLES))
LEAVES = len(CARD.taxonomy.leaves)


def logits(*tops: dict[int, float]) -> np.ndarray:
    """Logits float32 [N, L] that are 0 but for some leaves."""
    outputs = np.zeros((len(tops), LEAVES), np.float32)
    for row, top in enumerate(tops):
        outputs[row, list(top)] = list(top.values())
    return outputs


def test_near_ties_of_images_that_nobody_is_sure_of_do_not_count() -> None:
    sure = [{0: 20.0}] * 8
    reference, other = logits(*sure, {1: 0.51, 2: 0.5}), logits(*sure, {1: 0.5, 2: 0.51})
    check = compare(CARD, "x", reference, other)
    assert (check.images, check.sure_images, check.agreement) == (9, 8, 1.0)
    assert check.same_leaf == pytest.approx(8 / 9)


def test_another_tag_counts_if_one_of_the_two_is_sure_of_its_own() -> None:
    check = compare(CARD, "x", logits({0: 20.0}, {0: 20.0}, {0: 20.0}), logits({0: 20.0}, {1: 20.0}, {1: 0.1}))
    assert check.sure_images == 3
    assert check.agreement == pytest.approx(1 / 3)
    assert check.largest_difference == pytest.approx(20.0)
    assert not agrees(check)


def test_outputs_that_are_not_finite_agree_with_nothing() -> None:
    check = compare(CARD, "x", logits({0: 20.0}), np.full((1, LEAVES), np.nan, np.float32))
    assert (check.agreement, check.same_leaf, check.largest_difference) == (0, 0, None)
    assert not agrees(check)


def test_an_engine_that_is_surer_than_the_reference_is_refused_with_the_difference() -> None:
    reference, other = logits(*[{0: 5.0}] * 300), logits(*[{0: 8.0}] * 300)
    check = compare(CARD, "x", reference, other)
    assert check.agreement == 1
    assert check.confidence_shift > 0.005
    assert not agrees(check)
    assert is_certain(check)
    assert reason(check).startswith("moves the confidences by +")


def test_a_model_that_is_sure_of_nothing_still_has_the_same_most_probable_classes() -> None:
    reference = logits(*[{n % LEAVES: 0.1} for n in range(300)])
    assert agrees(compare(CARD, "x", reference, reference + np.float32(0.001)))
    check = compare(CARD, "x", reference, -reference)
    assert check.sure_images == 0
    assert not agrees(check)
    assert reason(check) == "finds the most probable class of float32 PyTorch on 0.00% of 300 images"


@pytest.mark.parametrize(
    ("others", "images", "fine"),
    [(0, 5, True), (1, 5, True), (2, 5, False), (2, 512, True), (3, 512, False), (1, 0, True)],
)
def test_at_most_half_a_percent_of_other_tags_are_allowed_or_one(others: int, images: int, fine: bool) -> None:
    assert agrees(disagreeing(others, images)) is fine


@pytest.mark.parametrize(
    ("others", "images", "certain"),
    [(0, 0, True), (0, 512, False), (0, 1024, True), (3, 512, False), (20, 512, True), (3, 2048, True)],
)
def test_the_interval_of_an_agreement_says_whether_more_images_are_needed(
    others: int, images: int, certain: bool
) -> None:
    assert is_certain(disagreeing(others, images)) is certain


def disagreeing(others: int, images: int) -> EngineCheck:
    agreement = 1 - others / images if images else 1.0
    return EngineCheck(engine="x", images=images, sure_images=images, agreement=agreement)
