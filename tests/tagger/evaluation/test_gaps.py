"""What a model never answers, and which labels would help."""

import numpy as np
import pandas as pd

from tagger.evaluation.gaps import Gaps, expected_gain
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.documents.taxonomy import Level

LEAVES = [("Apparel", "Shirts"), ("Apparel", "Tops"), ("Footwear", "Heels")]


def left_out(category: str, article: str, items: int) -> LeftOut:
    return LeftOut(master_category=category, article_type=article, items=items)


def gaps(items: dict[int, int], *others: LeftOut) -> Gaps:
    """Items by position of their leaf, four of five on the train side."""
    leaf = np.repeat(list(items), list(items.values()))
    side = np.where(np.arange(len(leaf)) % 5 == 0, "test", "train")
    return Gaps.of_items(pd.DataFrame({"leaf": leaf, "split": side}), LEAVES, others, 20)


def evaluation(right: dict[int, tuple[int, int]]) -> Evaluation:
    """Test items by position of their leaf: how many are right, and how many are wrong."""
    pairs, tags = [], []
    for n, (good, bad) in right.items():
        pairs += [LEAVES[n]] * (good + bad)
        tags += [LEAVES[n]] * good + [LEAVES[(n + 1) % 3]] * bad
    truth, predicted = np.array(pairs, object), np.array(tags, object)
    levels = {level: Predicted(truth[:, k], predicted[:, k], np.ones(len(truth))) for k, level in enumerate(Level)}
    return Evaluation("test", levels)


def test_what_is_never_answered_is_counted_and_the_nearest_comes_first() -> None:
    found = gaps(
        {0: 60, 1: 30}, left_out("Apparel", "Kurtas", 8), left_out("Footwear", "Flats", 19),
        left_out("Accessories", "Tops", 1), left_out("Personal Care", "Perfume", 2),
    )  # fmt: skip
    assert found.in_words() == (
        "It never answers 3 classes (29 items, 24% of those labelled): Flats, Kurtas, Perfume. It tags them as "
        "something else. A class is learnt from 20 labelled items on: label 1 more of Flats, 12 more of Kurtas, 18 "
        "more of Perfume. No class of these categories is learnt: Accessories, Footwear, Personal Care."
    )
    assert [(c.category, c.article) for c in found.stray] == [("Accessories", "Tops")]
    assert gaps({0: 60}).in_words() == "It answers every class that the labelled items have."


def test_labels_help_most_where_classes_are_frequent_and_often_wrong() -> None:
    found = gaps({0: 1000, 1: 100, 2: 100}, left_out("Apparel", "Kurtas", 15), left_out("Apparel", "Ties", 1))
    table = expected_gain(found, evaluation({0: (190, 10), 1: (10, 10), 2: (19, 1)}))
    gain = dict(zip(table["article"], table["gain"].astype(float), strict=True))
    assert gain["Tops"] > gain["Heels"], "of as many labels, the one that is often wrong"
    assert gain["Kurtas"] > gain["Ties"] > 0
    assert gain["Kurtas"] < 15 / found.items * 1000, "no more than all of its items"
    assert list(gain.values()) == sorted(gain.values(), reverse=True)
    assert table[table["article"] == "Tops"][["tested", "right"]].to_numpy().tolist() == [[20, 0.5]]


def test_a_class_that_stays_too_small_gains_nothing() -> None:
    labelled, trained = {LEAVES[0]: 500, LEAVES[1]: 50}, {LEAVES[0]: 400, LEAVES[1]: 40}
    found = Gaps([left_out("Apparel", "Ties", 3)], 100, labelled, trained, 553)
    table = expected_gain(found, evaluation({0: (90, 10), 1: (5, 5)})).set_index("article")
    assert table.loc["Ties", "gain"] == 0


def test_where_more_labels_do_not_help_no_class_is_said_to_gain() -> None:
    table = expected_gain(gaps({0: 1000, 1: 100}), evaluation({0: (100, 100), 1: (20, 0)}))
    assert table["gain"].abs().max() < 1e-9


def test_of_a_bundle_alone_it_is_known_what_is_never_answered_but_not_what_would_help() -> None:
    found = Gaps.of_leaves(LEAVES, [left_out("Apparel", "Kurtas", 8)], 20, 92)
    assert found.in_words().startswith("It never answers 1 class (8 items, 8% of those labelled): Kurtas.")
    assert expected_gain(found, evaluation({0: (190, 10), 1: (10, 10)})).empty


def test_too_few_test_items_or_no_mistake_give_no_ranking() -> None:
    assert expected_gain(gaps({0: 100}), evaluation({0: (5, 5)})).empty
    assert expected_gain(gaps({0: 100, 1: 50}), evaluation({0: (50, 0), 1: (50, 0)})).empty
