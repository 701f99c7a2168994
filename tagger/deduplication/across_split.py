"""What copies on two sides of a bundle's split are worth: how much better test items with a copy in training do."""

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
    """A bundle's split, and what it said of its test items."""

    sides: pd.Series
    """Side of each item, str by id."""
    tested: pd.DataFrame
    """Test items: id, articleType as predicted, articleTypeTrue."""

    @classmethod
    def read(cls, bundle: Location) -> "TestedBundle":
        """Read both from a bundle's folder. Raises UsageError or InputError when it lacks one."""
        sides = read_splits(bundle, "--model")
        file = bundle / "report" / ITEMS
        if not file.exists():
            raise UsageError(f"--model: there is no {file}")
        with file.open_random() as source:
            return cls(sides, pq.read_table(source).to_pandas())


@dataclass(frozen=True)
class RightShare:
    """How many items there are, and the share whose article type is predicted right, 0 to 1; None without items."""

    items: int
    share: float | None


@dataclass(frozen=True)
class AcrossSplit:
    """Accuracy on test items with and without a copy among the train items."""

    with_copy: RightShare
    without_copy: RightShare
    overall: RightShare


def across_split(groups: pd.DataFrame, bundle: TestedBundle) -> AcrossSplit:
    """Compare the test items that have a copy among the train items with the others.

    Args:
        groups: By DUPLICATE.
        bundle: The bundle whose split and test predictions are compared.
    """
    sides = groups["id"].map(bundle.sides)
    trained = set(groups.loc[sides == "train", "group"])
    tested = bundle.tested
    has_copy = tested["id"].isin(groups.loc[groups["group"].isin(trained), "id"])
    is_right = tested[f"{Level.ARTICLE_TYPE}True"] == tested[str(Level.ARTICLE_TYPE)]
    return AcrossSplit(_share(is_right[has_copy]), _share(is_right[~has_copy]), _share(is_right))


def _share(is_right: pd.Series) -> RightShare:
    return RightShare(len(is_right), float(is_right.mean()) if len(is_right) else None)
