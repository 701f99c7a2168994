"""What is not enough to learn from is known from labels and sides alone."""

import pytest

from tagger.dataset.trainable import NO_LABELS, why_unlabelled, why_unsplit, why_untrainable

SHIRTS, SHOES, BAGS = ("Apparel", "Shirts"), ("Footwear", "Shoes"), ("Accessories", "Bags")


@pytest.mark.parametrize(
    ("leaves", "min_items", "words"),
    [
        ({}, 1, [NO_LABELS]),
        ({SHIRTS: 8}, 1, ["8 items", "all of one leaf, Apparel/Shirts", "label items of another leaf"]),
        ({SHIRTS: 1}, 1, ["1 item with both labels"]),
        ({SHIRTS: 80, SHOES: 7}, 8, ["--min-items 8", "Apparel/Shirts 80, Footwear/Shoes 7", "lower it"]),
    ],
)
def test_the_cause_is_named_with_the_way_out(
    leaves: dict[tuple[str, str], int], min_items: int, words: list[str]
) -> None:
    reason = why_untrainable(leaves, min_items)
    assert reason is not None
    assert "\n" not in reason
    assert all(word in reason for word in words), reason


def test_two_leaves_that_are_large_enough_can_be_learnt() -> None:
    assert why_untrainable({SHIRTS: 8, SHOES: 8, BAGS: 1}, 8) is None


def test_a_side_without_items_is_named_with_its_share() -> None:
    shares = {"val": 0.1, "test": 0.2, "control": 0.05}
    reason = why_unsplit([SHIRTS, SHOES], ["train", "train"], shares)
    assert reason is not None
    assert "--val 0.1 and --test 0.2: not one of 2 items in 2 leaves falls to val and test" in reason
    pairs = [SHIRTS, SHOES] * 4
    reason = why_unsplit(pairs, ["train", "train", "test", "train", "test", "test", "train", "train"], shares)
    assert reason is not None
    assert reason.startswith("--val 0.1: ")
    assert why_unsplit(pairs, ["train", "train", "val", "val", "test", "test", None, "train"], shares) is None


def test_items_of_leaves_that_nothing_trains_do_not_fill_a_side() -> None:
    pairs = [SHIRTS, SHOES, SHOES, SHIRTS, BAGS, BAGS]
    reason = why_unsplit(pairs, ["train", "train", "val", "val", "test", "test"], {"test": 0.1})
    assert reason is not None
    assert reason.startswith("--test 0.1: ")


def test_one_leaf_with_items_to_train_on_is_too_few() -> None:
    reason = why_unsplit([SHIRTS, SHOES], ["train", "val"], {"val": 0.5, "test": 0.1})
    assert reason is not None
    assert "fewer than two leaves have items to train on" in reason


def test_the_true_cause_is_named_where_no_row_has_both_labels() -> None:
    assert "no column 'articleType'" in why_unlabelled("no column 'articleType'; it has id", 5, 5)
    assert "it has a heading, and no rows" in why_unlabelled(None, 0, 0)
    assert "not one of 5 rows can be read" in why_unlabelled(None, 5, 0)
    assert "not one of 4 items has both" in why_unlabelled(None, 5, 4)
