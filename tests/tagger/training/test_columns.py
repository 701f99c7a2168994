"""What columns such as gender and price say of an item's class."""

import numpy as np
import pytest

from tagger.manifest.no_value import NoValue
from tagger.training.columns import fit_columns

LEAVES = np.arange(300) % 3


def test_a_value_says_which_leaves_have_it_and_an_unknown_or_empty_one_nothing() -> None:
    rng = np.random.default_rng(0)
    genders = np.where(rng.random(300) < 0.9, np.array(["Men", "Women", "Women"])[LEAVES], "Unisex").astype(object)
    genders[:4] = ["NA", None, "", "Martian"]
    model = fit_columns({"gender": genders.tolist()}, LEAVES, 4, NoValue())
    assert set(model.columns[0].values) == {"men", "women", "unisex"}, "NA is no value, and one Martian is no pattern"
    probabilities, speaks = model.read({"gender": ["Men", " women", "NA", "Martian", None]}, 5)
    assert speaks.tolist() == [True, True, False, False, False]
    assert probabilities[0].argmax() == 0
    assert probabilities[1, 1:3] == pytest.approx([0.5, 0.5], abs=0.05)
    assert probabilities[2:] == pytest.approx(np.repeat(model.prior[None], 3, axis=0), abs=2e-3)


def test_columns_add_what_each_knows_and_an_absent_one_is_left_out() -> None:
    cells = {
        "material": np.array(["cotton", "cotton", "steel"])[LEAVES].tolist(),
        "season": np.array(["summer", "winter", "winter"])[LEAVES].tolist(),
    }
    model = fit_columns(cells, LEAVES, 3, NoValue())
    both, _ = model.read({"material": ["cotton"], "season": ["winter"]}, 1)
    one, _ = model.read({"material": ["cotton"]}, 1)
    assert both[0, 1] > 0.8 > 0.6 > one[0, 1] == pytest.approx(one[0, 0], abs=0.01)


def test_numbers_are_read_in_ranges_whatever_their_form() -> None:
    rng = np.random.default_rng(0)
    prices = np.array([10.0, 100.0, 1000.0])[LEAVES] * rng.uniform(0.8, 1.2, 300)
    model = fit_columns({"price": [f"{price:.2f}" for price in prices]}, LEAVES, 3, NoValue())
    assert 8 <= len(model.columns[0].edges) <= 15
    probabilities, speaks = model.read({"price": ["9.5", "102", "5e3", "on request", None]}, 5)
    assert speaks.tolist() == [True, True, True, False, False]
    assert probabilities[:3].argmax(axis=1).tolist() == [0, 1, 2]


def test_a_number_that_stands_for_no_value_says_nothing_when_items_are_tagged_either() -> None:
    prices = [f"{price:.2f}" for price in np.array([10.0, 100.0, 1000.0])[LEAVES] * np.linspace(0.8, 1.2, 300)]
    model = fit_columns({"price": ["0", *prices[1:]]}, LEAVES, 3, NoValue(["0"]))
    _, speaks = model.read({"price": ["0", "0.00", "0.5", "inf"]}, 4)
    assert speaks.tolist() == [False, False, True, False]


def test_a_few_whole_numbers_are_values_and_2012_point_0_is_2012() -> None:
    years = np.array(["2011", "2012", "2013"])[LEAVES].tolist()
    model = fit_columns({"year": years}, LEAVES, 3, NoValue())
    assert model.columns[0].values == ("2011", "2012", "2013")
    assert model.read({"year": ["2012.0"]}, 1)[0].argmax() == 1
    sizes = fit_columns({"size": np.array(["7.50", "8.00", "10.0"])[LEAVES].tolist()}, LEAVES, 3, NoValue())
    assert sizes.read({"size": ["7.5", "8", "10"]}, 3)[0].argmax(axis=1).tolist() == [0, 1, 2]


def test_a_column_in_which_hardly_any_value_comes_twice_is_left_out() -> None:
    cells = {"sku": [f"sku-{n}" for n in range(300)], "shop": ["one"] * 300, "kind": (["a", "b", "c"] * 100)}
    assert fit_columns(cells, LEAVES, 3, NoValue()).names == ("kind",)
