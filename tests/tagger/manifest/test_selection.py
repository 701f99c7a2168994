"""Which rows a run leaves alone."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.errors import InputError, UsageError
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.manifest.selection import Before, Selection, already_labelled, tagged
from tests.builders import first_batch, manifest_of


def left_alone(manifest: Manifest, column: str, value: str) -> list[str]:
    batch = first_batch(manifest)
    before = Before(column, value, manifest.columns)(batch)
    return [i for i, out in zip(batch.items["id"].to_pylist(), before, strict=True) if out]


@pytest.mark.parametrize(
    ("cells", "value", "expected"),
    [
        (["9", "10", "11", "", "9.5"], "10", ["0", "4"]),
        (["20261101", "20261122", "20261231", "", "N/A"], "20261122", ["0"]),
        (["2026-11-01", "2026-11-22T03:00:00+01:00", "2026-11-22", "", "2026-10"], "2026-11-22", ["0", "4"]),
        (["2026-11-21T22:59:59-01:30", "2026-11-21 23:59:58Z", "9999-12-31", "", "null"], "2026-11-22", ["1"]),
        (["Fall", "Spring", "Summer", "", "Winter"], "text:Spring", ["0"]),
        (["27.11.2026", "yesterday", "11/01/2026", "", " - "], "text:2", ["2"]),
    ],
)
def test_since_reads_the_column_as_the_value_is(
    tmp_path: Path, cells: list[str], value: str, expected: list[str]
) -> None:
    rows = [f"{i},{cell},z" for i, cell in enumerate(cells)]
    (tmp_path / "m.csv").write_text("\n".join(["id,changed,name", *rows]) + "\n")
    assert left_alone(manifest_of(tmp_path / "m.csv"), "changed", value) == expected


@pytest.mark.parametrize(
    "value",
    ["yesterday", "11/01/2026", "27.11.2026", "", " ", "nan", "inf", "2026-W48", "2026-02-30", "1,000", "text:"],
)
def test_a_since_value_that_is_neither_number_nor_iso_date_is_refused_with_the_way_out(value: str) -> None:
    with pytest.raises(UsageError, match=r"neither a number nor an ISO date.*--since changed=text:") as refused:
        Before("changed", value, ["id", "changed"])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("cell", "value", "words"),
    [
        ("10/31/2026", "2026-11-01", "is no ISO date or time, such as 2026-11-27; .*--since changed=text:VALUE"),
        ("soon", "2026", "is no number"),
        ("2026", "2026-11-01", "is no ISO date or time.*Give --since a number"),
        ("2026-11-01", "2026", "is no number.*Give --since a date"),
        ("inf", "2026", "is no number"),
    ],
)
def test_a_cell_that_cannot_be_compared_ends_the_run_and_is_named(
    tmp_path: Path, cell: str, value: str, words: str
) -> None:
    (tmp_path / "m.csv").write_text(f"id,changed\na,{value}\nb,{cell}\n")
    with pytest.raises(InputError, match=f"m.csv, line 3: --since changed={value}: '{cell}' .*of b {words}"):
        left_alone(manifest_of(tmp_path / "m.csv"), "changed", value)


def test_cells_without_a_value_are_counted(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,changed\na,2026-11-01\nb,\nc,NULL\nd,k.A.\n")
    manifest = manifest_of(tmp_path / "m.csv")
    before = Before("changed", "2026-12-01", manifest.columns, NoValue(["k.A."]))
    assert before(first_batch(manifest)).tolist() == [True, False, False, False]
    assert before.without_value == 3


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (pa.array([20_000, 20_500, None], pa.date32()), "2025-01-01", ["a"]),
        (pa.array([20_000 * 86_400, 20_500 * 86_400, None], pa.timestamp("s")), "2025-01-01", ["a"]),
        (
            pa.array([1_000, 20_500 * 86_400_000, None], pa.timestamp("ms", "Europe/Berlin")),
            "1970-01-01T00:00:02",
            ["a"],
        ),
        (pa.array([2012, 2017, None], pa.int16()), "2015", ["a"]),
        (pa.array([2012.5, float("nan"), None]), "2015", ["a"]),
        (pa.array(["2012", "2017", None]).dictionary_encode(), "2015", ["a"]),
    ],
)
def test_since_reads_the_types_of_parquet(tmp_path: Path, column: pa.Array, value: str, expected: list[str]) -> None:
    pq.write_table(pa.table({"id": ["a", "b", "c"], "changed": column}), tmp_path / "m.parquet")
    assert left_alone(manifest_of(tmp_path / "m.parquet"), "changed", value) == expected


@pytest.mark.parametrize("column", [pa.array([[1], [2]]), pa.array([True, False]), pa.array([1.5, float("inf")])])
def test_a_column_without_an_order_is_refused(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"id": ["a", "b"], "changed": column}), tmp_path / "m.parquet")
    with pytest.raises(InputError, match="--since changed=2026"):
        left_alone(manifest_of(tmp_path / "m.parquet"), "changed", "2026")


def test_untagged_only_needs_both_label_columns_and_names_what_looks_like_them(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,master_category,articleType\n1,A,x\n")
    with pytest.raises(UsageError, match=r"--untagged-only: .*--column masterCategory=master_category"):
        already_labelled(manifest_of(tmp_path / "m.csv"))
    named = manifest_of(tmp_path / "m.csv", column={"masterCategory": "master_category"})
    assert already_labelled(named)(first_batch(named)).tolist() == [True]


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
