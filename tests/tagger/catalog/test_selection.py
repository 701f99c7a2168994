"""Which rows a run leaves alone."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.catalog.manifest import Manifest
from tagger.catalog.selection import Before, Selection, tagged
from tagger.errors import UsageError
from tests.builders import first_batch, manifest_of


def left_alone(manifest: Manifest, column: str, value: str) -> list[str]:
    batch = first_batch(manifest)
    before = Before(column, value, manifest.columns)(batch)
    return [i for i, out in zip(batch.items["id"].to_pylist(), before, strict=True) if out]


@pytest.mark.parametrize(
    ("cells", "value", "expected"),
    [
        (["9", "10", "11", "", "x"], "10", ["0"]),
        (["2026-11-01", "2026-11-22T03:00:00+01:00", "2026-11-22", "", "soon"], "2026-11-22", ["0"]),
        (["2026-11-21T22:59:59-01:30", "2026-11-21 23:59:58Z", "2026-12-01", "", ""], "2026-11-22", ["1"]),
        (["Fall", "Spring", "Summer", "", "Winter"], "Spring", ["0"]),
    ],
)
def test_since_reads_the_column_as_the_value_is(
    tmp_path: Path, cells: list[str], value: str, expected: list[str]
) -> None:
    rows = [f"{i},{cell},z" for i, cell in enumerate(cells)]
    (tmp_path / "m.csv").write_text("\n".join(["id,changed,name", *rows]) + "\n")
    assert left_alone(manifest_of(tmp_path / "m.csv"), "changed", value) == expected


def test_since_reads_the_types_of_parquet(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["a", "b", "c"],
            "day": pa.array([20_000, 20_500, None], pa.date32()),
            "year": pa.array([2012, 2017, None], pa.int16()),
        }
    )
    pq.write_table(table, tmp_path / "m.parquet")
    manifest = manifest_of(tmp_path / "m.parquet")
    assert left_alone(manifest, "day", "2025-01-01") == ["a"]
    assert left_alone(manifest, "year", "2015") == ["a"]


def test_since_names_the_columns_there_are(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,year\n1,2012\n")
    with pytest.raises(UsageError, match=r"--since changed=2026: the manifest has no column 'changed'.*year"):
        Before("changed", "2026", manifest_of(tmp_path / "m.csv").columns)


def test_the_first_reason_counts(tmp_path: Path) -> None:
    rows = ["id,masterCategory,articleType,year", "1,A,x,2011", "2,,x,2011", "3,A,,2019", "4,A,x,2019"]
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n")
    manifest = manifest_of(tmp_path / "m.csv")
    selection = Selection([("tagged", tagged), ("before_since", Before("year", "2015", manifest.columns))])
    assert selection.skipped(first_batch(manifest)) == ["tagged", "before_since", "", "tagged"]


def test_without_labels_nothing_is_tagged(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id\n1\n")
    assert not tagged(first_batch(manifest_of(tmp_path / "m.csv"))).any()
