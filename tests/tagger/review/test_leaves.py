"""Which classes are common in a catalogue, and which hardly occur."""

import pytest

from tagger.review.store.leaves import LeafCounts, Leaves

PAIRS = [("Accessories", "Tshirts"), ("Apparel", "Capes"), ("Apparel", "Tshirts"), ("Home", "Lamps")]
LABELLED = {("Accessories", "Tshirts"): 1, ("Apparel", "Tshirts"): 6360, ("Apparel", "Capes"): 2}


def test_a_pair_with_hardly_any_item_of_its_article_type_is_rare_even_where_the_model_knows_it() -> None:
    leaves = Leaves(PAIRS, LeafCounts.of(PAIRS, LABELLED, {("Apparel", "Tshirts"), ("Home", "Lamps")}))
    assert [(leaf.items, leaf.is_rare) for leaf in leaves] == [(1, True), (2, True), (6360, False), (0, False)]
    assert [leaf.name for leaf in leaves.common] == ["Lamps (Home)", "Tshirts (Apparel)"]
    known = Leaves(PAIRS, LeafCounts.of(PAIRS, LABELLED, set(PAIRS)))
    assert [leaf.is_rare for leaf in known] == [True, False, False, False], (
        "two capes are all capes, and it has learnt them"
    )


def test_a_catalogue_without_labels_says_nothing_of_what_is_rare() -> None:
    leaves = Leaves(PAIRS, LeafCounts.of(PAIRS, {}, None))
    assert not any(leaf.is_rare for leaf in leaves) and {leaf.items for leaf in leaves} == {None}
    assert leaves.find("Apparel", "Capes") == leaves[1]
    assert leaves.find("Apparel", "Lamps") is None and leaves.find(None, None) is None


def test_without_a_bundle_the_model_knows_what_no_item_is_labelled() -> None:
    counts = LeafCounts.of(PAIRS, LABELLED, None)
    assert counts.by_model == [False, False, False, True]


@pytest.mark.parametrize(
    ("items", "of_type", "is_rare"), [(2, 2, True), (3, 3, False), (9, 1000, True), (10, 1000, False)]
)
def test_fewer_than_three_items_or_one_in_a_hundred_are_few(items: int, of_type: int, is_rare: bool) -> None:
    labelled = {("A", "X"): items, ("B", "X"): of_type - items}
    pairs = sorted(labelled)
    assert Leaves(pairs, LeafCounts.of(pairs, labelled, set()))[0].is_rare is is_rare
