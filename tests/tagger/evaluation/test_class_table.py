"""Classes and mistakes in words, and which mistakes a page shows."""

import numpy as np

from tagger.evaluation.breakdown import confused_pairs
from tagger.evaluation.class_table import ShownMistakes, class_rows, confusion_in_words, pair_in_words
from tagger.evaluation.metrics import Predicted


def predicted(truth: str, guess: str, confidence: float = 0.9) -> Predicted:
    return Predicted(np.array(list(truth), object), np.array(list(guess), object), np.full(len(truth), confidence))


def test_confusions_are_in_words() -> None:
    assert confusion_in_words("Apparel", "Accessories", 2) == "2 Apparel items were tagged Accessories"
    assert confusion_in_words("Free Items", "Apparel", 3) == "3 Free Items were tagged Apparel"
    assert confusion_in_words("Free Items", "Apparel", 1) == "1 Free Items item was tagged Apparel"
    (pair,) = confused_pairs(predicted("aabbb", "bbabb")).to_dict("records")
    assert pair_in_words({str(k): v for k, v in pair.items()}) == "2 a items were tagged b and 1 b item was tagged a"
    (pair,) = confused_pairs(predicted("ab", "bb")).to_dict("records")
    assert pair_in_words({str(k): v for k, v in pair.items()}) == "1 a item was tagged b"


def test_a_class_has_the_share_that_is_found_and_the_share_that_is_right() -> None:
    rows = {str(row["name"]): row for row in class_rows(predicted("aaaabbbc", "aabcbbaa"))}
    assert (rows["a"]["items"], rows["a"]["found"], rows["a"]["tagged"], rows["a"]["right"]) == (4, 0.5, 4, 0.5)
    assert (rows["a"]["wrong"], rows["a"]["confusions"]) == (2, ["1 tagged b", "1 tagged c"])
    assert (rows["c"]["found"], rows["c"]["right"], rows["c"]["wrong"]) == (0.0, 0.0, 1)
    only_predicted = {str(row["name"]): row for row in class_rows(predicted("a", "z"))}["z"]
    assert only_predicted["items"] == 0 and np.isnan(float(str(only_predicted["found"])))


def test_each_mistake_is_shown_once() -> None:
    rng = np.random.default_rng(1)
    letters = np.array(list("abcdefghijklmnop"), object)
    level = Predicted(rng.choice(letters, 900), rng.choice(letters, 900), rng.random(900))
    shown = ShownMistakes.of(level)
    assert len(shown.all) == len(set(shown.all.tolist()))
    assert not level.right[shown.all].any()
    assert (level.confidence[shown.sure] >= 0.8).all() and len(shown.sure)
    assert all((level.truth[positions] == name).all() for name, positions in shown.by_class.items())
