"""Disagreements that a person judges without knowing which model said what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.comparing.pairs import ARTICLE, MASTER, NEW, OLD
from tagger.flow.hash_order import sample_order
from tagger.schemas.tables.decision import Verdict
from tagger.schemas.tables.prediction import PREDICTION, Decision, ReviewReason

_EVEN = 0.5


def drawn(frame: pd.DataFrame, count: int, seed: int = 0) -> pd.DataFrame:
    """Some of the items, drawn by their ids, so that another run draws the same."""
    return frame.iloc[np.argsort(sample_order(frame["id"].tolist(), seed), kind="stable")[:count]]


def blind_queue(items: pd.DataFrame, model_id: str, run_id: str, seed: int = 0) -> pa.Table:
    """Items as the predictions of a run, by PREDICTION, for the review page.

    Both tags of an item are its alternatives in random order, with even confidences.

    Args:
        items: Tagged pairs.
        model_id: Of the run.
        run_id: Of the run.
        seed: Of the order.
    """
    is_new_first = sample_order([f"first {item}" for item in items["id"]], seed) % 2 == 0
    now = datetime.now(UTC)
    rows = []
    for row, new_first in zip(items.to_dict("records"), is_new_first, strict=True):
        leaves = [
            (row[f"{name}.{MASTER}"], row[f"{name}.{ARTICLE}"]) for name in ((NEW, OLD) if new_first else (OLD, NEW))
        ]
        rows.append(
            {
                "id": row["id"], "imageUri": row[f"{NEW}.imageUri"], "imageDigest": row[f"{NEW}.imageDigest"],
                MASTER: leaves[0][0], f"{MASTER}Confidence": _EVEN,
                ARTICLE: leaves[0][1], f"{ARTICLE}Confidence": _EVEN,
                "alternatives": [{MASTER: m, ARTICLE: a, "confidence": _EVEN} for m, a in leaves],
                "decision": Decision.REVIEW, "reviewReasons": [ReviewReason.MODELS_DISAGREE],
                "modelId": model_id, "runId": run_id, "taggedAt": now,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=PREDICTION)


@dataclass(frozen=True)
class JudgedPairs:
    """What people said of disagreements."""

    old: int = 0
    """How often the old model's tag was right."""
    new: int = 0
    neither: int = 0
    unclear: int = 0
    """Unusable images, and items of which the master category alone was decided."""

    @property
    def judged(self) -> int:
        """All of them."""
        return self.old + self.new + self.neither + self.unclear


def judged_pairs(items: pd.DataFrame, decisions: Iterable[Mapping[str, Any]]) -> JudgedPairs:
    """Count decisions about disagreements, by DECISION: both levels have to be as the model said."""
    by_id = {row["id"]: row for row in items.to_dict("records")}
    counts = dict.fromkeys(("old", "new", "neither", "unclear"), 0)
    for decision in decisions:
        row = by_id.get(decision["id"])
        if row is None:
            continue
        chosen = (decision["masterCategory"], decision["articleType"])
        said = {name: (row[f"{name}.{MASTER}"], row[f"{name}.{ARTICLE}"]) for name in (OLD, NEW)}
        if decision["verdict"] == Verdict.UNUSABLE or chosen[1] is None:
            counts["unclear"] += 1
        elif chosen == said[NEW]:
            counts["new"] += 1
        elif chosen == said[OLD]:
            counts["old"] += 1
        else:
            counts["neither"] += 1
    return JudgedPairs(**counts)
