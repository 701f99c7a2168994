from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest import manifest as manifest_module
from tagger.manifest.manifest import Manifest
from tagger.schemas.configs.options import ManifestFormat
from tests.builders import manifest_of, read_all
from tests.conftest import S3Server


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_blank_and_na_labels_mean_unlabelled_and_other_columns_pass_through(tmp_path: Path) -> None:
    file = write(tmp_path / "m.csv", "id,masterCategory,articleType,season\n1, Apparel ,Tshirts,NA\n2,NA,,\n")
    items, rejects = read_all(manifest_of(file))
    assert rejects == []
    assert items == [
        {"id": "1", "masterCategory": "Apparel", "articleType": "Tshirts", "season": "NA"},
        {"id": "2", "masterCategory": None, "articleType": None, "season": ""},
    ]


def test_blank_and_repeated_ids_are_rejected_and_the_first_one_stays(tmp_path: Path) -> None:
    file = write(tmp_path / "m.csv", "id,t\n1,a\n ,b\n2,c\n1,d\n")
    manifest = manifest_of(file)
    items, rejects = read_all(manifest)
    assert [(i["id"], i["t"]) for i in items] == [("1", "a"), ("2", "c")]
    assert [(r["line"], r["reason"], r["text"]) for r in rejects] == [
        (3, "blank_id", " ,b"),
        (5, "duplicate_id", "1,d"),
    ]
    assert "row 1" in str(rejects[1]["message"])
    assert manifest.tally.rows == len(items) + manifest.tally.rejected == 4


def test_a_folder_is_read_in_order_of_its_files_and_ids_are_compared_over_all(tmp_path: Path) -> None:
    write(tmp_path / "b.csv", "id;t\n2;x\n3;y\n")
    write(tmp_path / "a.csv", "id,t\n1,a\n2,b\n")
    pq.write_table(pa.table({"id": [3, 4], "t": ["p", "q"]}), tmp_path / "c.parquet")
    write(tmp_path / "notes.md", "no manifest")
    items, rejects = read_all(manifest_of(tmp_path))
    assert [(i["id"], i["t"]) for i in items] == [("1", "a"), ("2", "b"), ("3", "y"), ("4", "q")]
    assert [(Path(str(r["file"])).name, r["line"]) for r in rejects] == [("b.csv", 2), ("c.parquet", 1)]


def test_a_glob_names_files_of_one_folder(tmp_path: Path) -> None:
    write(tmp_path / "part-1.csv", "id\n1\n")
    write(tmp_path / "part-2.csv", "id\n2\n")
    write(tmp_path / "other.csv", "id\n9\n")
    assert [i["id"] for i in read_all(manifest_of(tmp_path / "part-*.csv"))[0]] == ["1", "2"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([15970, None, 3]), ["15970", "3"]),
        (pa.array([15970.0, float("nan"), 3.0]), ["15970", "3"]),
        (pa.array(["a ", "", "b"]), ["a", "b"]),
        (pa.array(["a", None, "b"]).dictionary_encode(), ["a", "b"]),
    ],
)
def test_parquet_ids_of_any_type_become_text(tmp_path: Path, column: pa.Array, expected: list[str]) -> None:
    pq.write_table(pa.table({"id": column}), tmp_path / "m.parquet")
    items, rejects = read_all(manifest_of(tmp_path / "m.parquet"))
    assert [i["id"] for i in items] == expected
    assert [(r["line"], r["reason"]) for r in rejects] == [(2, "blank_id")]


def test_parquet_written_by_pandas_reads_the_same_as_its_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2], "masterCategory": ["A", None], "articleType": ["x", None], "price": [1.5, 2.0]})
    frame.to_parquet(tmp_path / "m.parquet")
    frame.to_csv(tmp_path / "m.csv", index=False)
    parquet, text = (read_all(manifest_of(tmp_path / name))[0] for name in ("m.parquet", "m.csv"))
    assert [(r["id"], r["masterCategory"], float(str(r["price"]))) for r in parquet] == [
        (r["id"], r["masterCategory"], float(str(r["price"]))) for r in text
    ]


def test_binary_text_of_other_writers_is_read_and_what_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "m.parquet"
    pq.write_table(pa.table({"id": [b"1"], "masterCategory": [b"Apparel"], "articleType": [b"Tops"]}), file)
    assert read_all(manifest_of(file))[0] == [{"id": "1", "masterCategory": "Apparel", "articleType": "Tops"}]
    pq.write_table(pa.table({"id": [["1"]]}), file)
    with pytest.raises(InputError, match="the column of id is list"):
        read_all(manifest_of(file))


def test_one_column_for_two_roles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="named for masterCategory and articleType; each needs a column of its own"):
        manifest_of(write(tmp_path / "m.csv", "id,type\n"), column={"masterCategory": "type", "articleType": "type"})


def test_columns_are_mapped_and_what_stood_under_the_role_is_set_apart(tmp_path: Path) -> None:
    file = write(tmp_path / "m.csv", "sku,articleType,type,masterCategory\n7,old,Tshirts,Apparel\n")
    manifest = manifest_of(file, column={"id": "sku", "articleType": "type"})
    assert read_all(manifest)[0] == [
        {"id": "7", "articleType": "Tshirts", "articleType_original": "old", "masterCategory": "Apparel"}
    ]


def test_a_mapping_to_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    file = write(tmp_path / "m.csv", "id,kind\n1,x\n")
    with pytest.raises(UsageError, match=r"articleType=type.*no column 'type'.*id, kind"):
        manifest_of(file, column={"articleType": "type"})


def test_an_unknown_role_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="colour"):
        manifest_of(write(tmp_path / "m.csv", "id\n"), column={"colour": "x"})


def test_a_manifest_without_ids_breaks_the_contract(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'sku' looks like it: --column id=sku; it has sku, kind"):
        manifest_of(write(tmp_path / "m.csv", "sku,kind\n1,x\n"))


@pytest.mark.parametrize("name", ["nothing.csv", "no-*.csv"])
def test_a_path_that_leads_nowhere_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        manifest_of(tmp_path / name)


def test_a_file_that_only_claims_to_be_parquet_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a readable Parquet file"):
        manifest_of(write(tmp_path / "m.parquet", "PAR1 and no more"))


def test_row_numbers_run_on_over_batches_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_module, "BATCH_ROWS", 3)
    write(tmp_path / "a.csv", "id\n" + "\n".join(map(str, range(7))) + "\n")
    write(tmp_path / "b.csv", "id\n" + "\n".join(map(str, range(7, 12))) + "\n")
    batches = list(manifest_of(tmp_path).batches())
    assert [n for b in batches for n in b.rows.tolist()] == list(range(1, 13))
    assert max(len(b.items) for b in batches) == 3


def test_a_bucket_is_read_like_a_folder(s3: S3Server) -> None:
    s3.put("manifests/a.csv", b"id,t\n1,a\n")
    s3.put("manifests/b.csv", b"id,t\n2,b\n")
    for name in ("manifests/a.csv", "manifests", "manifests/*.csv"):
        manifest = Manifest(Location(f"s3://{s3.bucket}/{name}", s3.endpoint), ManifestFormat())
        assert [i["id"] for i in read_all(manifest)[0]] == (["1"] if name.endswith("a.csv") else ["1", "2"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_rows_are_items_and_rejects_whatever_the_bytes(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "m.csv"
    file.write_bytes(b"id,masterCategory,articleType,title\n" + data)
    manifest = manifest_of(file)
    items, rejects = read_all(manifest)
    assert manifest.tally.rows == len(items) + len(rejects)
    assert len({i["id"] for i in items}) == len(items)
