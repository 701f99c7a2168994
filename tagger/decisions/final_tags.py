"""Final tags, further ones included: a person's, else a refit's or the model's if it was accepted."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from tagger.manifest.no_value import NoValue
from tagger.schemas.tables.decision import Verdict
from tagger.schemas.tables.final_tag import FINAL_TAG, TagSource, TagState
from tagger.schemas.tables.prediction import Decision

RefitTags = Mapping[tuple[str, str], Mapping[str, Any]]
"""Tags of refits, by run and id."""
NO_VALUES = NoValue()
_TAGS = ("masterCategory", "masterCategoryConfidence", "articleType", "articleTypeConfidence")
PREDICTED = [
    "id", "masterCategory", "masterCategoryConfidence", "articleType", "articleTypeConfidence", "decision", "modelId",
    "runId", "attributes",
]  # fmt: skip


def refit_tags(tables: Iterable[pa.Table]) -> RefitTags:
    """Rows by REFIT_TAG, by run and id: each is about the prediction of one run."""
    return {(row["runId"], row["id"]): row for table in tables for row in table.to_pylist()}


def newest_by_id(decisions: Iterable[pa.Table]) -> dict[str, dict[str, Any]]:
    """The newest decision of every item."""
    newest: dict[str, dict[str, Any]] = {}
    for table in decisions:
        for row in table.to_pylist():
            before = newest.get(row["id"])
            if before is None or before["decidedAt"] < row["decidedAt"]:
                newest[row["id"]] = row
    return newest


def final_tags(
    predictions: Iterable[pa.Table],
    decided: Mapping[str, Mapping[str, Any]],
    refit: RefitTags = MappingProxyType({}),
    no_value: NoValue = NO_VALUES,
) -> Iterator[pa.Table]:
    """One row by FINAL_TAG for every prediction, in order, one table per piece of the input.

    Args:
        predictions: By PREDICTION, or PREDICTED alone.
        decided: The current decision, by id.
        refit: Tags that a refit to a review's answers was sure of.
        no_value: Names of classes, and values of further tags, that are no tag, such as None.
    """
    for table in predictions:
        rows = [
            _row(row, decided.get(row["id"]), refit.get((row["runId"], row["id"])), no_value)
            for row in table.select(PREDICTED).to_pylist()
        ]
        yield pa.Table.from_pylist(rows, schema=FINAL_TAG)


def _row(
    predicted: Mapping[str, Any],
    decided: Mapping[str, Any] | None,
    refit: Mapping[str, Any] | None,
    no_value: NoValue,
) -> dict[str, Any]:
    row = _set(_final(predicted, decided, refit), no_value)
    has_none = row["state"] in (TagState.FAILED, TagState.UNUSABLE)
    return row | {"attributes": [] if has_none else list(_attributes(predicted, decided, no_value))}


def _attributes(
    predicted: Mapping[str, Any], decided: Mapping[str, Any] | None, no_value: NoValue
) -> Iterator[dict[str, Any]]:
    """Further tags that have a value: a person's, else the model's that were accepted.

    The order is the model's; those that it did not predict come last.
    """
    by_person = {each["name"]: each["value"] for each in (decided or {}).get("attributes") or ()}
    predictions = {each["name"]: each for each in predicted["attributes"] or ()}
    for name in [*predictions, *(name for name in by_person if name not in predictions)]:
        if name in by_person:
            value, confidence, source = by_person[name], None, TagSource.PERSON
        elif predictions[name]["decision"] == Decision.ACCEPT:
            value, confidence, source = predictions[name]["value"], predictions[name]["confidence"], TagSource.MODEL
        else:
            continue
        if not no_value.means_none(value):
            yield {"name": name, "value": value, "source": source, "confidence": confidence}


def _set(row: dict[str, Any], no_value: NoValue) -> dict[str, Any]:
    """Clear tags whose name means that there is none."""
    if row["state"] not in (TagState.COMPLETE, TagState.MASTER_ONLY):
        return row
    if no_value.means_none(row["masterCategory"]):
        return {name: row[name] for name in ("id", "modelId", "runId")} | {"state": TagState.WAITING}
    if row["state"] == TagState.COMPLETE and no_value.means_none(row["articleType"]):
        return row | {"articleType": None, "articleTypeConfidence": None, "state": TagState.MASTER_ONLY}
    return row


def _final(
    predicted: Mapping[str, Any], decided: Mapping[str, Any] | None, refit: Mapping[str, Any] | None
) -> dict[str, Any]:
    origin = {name: predicted[name] for name in ("id", "modelId", "runId")}
    if decided is not None:
        return origin | _by_person(decided)
    if refit is not None:
        return origin | {name: refit[name] for name in _TAGS} | {"state": TagState.COMPLETE, "source": TagSource.REFIT}
    return origin | _by_model(predicted)


def _by_person(decided: Mapping[str, Any]) -> dict[str, Any]:
    who = {name: decided[name] for name in ("decidedBy", "decidedAt")}
    if decided["verdict"] == Verdict.UNUSABLE:
        return who | {"state": TagState.UNUSABLE}
    complete = decided["articleType"] is not None
    return who | {
        "masterCategory": decided["masterCategory"],
        "articleType": decided["articleType"],
        "state": TagState.COMPLETE if complete else TagState.MASTER_ONLY,
        "source": TagSource.PERSON,
    }


def _by_model(predicted: Mapping[str, Any]) -> dict[str, Any]:
    columns: tuple[str, ...]
    match predicted["decision"]:
        case Decision.ACCEPT:
            columns, state = ("masterCategory", "articleType"), TagState.COMPLETE
        case Decision.ACCEPT_MASTER_ONLY:
            columns, state = ("masterCategory",), TagState.MASTER_ONLY
        case Decision.FAILED:
            return {"state": TagState.FAILED}
        case _:
            return {"state": TagState.WAITING}
    tags = {name: predicted[name] for column in columns for name in (column, f"{column}Confidence")}
    return tags | {"state": state, "source": TagSource.MODEL}
