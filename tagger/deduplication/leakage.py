"""Measures the leakage of a bundle's split: how much better test items with a copy among the train items do."""

from dataclasses import dataclass

import pandas as pd
import pyarrow.parquet as pq

from tagger.dataset.splits_file import read_splits
from tagger.errors import UsageError
from tagger.evaluation.report import ITEMS
from tagger.io.location import Location
from tagger.schemas.documents.taxonomy import Level


@dataclass(frozen=True)
class TestedBundle:
    """A bundle's split, and its predictions for the test items."""

    sides: pd.Series
    """Side of each item, str by id."""
    tested: pd.DataFrame
    """Test items: id, articleType (predicted), articleTypeTrue."""

    @classmethod
    def read(cls, bundle: Location) -> "TestedBundle":
        """Read both from a bundle's folder. Raises UsageError or InputError when one is missing."""
        sides = read_splits(bundle, "--model")
        file = bundle / "report" / ITEMS
        if not file.exists():
            raise UsageError(f"--model: there is no {file}")
        with file.open_random() as source:
            return cls(sides, pq.read_table(source).to_pandas())


@dataclass(frozen=True)
class Accuracy:
    """The number of items, and the share with the right article type, 0 to 1; None without items."""

    items: int
    share: float | None


@dataclass(frozen=True)
class Leakage:
    """Accuracy on test items with and without a copy among the train items."""

    with_copy: Accuracy
    without_copy: Accuracy
    overall: Accuracy


def measure_leakage(groups: pd.DataFrame, bundle: TestedBundle) -> Leakage:
    """Compare the test items that have a copy among the train items with the others.

    Args:
        groups: Groups of duplicates, by DUPLICATE.
        bundle: The bundle whose split and test predictions are compared.
    """
    sides = groups["id"].map(bundle.sides)
    trained = set(groups.loc[sides == "train", "group"])
    tested = bundle.tested
    has_copy = tested["id"].isin(groups.loc[groups["group"].isin(trained), "id"])
    is_right = tested[f"{Level.ARTICLE_TYPE}True"] == tested[str(Level.ARTICLE_TYPE)]
    return Leakage(_share(is_right[has_copy]), _share(is_right[~has_copy]), _share(is_right))


def _share(is_right: pd.Series) -> Accuracy:
    return Accuracy(len(is_right), float(is_right.mean()) if len(is_right) else None)
