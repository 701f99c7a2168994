"""Guesses that a model's accuracy is compared with."""

import numpy as np
import pandas as pd

from tagger.runs.staging import passthrough
from tagger.schemas.documents.taxonomy import Taxonomy
from tagger.workflows.honest.baselines import by_title, most_frequent, most_frequent_by_master


def names(*texts: str) -> np.ndarray:
    return np.array(texts, object)


def test_the_most_frequent_type_is_that_of_the_training_items() -> None:
    predicted = most_frequent(names("Shirts", "Jeans", "Jeans"), names("Shirts", "Shirts", "Jeans", "Heels"))
    assert predicted.predicted.tolist() == ["Jeans"] * 4
    assert predicted.right.mean() == 0.25


def test_of_types_that_are_as_frequent_the_first_by_name_is_guessed() -> None:
    assert most_frequent(names("Shirts", "Jeans"), names("Shirts")).predicted.tolist() == ["Jeans"]


def test_the_master_category_chooses_among_the_most_frequent_types() -> None:
    masters, types = names("Apparel", "Apparel", "Apparel", "Footwear"), names("Jeans", "Jeans", "Shirts", "Heels")
    predicted = most_frequent_by_master(masters, types, names("Footwear", "Apparel"), names("Heels", "Shirts"))
    assert predicted.predicted.tolist() == ["Heels", "Jeans"]
    assert predicted.confidence.tolist() == [1, 2 / 3]


def test_a_title_that_only_names_its_type_says_nothing_without_it() -> None:
    taxonomy = Taxonomy.of([("Apparel", "Shirts"), ("Apparel", "Jeans"), ("Footwear", "Heels")], {})
    types = [leaf.articleType for leaf in taxonomy.leaves]
    rng = np.random.default_rng(0)

    def side(items: int) -> pd.DataFrame:
        leaves = rng.integers(0, 3, items)
        titles = [
            f"{rng.choice(['Red', 'Blue', 'Green'])} {types[leaf]} {rng.choice(['Day', 'Night'])}" for leaf in leaves
        ]
        return pd.DataFrame({"leaf": leaves, passthrough("name"): titles})

    sides = {"train": side(120), "val": side(60), "test": side(90)}
    predicted = dict(by_title(["name"], sides, taxonomy))
    assert predicted[False].truth.tolist() == [types[leaf] for leaf in sides["test"]["leaf"]]
    assert predicted[False].right.mean() > 0.95
    assert predicted[True].right.mean() < 0.6, "the rest of the title is drawn at random"
