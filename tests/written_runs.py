"""Runs and audits that nobody tagged: written by hand, so that each item is what a test needs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.runs.roots import RECORD
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.tables.finding import FINDING, FINDINGS_FILE
from tagger.schemas.tables.prediction import PREDICTION
from tests.builders import encoded, picture

Leaf = tuple[str, str]
SURE = 0.9


def write_run(
    folder: Path,
    items: Sequence[tuple[Leaf, Mapping[Leaf, float]]],
    labelled: Mapping[Leaf, int],
    kind: Literal["tag", "audit"] = "tag",
    suggestions: Sequence[Leaf | None] = (),
    attributes: Mapping[str, tuple[str, ...]] | None = None,
    predicted: Sequence[Mapping[str, tuple[str, float]]] = (),
    decision: str = "review",
    more: Sequence[Mapping[str, object]] = (),
    target_precision: Mapping[str, float] | None = None,
) -> Path:
    """A finished run whose items all wait for a person, unless told otherwise; the first is the least certain.

    Args:
        folder: Gets the manifest, the images and the run.
        items: The tag of each (in an audit, its label), and its alternatives, the most probable first.
        labelled: How many further items the manifest has of which labels.
        kind: What the run is.
        suggestions: In an audit, what is suggested for each.
        attributes: Further tags of the run, with all their values.
        predicted: Those of each item: value and confidence, accepted from SURE.
        decision: What is decided about all items.
        more: Further columns of each item's prediction, by PREDICTION.
        target_precision: What the policy promised, by level.
    """
    (folder / "images").mkdir(parents=True)
    is_audit = kind == "audit"
    rows = ["id,masterCategory,articleType,productDisplayName"]
    for n, (tag, _) in enumerate(items):
        (folder / f"images/{n}.jpg").write_bytes(encoded(picture(seed=n)))
        rows.append(f"{n},{','.join(tag) if is_audit else ','},Thing {n}")
    rows += [f"{m}-{a}-{k},{m},{a},Old {k}" for (m, a), count in labelled.items() for k in range(count)]
    (folder / "m.csv").write_text("\n".join(rows) + "\n")
    config: dict[str, object] = {
        "manifest": str(folder / "m.csv"),
        "images": str(folder / "images"),
        "model": str(folder / "gone"),
        "out": "",
    }
    now = datetime(2026, 1, 2, tzinfo=UTC)
    record = RunRecord(
        run_id=f"written-{folder.name}", model_id="m", state="done", kind=kind, config=config, fingerprint="",
        inputs={}, versions={}, attributes=dict(attributes or {}), started_at=now, counts=Counts(),
        target_precision=dict(target_precision or {}),
    )  # fmt: skip
    run = folder / "run"
    (run / "predictions").mkdir(parents=True)
    (run / RECORD).write_text(record.model_dump_json(by_alias=True))
    (run / "_SUCCESS").touch()
    predictions = _predictions(folder, items, record, predicted, decision)
    for row, columns in zip(predictions, more, strict=False):
        row.update(columns)
    pq.write_table(pa.Table.from_pylist(predictions, schema=PREDICTION), run / "predictions/part-00000.parquet")
    if is_audit:
        pq.write_table(pa.Table.from_pylist(_findings(items, suggestions), schema=FINDING), run / FINDINGS_FILE)
    return run


def _predictions(
    folder: Path,
    items: Sequence[tuple[Leaf, Mapping[Leaf, float]]],
    record: RunRecord,
    predicted: Sequence[Mapping[str, tuple[str, float]]],
    decision: str,
) -> list[dict[str, object]]:
    """Rows by PREDICTION; in an audit, a label that may be wrong is the reason for the review."""
    reason = "label_error" if record.kind == "audit" else "low_confidence"
    return [
        {
            "id": str(n), "imageUri": f"{folder}/images/{n}.jpg", "imageDigest": f"digest {n}",
            "masterCategory": tag[0], "masterCategoryConfidence": 0.9,
            "articleType": tag[1], "articleTypeConfidence": 0.1 + 0.8 * n / len(items),
            "alternatives": [
                {"masterCategory": m, "articleType": a, "confidence": c} for (m, a), c in alternatives.items()
            ],
            "decision": decision, "reviewReasons": [reason] if decision == "review" else [],
            "attributes": _attributes(predicted[n]) if n < len(predicted) else None,
            "modelId": "m", "runId": record.run_id, "taggedAt": record.started_at,
        }
        for n, (tag, alternatives) in enumerate(items)
    ]  # fmt: skip


def _attributes(predicted: Mapping[str, tuple[str, float]]) -> list[dict[str, object]]:
    """The attributes of one prediction."""
    return [
        {"name": name, "value": value, "confidence": c, "decision": "accept" if c >= SURE else "review"}
        for name, (value, c) in predicted.items()
    ]


def _findings(
    items: Sequence[tuple[Leaf, Mapping[Leaf, float]]], suggestions: Sequence[Leaf | None]
) -> list[dict[str, object]]:
    """Rows by FINDING."""
    return [
        {
            "rank": n + 1, "id": str(n), "imageDigest": f"digest {n}",
            "masterCategory": tag[0], "articleType": tag[1], "score": 0.9, "reasons": ["label_error"],
            "suggestedMasterCategory": to and to[0],
            "suggestedArticleType": to and to[1], "suggestionConfidence": 0.8 if to else None, "distance": 0.5,
        }
        for n, ((tag, _), to) in enumerate(zip(items, suggestions, strict=True))
    ]  # fmt: skip
