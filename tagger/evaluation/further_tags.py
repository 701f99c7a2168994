"""Further tags, such as gender, compared with their labels: figures, and tables by value."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tagger.evaluation.breakdown import most_frequent_confusions
from tagger.evaluation.metrics import Predicted, level_metrics, per_class
from tagger.evaluation.page import evidence_in_words
from tagger.models.evidence import RICHEST_FIRST

ALL = "all"
"""Key of the predictions that have each item once, by all that it shows."""
_LISTED_VALUES, _OPEN_VALUES, _CONFUSIONS = 200, 12, 5
"""Most values in the page's table, most in a table that is not collapsed, and the confusions below it."""


@dataclass(frozen=True)
class Acceptance:
    """What is accepted of some labelled items without a person."""

    items: int
    accepted: int
    right: int
    target: float | None = None
    """The precision that the thresholds promise, 0 to 1; None where they differ, or nothing was promised."""

    @property
    def coverage(self) -> float:
        """Share of the items that are accepted, 0 to 1."""
        return self.accepted / self.items if self.items else 0.0

    @property
    def precision(self) -> float | None:
        """Share of the accepted items that are right, 0 to 1; None if none is accepted."""
        return self.right / self.accepted if self.accepted else None


@dataclass(frozen=True)
class MeasuredTag:
    """Predictions of a further tag, with their labels."""

    name: str
    by: Mapping[str, Predicted]
    """By what they are based on, such as `image+title`, of the items that have it; and all items as `all`."""
    values: int | None = None
    """Number of values that were learnt; None if unknown."""
    most_frequent: float | None = None
    """Share of the items that have the most frequent value of all, 0 to 1; None if unknown."""
    by_type: float | None = None
    """Share of the items that have the most frequent value of their article type, 0 to 1; None if unknown."""
    accepted: Mapping[str, Acceptance] = field(default_factory=dict)
    """By the same keys; empty where there are no thresholds."""
    unknown: int = 0
    """Items with a value that was not learnt, which counts as wrong."""

    @property
    def items(self) -> int:
        """Number of items with a label."""
        return len(self.by[ALL])


def predictions_by_evidence(predictions: pd.DataFrame) -> dict[str, Predicted]:
    """Predictions by each kind of evidence, the richest last; and as `all`, each item's by the richest that it has.

    Args:
        predictions: id, evidence, label, value and confidence; an item may have a row for each kind of evidence.
    """
    kinds = [str(kind) for kind in reversed(RICHEST_FIRST)]
    by = {kind: _predicted(predictions[predictions["evidence"] == kind]) for kind in kinds}
    return {kind: p for kind, p in by.items() if len(p)} | {ALL: _predicted(richest_of_each(predictions))}


def richest_of_each(predictions: pd.DataFrame) -> pd.DataFrame:
    """The row of each item that is based on the richest evidence, in the order of RICHEST_FIRST."""
    rank = predictions["evidence"].map({str(kind): n for n, kind in enumerate(RICHEST_FIRST)})
    return predictions.loc[rank.sort_values(kind="stable").index].drop_duplicates("id")


def documents(tags: Sequence[MeasuredTag]) -> dict[str, object]:
    """The figures by name, for JSON; shares from 0 to 1, and null where a figure is unknown."""
    return {
        tag.name: {
            "values": tag.values,
            "items": tag.items,
            "mostFrequent": tag.most_frequent,
            "byType": tag.by_type,
            "unknownValues": tag.unknown,
            "by": {by: _document(tag, by) for by, p in tag.by.items() if len(p)},
        }
        for tag in tags
    }


def per_value(tags: Sequence[MeasuredTag]) -> pd.DataFrame:
    """Figures of every value: attribute, evidence (`all`: by all that each item shows), value, support, and so on."""
    tables = [
        per_class(p).rename(columns={"class": "value"}).assign(attribute=tag.name, evidence=by)
        for tag in tags
        for by, p in tag.by.items()
    ]
    columns = ["attribute", "evidence", "value", "support", "precision", "recall", "f1"]
    return pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)


def confused_values(tags: Sequence[MeasuredTag]) -> pd.DataFrame:
    """Mistakes by all that each item shows: attribute, truth, predicted, items, share of the true value."""
    tables = [most_frequent_confusions(tag.by[ALL]).assign(attribute=tag.name) for tag in tags]
    columns = ["attribute", "truth", "predicted", "items", "share"]
    return pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)


def sections(tags: Sequence[MeasuredTag]) -> list[dict[str, object]]:
    """What the page shows of each."""
    return [_section(tag) for tag in tags]


def _section(tag: MeasuredTag) -> dict[str, object]:
    together = tag.by[ALL]
    confusions = most_frequent_confusions(together)
    favourite = confusions.drop_duplicates("truth").set_index("truth")["predicted"]
    table = per_class(together)
    table["takenFor"] = [favourite.get(name, "") for name in table["class"]]
    return {
        "tag": tag,
        "rows": list(_rows(tag)),
        "classes": table.head(_LISTED_VALUES).to_dict("records"),
        "unlisted": max(0, len(table) - _LISTED_VALUES),
        "is_short": len(table) <= _OPEN_VALUES,
        "confusions": confusions.head(_CONFUSIONS).to_dict("records"),
    }


def _rows(tag: MeasuredTag) -> Iterator[dict[str, object]]:
    """Rows of the table; the last, of all items, is left out where the richest evidence has them all."""
    kinds = [by for by in tag.by if by != ALL]
    has_all = bool(kinds) and len(tag.by[kinds[-1]]) == tag.items
    for by, p in tag.by.items():
        if not len(p) or (by == ALL and has_all):
            continue
        words = "all that each item shows" if by == ALL else evidence_in_words(by)
        yield {"by": words, "metrics": level_metrics(p), "accepted": tag.accepted.get(by)}


def _document(tag: MeasuredTag, by: str) -> dict[str, object]:
    document: dict[str, object] = level_metrics(tag.by[by]).model_dump(mode="json", by_alias=True)
    accepted = tag.accepted.get(by)
    if accepted is None:
        return document
    target = {} if accepted.target is None else {"targetPrecision": accepted.target}
    return document | {**target, "coverage": accepted.coverage, "acceptedPrecision": accepted.precision}


def _predicted(rows: pd.DataFrame) -> Predicted:
    label, value = (rows[name].to_numpy(object) for name in ("label", "value"))
    return Predicted(label, value, rows["confidence"].to_numpy(np.float32))
