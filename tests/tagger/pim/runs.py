"""Finished runs without images, and maps, as exports read them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.io.location import Location
from tagger.pim.map_file import as_text
from tagger.runs.roots import RECORD
from tagger.schemas.documents.export_map import ExportMap
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.tables.prediction import PREDICTION

Leaf = tuple[str, str]


def write_tags(
    folder: Path,
    items: Mapping[str, tuple[Leaf, str]],
    name: str = "run-1",
    attributes: Mapping[str, Mapping[str, str]] | None = None,
    day: int = 1,
) -> Path:
    """A finished run.

    Args:
        folder: Gets the run.
        items: The class of each id, and what is decided about it.
        name: The run's.
        attributes: Further tags by id, which are all accepted.
        day: Of January, when it was made.
    """
    run = folder / name
    (run / "predictions").mkdir(parents=True)
    now = datetime(2026, 1, day, tzinfo=UTC)
    given = attributes or {}
    names: dict[str, list[str]] = {}
    for tags in given.values():
        for tag, value in tags.items():
            names.setdefault(tag, []).append(value)
    record = RunRecord(
        run_id=name, model_id="m", state="done", config={}, fingerprint="", inputs={}, versions={}, started_at=now,
        counts=Counts(), attributes={tag: tuple(sorted(set(values))) for tag, values in names.items()},
    )  # fmt: skip
    rows = [
        {
            "id": item, "masterCategory": master, "masterCategoryConfidence": 0.99, "articleType": article,
            "articleTypeConfidence": 0.9, "decision": decision, "reviewReasons": [],
            "attributes": [
                {"name": n, "value": v, "confidence": 0.95, "decision": "accept"} for n, v in given[item].items()
            ] if item in given else None,
            "modelId": "m", "runId": name, "taggedAt": now,
        }
        for item, ((master, article), decision) in items.items()
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=PREDICTION), run / "predictions/part-00000.parquet")
    (run / RECORD).write_text(record.model_dump_json(by_alias=True))
    (run / "_SUCCESS").touch()
    return run


def write_map(file: Path, target: str, fields: Mapping[str, Mapping[str, object]], **more: object) -> Path:
    """A map, as --write-map writes it."""
    document = ExportMap.model_validate({"target": target, "fields": fields, **more})
    Location(str(file)).write_text(as_text(document, "for a test", {}))
    return file


def lines_of(folder: Path, pattern: str) -> Sequence[str]:
    """The lines of all files of a pattern."""
    return [line for file in sorted(folder.glob(pattern)) for line in file.read_text(encoding="utf-8").splitlines()]
