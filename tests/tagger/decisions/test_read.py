"""Decisions are found wherever they were written: a file, a folder of files, a run, a folder of runs."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.decisions.read import named_decisions
from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.runs.roots import RECORD
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.tables.decision import DECISION


def write(file: Path, *ids: str) -> Path:
    rows = [
        {
            "id": i,
            "verdict": "accepted",
            "masterCategory": "A",
            "articleType": "B",
            "decidedBy": "Ann",
            "decidedAt": datetime(2026, 1, 1, tzinfo=UTC),
        }
        for i in ids
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=DECISION), file)
    return file


def ids_in(place: Path) -> list[str]:
    return [i for table in named_decisions(Location(str(place)), "--decisions") for i in table["id"].to_pylist()]


def test_a_file_and_a_folder_of_files(tmp_path: Path) -> None:
    first = write(tmp_path / "of" / "part-0.parquet", "1", "2")
    write(tmp_path / "of" / "part-1.parquet", "3")
    assert ids_in(first) == ["1", "2"]
    assert ids_in(tmp_path / "of") == ["1", "2", "3"]


def test_a_run_and_a_folder_of_runs(tmp_path: Path) -> None:
    for name in ("monday", "tuesday"):
        write(tmp_path / "runs" / name / "decisions" / "part-0.parquet", name)
        record = RunRecord(
            run_id=name, model_id="m", state="done", config={}, fingerprint="", inputs={}, versions={},
            started_at=datetime(2026, 1, 1, tzinfo=UTC), counts=Counts(),
        )  # fmt: skip
        (tmp_path / "runs" / name / RECORD).write_text(record.model_dump_json(by_alias=True))
        write(tmp_path / "runs" / name / "predictions" / "part-0.parquet", "no decision")
    assert ids_in(tmp_path / "runs") == ["monday", "tuesday"]


def test_what_holds_no_decisions_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--decisions: there is no run, file or folder .*gone"):
        ids_in(tmp_path / "gone")
    with pytest.raises(UsageError, match="neither a run nor a Parquet file"):
        ids_in(tmp_path)
    pq.write_table(pa.table({"id": ["1"]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet holds no review decisions: it has no column"):
        ids_in(tmp_path / "other.parquet")
