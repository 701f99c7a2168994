"""Files in a bundle's report on what it was taught beside images: figures of evidence and of attributes."""

import json
from collections.abc import Mapping, Sequence

import pandas as pd
from pydantic import TypeAdapter

from tagger.evaluation.further_tags import MeasuredTag, confused_values, documents, per_value, predictions_by_evidence
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.io.parquet import open_parquet
from tagger.schemas.documents.bundle import LevelMetrics
from tagger.schemas.documents.taxonomy import Level

EVIDENCE = "evidence.json"
"""Number of test items, and metrics of both levels by what is asked."""
ATTRIBUTES, PER_VALUE, CONFUSED_VALUES = "attributes.json", "per-value.csv", "confused-values.csv"
"""Figures of the attributes on test items, figures of each value, and mistakes."""
HELD_OUT = "attributes.parquet"
"""A bundle's attributes of held-out items, with their labels."""
WITHOUT_TYPE = " without its type"
"""Ending of what reads titles without the words of their article type."""
_FIGURES = TypeAdapter(dict[str, dict[Level, LevelMetrics]])


def write_evidence(report: Location, items: int, by: Mapping[str, Mapping[Level, LevelMetrics]]) -> None:
    """Write the metrics of `items` test items by what is asked, such as `image+title`."""
    figures = _FIGURES.dump_python({name: dict(levels) for name, levels in by.items()}, mode="json", by_alias=True)
    (report / EVIDENCE).write_text(as_json({"items": items, "by": figures}))


def read_evidence(report: Location) -> tuple[int, dict[str, dict[Level, LevelMetrics]]]:
    """Number of test items and metrics, as `write_evidence` wrote them; none where titles and columns are unknown."""
    if not (report / EVIDENCE).exists():
        return 0, {}
    document = json.loads((report / EVIDENCE).read_bytes())
    return document["items"], _FIGURES.validate_python(document["by"])


def write_attributes(report: Location, tags: Sequence[MeasuredTag]) -> None:
    """Write the figures of attributes on the test items, those of their values, and their mistakes."""
    (report / ATTRIBUTES).write_text(as_json(documents(tags)))
    (report / PER_VALUE).write_text(per_value(tags).to_csv(index=False, float_format="%.4f"))
    (report / CONFUSED_VALUES).write_text(confused_values(tags).to_csv(index=False, float_format="%.4f"))


def delete_attributes(report: Location) -> None:
    """Delete all files on a bundle's attributes."""
    (report / HELD_OUT).delete()
    delete_figures(report)


def delete_figures(report: Location) -> None:
    """Delete what `write_attributes` wrote."""
    for file in (ATTRIBUTES, PER_VALUE, CONFUSED_VALUES):
        (report / file).delete()


def read_attributes(report: Location) -> tuple[list[MeasuredTag], dict[str, pd.DataFrame]]:
    """The attributes on the test items, and by attribute their predictions, one row an item and kind of evidence.

    Figures that only `attributes.json` has are None where an earlier version has not written it.
    """
    if not (report / HELD_OUT).exists():
        return [], {}
    with open_parquet(report / HELD_OUT) as file:
        table = file.read().to_pandas()
    figures = json.loads((report / ATTRIBUTES).read_bytes()) if (report / ATTRIBUTES).exists() else {}
    names = dict.fromkeys([*figures, *table["attribute"]])
    test = table[table["side"] == "test"]
    predictions = {name: test[test["attribute"] == name] for name in names}
    return [_measured(name, rows, figures.get(name, {})) for name, rows in predictions.items()], predictions


def _measured(name: str, predictions: pd.DataFrame, figures: Mapping[str, object]) -> MeasuredTag:
    known = {
        "values": figures.get("values"),
        "most_frequent": figures.get("mostFrequent"),
        "by_type": figures.get("byType"),
        "unknown": figures.get("unknownValues", 0),
    }
    return MeasuredTag(name, predictions_by_evidence(predictions), **known)  # type: ignore[arg-type]
