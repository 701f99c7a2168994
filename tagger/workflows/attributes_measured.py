"""Measures a bundle's further tags on its test items."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.evaluation.further_tags import ALL, MeasuredTag, predictions_by_evidence
from tagger.evaluation.metrics import Predicted, level_metrics
from tagger.models.attributes import Attribute
from tagger.schemas.documents.bundle import LevelMetrics
from tagger.schemas.tables.prediction import Evidence


@dataclass(frozen=True)
class AttributeFigures:
    """How well the test items' values of an attribute are predicted."""

    name: str
    values: int
    items: int
    """Test items with a value."""
    most_frequent: float
    """Share of them that have the most frequent value of all, 0 to 1."""
    by_type: float
    """Share of them that have the most frequent value of their article type, 0 to 1."""
    by: Mapping[Evidence, LevelMetrics]
    """By what the predictions are based on, the richest last; of the items that have it."""


def figures_of(attribute: Attribute, predictions: pd.DataFrame, leaf_of: "pd.Series[int]") -> AttributeFigures:
    """How well an attribute of test items is predicted.

    Args:
        attribute: The attribute.
        predictions: Its predictions of test items with a label: evidence, id, label, value and confidence.
        leaf_of: The leaf number of each of them, by id.
    """
    by_image = predictions[predictions["evidence"] == str(Evidence.IMAGE)]
    labels = by_image["label"].to_numpy(object)
    leaf = leaf_of.loc[by_image["id"]].to_numpy()
    # an article type's most frequent value, by its leaves' training items
    usual = np.array(attribute.values, object)[attribute.by_leaf[leaf].argmax(axis=1)]
    by = {}
    for kind in reversed(attribute.kinds):
        of_kind = predictions[predictions["evidence"] == str(kind)]
        if len(of_kind):
            columns = (of_kind[name].to_numpy() for name in ("label", "value", "confidence"))
            by[kind] = level_metrics(Predicted(*columns))
    return AttributeFigures(
        attribute.name, len(attribute.values), len(labels), _share(labels == attribute.values[0]),
        _share(labels == usual), by,
    )  # fmt: skip


def measured_tag(attribute: Attribute, figures: AttributeFigures, predictions: pd.DataFrame) -> MeasuredTag:
    """The same for the report.

    Args:
        attribute: The attribute.
        figures: From `figures_of`.
        predictions: Its predictions of held-out items, with their side.
    """
    by = predictions_by_evidence(predictions[predictions["side"] == "test"])
    unknown = ~np.isin(by[ALL].truth.astype(str), attribute.values)
    most_frequent, by_type = (figures.most_frequent, figures.by_type) if figures.items else (None, None)
    return MeasuredTag(figures.name, by, figures.values, most_frequent, by_type, unknown=int(unknown.sum()))


def _share(right: np.ndarray) -> float:
    return float(right.mean()) if len(right) else np.nan
