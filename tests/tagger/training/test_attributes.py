"""Attributes are learnt from labelled items: values, heads, and what goes with an article type."""

import numpy as np
import pytest

from tagger.manifest.no_value import NoValue
from tagger.models.attributes import AttributesModel
from tagger.models.bundle import Bundle
from tagger.models.titles import TitleVectors, new_letter_vectoriser, new_vectoriser
from tagger.training.attributes import Examples, fit_attribute, learnt_values


def test_values_of_few_items_are_not_learnt_and_cells_without_one_are_none() -> None:
    cells = ["Blue"] * 30 + ["Red"] * 25 + ["Puce"] * 19 + ["", "NA", None, "unknown"]
    values, rare = learnt_values(cells, NoValue(["unknown"]))
    assert values == ["Blue", "Red"]
    assert rare == {"Puce": 19}


@pytest.mark.parametrize("count", [2, 3])
def test_heads_tell_values_apart_by_images_titles_and_columns(bundle: Bundle, count: int) -> None:
    rng = np.random.default_rng(0)
    names = ["Men", "Women", "Unisex"][:count]
    codes = np.arange(240) % count
    shown = rng.normal(size=(240, 8)).astype(np.float16)
    shown[np.arange(240), codes] += 4
    texts = [f"{names[code]} shirt {rng.integers(5)}" for code in codes]
    by_word, by_letter = new_vectoriser(), new_letter_vectoriser()
    titles = TitleVectors(by_word.fit_transform(texts), by_letter.fit_transform(texts), np.ones(240, bool))
    cells = {"fit": [["slim", "loose", "any"][code] for code in codes]}
    leaves = codes % 2
    one = fit_attribute(
        "gender", names, bundle.card.taxonomy, Examples(codes, leaves, shown, np.arange(240), titles, cells), NoValue()
    )
    by_image = AttributesModel("", "", (one,)).by_image(shown)
    assert (by_image.argmax(axis=1) == codes).mean() > 0.97
    assert one.title_weight is not None and one.title_bias is not None
    assert (titles.logits(one.title_weight, one.title_bias).argmax(axis=1) == codes).all()
    assert one.columns is not None
    assert (one.columns.read(cells, 240)[0].argmax(axis=1) == codes).all()


def test_a_value_is_ruled_out_only_for_types_of_many_items_without_it(bundle: Bundle) -> None:
    codes = np.array([0] * 150 + [0] * 50 + [1] * 60)
    leaves = np.array([0] * 150 + [1] * 50 + [2] * 60)
    features = np.random.default_rng(0).normal(size=(260, 3)).astype(np.float16)
    one = fit_attribute(
        "season", ["Summer", "Winter"], bundle.card.taxonomy,
        Examples(codes, leaves, features, np.arange(260), None, {}), NoValue(),
    )  # fmt: skip
    _, types = _types_of(bundle, np.arange(3))
    assert one.goes_with[types[0]].tolist() == [True, False], "150 items, none of winter"
    assert one.goes_with[types[1]].tolist() == [True, True], "50 items prove nothing"
    assert one.goes_with[types[2]].tolist() == [True, True]
    assert one.by_leaf[0, 1] < 0.02 < one.by_leaf[1, 1]
    assert one.title_weight is None and one.columns is None


def test_items_with_several_images_teach_by_each_and_those_without_by_the_rest(bundle: Bundle) -> None:
    codes = np.arange(60) % 2
    item_of = np.repeat(np.arange(40), 2)
    features = np.zeros((80, 2), np.float16)
    features[np.arange(80), codes[item_of]] = 1
    cells: dict[str, list[str | None]] = {"dark": [["yes", "no"][code] for code in codes]}
    one = fit_attribute(
        "colour", ["black", "white"], bundle.card.taxonomy, Examples(codes, codes, features, item_of, None, cells),
        NoValue(),
    )  # fmt: skip
    assert (AttributesModel("", "", (one,)).by_image(features).argmax(axis=1) == codes[item_of]).all()
    assert one.prior == pytest.approx([0.5, 0.5])


def _types_of(bundle: Bundle, leaves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from tagger.models.levels import Levels

    return Levels(bundle.card.taxonomy).classes_of_leaves(leaves)
