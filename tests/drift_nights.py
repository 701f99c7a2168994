"""Runs with hundreds of items that nobody tagged, for drift checks: each type has its own confidences and vectors."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.drift.sample import Sample
from tagger.runs.roots import RECORD
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.tables.embedding import EMBEDDING
from tagger.schemas.tables.prediction import ALTERNATIVES, PREDICTION

TYPES = ("Shirts", "Tshirts", "Tops", "Jeans", "Watches")
USUAL = (0.3, 0.3, 0.2, 0.1, 0.1)
_CLEAR = np.array([3.2, 2.4, 2.0, 3.5, 4.4])
"""How clearly each type shows, in standard deviations of what a picture of any type shows of it."""
_SIZE = 16


def sample(
    rng: np.random.Generator, items: int, shares: tuple[float, ...] = USUAL, doubt: float = 0.0, blurred: float = 0.0
) -> Sample:
    """Items of some types.

    Args:
        rng: Draws them.
        items: How many.
        shares: The types' shares.
        doubt: Share of the items whose confidence is that of a guess.
        blurred: Share of the items with a blurry picture.
    """
    true = rng.choice(len(TYPES), items, p=shares)
    shown = rng.normal(0, 1, (items, len(TYPES)))
    shown[np.arange(items), true] += _CLEAR[true]
    unsure = rng.random(items) < doubt
    shown[unsure] = _CLEAR / 2 + rng.normal(0, 0.2, (int(unsure.sum()), len(TYPES)))
    raised = np.array(USUAL) * np.exp(shown * _CLEAR - _CLEAR**2 / 2)  # Bayes' rule: calibrated for the usual shares
    probabilities = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    order = np.argsort(-probabilities, axis=1)[:, :ALTERNATIVES]
    names = np.array(TYPES, object)[order]
    best = np.take_along_axis(probabilities, order, 1)
    centres = np.eye(_SIZE)[: len(TYPES)]
    vectors = centres[true] + rng.normal(0, 0.15, (items, _SIZE))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.array([f"{rng.integers(1 << 60):x}" for _ in range(items)], object)
    blur = np.where(rng.random(items) < blurred, rng.uniform(1, 20, items), rng.lognormal(6, 0.5, items))
    return Sample(
        ids, ids, names[:, 0], best[:, 0], np.array([[f"Apparel\0{name}" for name in row] for row in names], object),
        best, blur.astype(np.float32), rng.normal(200, 10, items).astype(np.float32),
        np.full(items, 4800, np.float32), vectors.astype(np.float16),
    )  # fmt: skip


def write_night(
    folder: Path,
    items: Sample,
    number: int = 0,
    failed: int = 0,
    model_id: str = "m",
    after: tuple[str, ...] = (),
    with_vectors: bool = True,
    **more: object,
) -> Path:
    """Write a finished run with these items, which the model has accepted; the number gives its night."""
    started = datetime(2026, 11, 1 + number, 2, tzinfo=UTC)
    counts = {"accept": len(items), "failed": failed}
    record = RunRecord.model_validate(
        {
            "run_id": f"night-{folder.name}", "model_id": model_id, "state": "done", "config": {"out": str(folder)},
            "fingerprint": "", "inputs": {}, "versions": {}, "started_at": started, "after": after, "seconds": 60.0,
            "finished_at": started + timedelta(minutes=1),
            "counts": Counts(rows=len(items) + failed, predictions=len(items) + failed, decisions=counts),
            **more,
        }
    )  # fmt: skip
    (folder / "predictions").mkdir(parents=True)
    rows = [_row(items, row, record) for row in range(len(items))]
    rows += [_failed(f"{folder.name}-failed-{row}", record) for row in range(failed)]
    pq.write_table(pa.Table.from_pylist(rows, PREDICTION), folder / "predictions/part-00000.parquet")
    if with_vectors:
        (folder / "embeddings").mkdir()
        vectors = [
            {"id": i, "imageDigest": d, "modelId": model_id, "layout": [0.0], "vector": v}
            for i, d, v in zip(items.ids, items.digests, items.vectors.tolist(), strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(vectors, EMBEDDING), folder / "embeddings/part-00000.parquet")
    (folder / RECORD).write_text(record.model_dump_json(by_alias=True))
    (folder / "_SUCCESS").touch()
    return folder


def _row(items: Sample, row: int, record: RunRecord) -> Mapping[str, object]:
    leaves = [
        {"masterCategory": "Apparel", "articleType": leaf.partition("\0")[2], "confidence": float(p)}
        for leaf, p in zip(items.leaves[row], items.probabilities[row], strict=True)
    ]
    return {
        "id": items.ids[row], "imageUri": f"{items.ids[row]}.jpg", "imageDigest": items.digests[row],
        "masterCategory": "Apparel", "masterCategoryConfidence": 0.99, "articleType": items.types[row],
        "articleTypeConfidence": float(items.confidence[row]), "alternatives": leaves, "decision": "accept",
        "reviewReasons": [], "blurScore": float(items.blur[row]), "brightness": float(items.brightness[row]),
        "imageWidth": 60, "imageHeight": 80, "modelId": record.model_id, "runId": record.run_id,
        "taggedAt": record.started_at,
    }  # fmt: skip


def _failed(item: str, record: RunRecord) -> Mapping[str, object]:
    return {
        "id": item, "decision": "failed", "reviewReasons": [], "errorCode": "not_found", "errorMessage": "no image",
        "modelId": record.model_id, "runId": record.run_id, "taggedAt": record.started_at,
    }  # fmt: skip


def document(path: Path) -> dict[str, object]:
    """A JSON file."""
    read: dict[str, object] = json.loads(path.read_text())
    return read
