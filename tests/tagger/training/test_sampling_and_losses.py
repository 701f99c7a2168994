from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from tagger.training.losses import LeafLoss, class_weights
from tagger.training.sampling import epoch_order, leaf_shares

LEAVES = np.repeat([0, 1, 2], [60, 30, 10])
ITEMS = np.array([60, 30, 10])


def drawn(shares: np.ndarray, count: int = 100, seed: int = 0) -> Counter[int]:
    return Counter(LEAVES[epoch_order(LEAVES, shares, count, [seed])].tolist())


def test_uniform_takes_every_item_once_in_another_order_each_epoch() -> None:
    shares = leaf_shares(ITEMS, "uniform")
    first, second = (epoch_order(LEAVES, shares, 100, [seed]) for seed in (1, 2))
    assert sorted(first) == sorted(second) == list(range(100))
    assert list(first) != list(second)
    assert list(first) == list(epoch_order(LEAVES, shares, 100, [1]))


def test_balanced_draws_each_leaf_alike_and_repeats_no_item_before_its_leaf_is_through() -> None:
    order = epoch_order(LEAVES, leaf_shares(ITEMS, "balanced"), 99, [0])
    assert Counter(LEAVES[order].tolist()) == {0: 33, 1: 33, 2: 33}
    times = Counter(order.tolist())
    assert {times[i] for i in range(90, 100)} == {3, 4}
    assert {times[i] for i in range(60)} == {0, 1}


def test_square_root_is_half_the_way() -> None:
    found = drawn(leaf_shares(ITEMS, "sqrt"), 1000)
    roots = np.sqrt(ITEMS)
    assert [found[n] for n in range(3)] == pytest.approx(1000 * roots / roots.sum(), abs=1)


def test_small_leaves_are_drawn_as_if_they_had_more() -> None:
    found = drawn(leaf_shares(ITEMS, "uniform", least=40), 140)
    assert found == {0: 60, 1: 40, 2: 40}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=12).filter(sum), st.integers(1, 300), st.integers(0, 9))
def test_an_epoch_has_as_many_items_as_asked_and_none_of_a_leaf_without_items(
    items: list[int], count: int, seed: int
) -> None:
    leaves = np.repeat(np.arange(len(items)), items)
    for sampling in ("uniform", "sqrt", "balanced"):
        order = epoch_order(leaves, leaf_shares(np.array(items), sampling), count, [seed])  # type: ignore[arg-type]
        assert len(order) == count
        assert order.max() < len(leaves)


LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3], [-2.0, 3.0, 0.0]])
TARGETS = torch.tensor([0, 2, 1])


def test_the_plain_loss_is_cross_entropy_with_and_without_smoothing() -> None:
    for smoothing in (0.0, 0.1):
        expected = cross_entropy(LOGITS, TARGETS, label_smoothing=smoothing)
        torch.testing.assert_close(LeafLoss([6, 3, 1], label_smoothing=smoothing)(LOGITS, TARGETS), expected)


def test_shares_of_leaves_are_targets_too() -> None:
    shares = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])
    torch.testing.assert_close(LeafLoss([6, 3, 1])(LOGITS, shares), cross_entropy(LOGITS, shares))


def test_class_weights_average_to_one_over_the_items() -> None:
    items = torch.tensor([60.0, 30.0, 10.0])
    balanced, root, effective = (class_weights(items, kind) for kind in ("balanced", "sqrt", "effective"))  # type: ignore[arg-type]
    for weights in (balanced, root, effective):
        assert (weights * items).sum() / items.sum() == pytest.approx(1)
    torch.testing.assert_close(balanced, 100 / (3 * items))  # scikit-learn's "balanced"
    torch.testing.assert_close(root / root[0], (60 / items).sqrt())
    torch.testing.assert_close(effective / effective[0], (1 - 0.999**60) / (1 - 0.999 ** items.double()).float())
    weighted = LeafLoss([60, 30, 10], "balanced")(LOGITS, TARGETS)
    each = cross_entropy(LOGITS, TARGETS, reduction="none")
    torch.testing.assert_close(weighted, (each * balanced[TARGETS]).mean())


def test_the_focal_factor_makes_sure_items_count_less() -> None:
    p = LOGITS.softmax(1)[torch.arange(3), TARGETS]
    torch.testing.assert_close(LeafLoss([1, 1, 1], focal_gamma=2)(LOGITS, TARGETS), (-((1 - p) ** 2) * p.log()).mean())


def test_logit_adjustment_adds_the_log_of_the_prior() -> None:
    prior = torch.tensor([0.6, 0.3, 0.1])
    found = LeafLoss([60, 30, 10], logit_adjustment=1.0)(LOGITS, TARGETS)
    torch.testing.assert_close(found, cross_entropy(LOGITS + prior.log(), TARGETS))
