"""An answer is passed on to look-alikes where the catalogue's labels show that this is right, and only there."""

import numpy as np
import pytest

from tagger.review.learning.material import NO_LEAF, Labelled, Waiting
from tagger.review.learning.propagation import Propagation
from tests.tagger.review.learning.drawn import unsure, vectors_of


def drawn(spread: float = 0.35, labelled: int = 1600) -> tuple[Labelled, Waiting, np.ndarray]:
    """Labelled items and 200 that wait, with the true leaves of these."""
    rng = np.random.default_rng(0)
    leaves, truth = rng.integers(0, 4, labelled), rng.integers(0, 4, 200)
    vectors = vectors_of(truth, spread, rng)
    waiting = Waiting(tuple(f"w{n}" for n in range(200)), vectors, unsure(200), np.ones(200, bool))
    return Labelled(vectors_of(leaves, spread, rng), leaves), waiting, truth


def everything(labelled: Labelled) -> np.ndarray:
    """All labelled items, bool [M]."""
    return np.ones(len(labelled.leaves), bool)


def test_an_answer_is_offered_to_its_own_cluster_with_a_bound_above_the_target() -> None:
    labelled, waiting, truth = drawn()
    propagation = Propagation(labelled, everything(labelled), target=0.95)
    offer = propagation.offer(waiting.vectors[0], int(truth[0]), waiting)
    assert offer is not None
    named = [int(item[1:]) for item in offer.ids]
    assert set(named) == set(np.flatnonzero(truth == truth[0]))
    assert list(offer.cosines) == sorted(offer.cosines, reverse=True)
    assert offer.cosines[-1] >= offer.measured.cosine
    assert offer.measured.precision >= offer.measured.at_least >= 0.95


def test_a_wrong_answer_is_not_passed_on() -> None:
    labelled, waiting, truth = drawn()
    propagation = Propagation(labelled, everything(labelled), target=0.95)
    for number in range(50):
        wrong = int(truth[number] + 1) % 4
        assert propagation.offer(waiting.vectors[number], wrong, waiting) is None


def test_nothing_is_offered_where_the_labels_are_shuffled() -> None:
    labelled, waiting, truth = drawn()
    shuffled = Labelled(labelled.vectors, np.random.default_rng(1).permutation(labelled.leaves))
    propagation = Propagation(shuffled, everything(shuffled), target=0.8, agreeing=3)
    assert [propagation.reach.of(leaf) for leaf in range(4)] == [None] * 4
    assert propagation.offer(waiting.vectors[0], int(truth[0]), waiting) is None


def test_a_class_whose_labels_are_often_wrong_is_not_passed_on_though_the_others_are() -> None:
    """A fifth of what lies in the first cluster has a label of the second, so five agree there, too, now and then."""
    labelled, _, _ = drawn(labelled=4000)
    leaves = labelled.leaves.copy()
    of_first = np.flatnonzero(leaves == 0)
    leaves[of_first[np.random.default_rng(0).random(len(of_first)) < 0.2]] = 1
    propagation = Propagation(Labelled(labelled.vectors, leaves), everything(labelled), target=0.95)
    assert propagation.reach.of(0) is None
    assert propagation.reach.of(2) is not None


def test_precision_is_that_of_the_labelled_items_that_would_wait() -> None:
    """Half of the items are easy; in the other half, a third has another label than its look-alikes."""
    labelled, _, _ = drawn(labelled=4000)
    hard = np.arange(4000) >= 2000
    rng = np.random.default_rng(0)
    leaves = np.where(hard & (rng.random(4000) < 0.33), rng.integers(0, 4, 4000), labelled.leaves)
    mixed = Labelled(labelled.vectors, leaves)
    assert all(Propagation(mixed, ~hard, target=0.9, agreeing=3).reach.of(leaf) for leaf in range(4))
    assert not any(Propagation(mixed, hard, target=0.9, agreeing=3).reach.of(leaf) for leaf in range(4))


def test_too_few_labelled_items_of_any_class_show_nothing() -> None:
    labelled, waiting, truth = drawn(labelled=60)
    propagation = Propagation(labelled, everything(labelled), target=0.95)
    assert propagation.reach.by_leaf == {}
    assert propagation.offer(waiting.vectors[0], int(truth[0]), waiting) is None


def test_classes_with_few_items_are_measured_together() -> None:
    labelled, waiting, truth = drawn(labelled=480)
    propagation = Propagation(labelled, everything(labelled), target=0.95)
    assert propagation.reach.by_leaf == {}
    assert propagation.reach.others is not None
    assert propagation.offer(waiting.vectors[0], int(truth[0]), waiting) is not None


def test_items_that_may_not_leave_and_answers_without_a_class_are_left_out() -> None:
    labelled, waiting, truth = drawn()
    propagation = Propagation(labelled, everything(labelled), target=0.95)
    assert propagation.offer(waiting.vectors[0], NO_LEAF, waiting) is None
    held = Waiting(waiting.ids, waiting.vectors, waiting.probabilities, np.zeros(200, bool))
    assert propagation.offer(waiting.vectors[0], int(truth[0]), held) is None


def test_copies_of_an_image_do_not_count_as_look_alikes_that_agree_on_a_label() -> None:
    """Every item has three copies with its own label; but for copies, labels are noise."""
    rng = np.random.default_rng(0)
    vectors, leaves = vectors_of(rng.integers(0, 4, 500), 0.6, rng), rng.integers(0, 4, 500)
    copied = Labelled(np.repeat(vectors, 4, axis=0), np.repeat(leaves, 4))
    propagation = Propagation(copied, everything(copied), target=0.6, agreeing=3)
    assert [propagation.reach.of(leaf) for leaf in range(4)] == [None] * 4


def test_what_cannot_be_measured_is_refused() -> None:
    labelled, _, _ = drawn()
    with pytest.raises(ValueError, match="look-alikes need 6"):
        Propagation(Labelled(labelled.vectors[:5], labelled.leaves[:5]), np.ones(5, bool), target=0.95)
    with pytest.raises(ValueError, match="target"):
        Propagation(labelled, everything(labelled), target=1.0)
