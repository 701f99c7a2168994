import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest import manifest as manifest_module
from tagger.manifest.manifest import Manifest
from tagger.schemas.configs.options import ManifestFormat
from tests.builders import catalog_of, encoded, first_batch, manifest_of, picture, read_all
from tests.conftest import Outcome, S3Server


def as_file(folder: Path, kind: str, ids: list[object]) -> Path:
    """One column of ids as a file of a kind, as a program that has them as numbers writes it."""
    file = folder / f"m.{kind}"
    if kind == "csv":
        file.write_text("id,t\n" + "".join(f"{i},x\n" for i in ids))
    elif kind == "jsonl":
        file.write_text("".join(json.dumps({"id": i, "t": "x"}) + "\n" for i in ids))
    elif kind == "parquet":
        pq.write_table(pa.table({"id": pa.array(ids, pa.float64()), "t": ["x"] * len(ids)}), file)
    else:
        pd.DataFrame({"id": [str(i) for i in ids], "t": "x"}).to_excel(file, index=False)
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "xlsx"])
def test_whole_ids_lose_their_point_if_all_have_one_and_else_none_does(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_module, "BATCH_ROWS", 2)
    whole = manifest_of(as_file(tmp_path, kind, [15970.0, 15971.0, 3.0]))
    assert [i["id"] for i in read_all(whole)[0]] == ["15970", "15971", "3"]
    versions = manifest_of(as_file(tmp_path, kind, [1.0, 2.0, 3.0, 1.5]))
    assert [i["id"] for i in read_all(versions)[0]] == ["1.0", "2.0", "3.0", "1.5"]
    assert versions.notices.texts == []


def test_that_ids_of_text_lost_their_point_is_said(tmp_path: Path) -> None:
    manifest = manifest_of(as_file(tmp_path, "csv", ["", 15970.0, "nan"]))
    items, rejects = read_all(manifest)
    assert [i["id"] for i in items] == ["15970"]
    assert len(rejects) == 2
    assert "15970.0; they are read without the point, as 15970" in manifest.notices.texts[0]


def test_ids_that_are_infinite_or_too_large_to_be_exact_are_rejects(tmp_path: Path) -> None:
    items, rejects = read_all(manifest_of(as_file(tmp_path, "parquet", [1.0, float("inf"), float("nan"), 2.0**60])))
    assert [i["id"] for i in items] == ["1"]
    assert [(r["line"], r["reason"]) for r in rejects] == [(2, "bad_id"), (3, "blank_id"), (4, "bad_id")]
    assert "inf" in str(rejects[0]["message"])


def test_decimal_ids_are_whole_numbers(tmp_path: Path) -> None:
    ids = pa.array([Decimal("15970.00"), Decimal("7.00")], pa.decimal128(12, 2))
    pq.write_table(pa.table({"id": ids}), tmp_path / "m.parquet")
    assert [i["id"] for i in read_all(manifest_of(tmp_path / "m.parquet"))[0]] == ["15970", "7"]


@pytest.mark.parametrize(
    "column", [pa.array([["a"], ["b"]]), pa.array([b"\xff", b"\xfe"]), pa.array([[1, 2], [3]], pa.list_(pa.uint8()))]
)
def test_a_column_that_is_no_text_is_named_with_its_type_wherever_text_is_needed(
    tmp_path: Path, column: pa.Array
) -> None:
    file = tmp_path / "m.parquet"
    pq.write_table(pa.table({"id": ["1", "2"], "x": column}), file)
    (tmp_path / "images").mkdir()
    for role in ("id", "masterCategory"):
        with pytest.raises(InputError, match=r"m\.parquet: the column of \w+ is (list|binary)"):
            read_all(manifest_of(file, column={role: "x"}))
    with pytest.raises(InputError, match=r"column 'x' of .*m\.parquet is (list|binary)"):
        manifest, store = catalog_of(file, f"{tmp_path}/images/{{x}}/{{id}}.jpg")
        store.locate(first_batch(manifest))
    if not pa.types.is_binary(column.type) and column.type != pa.list_(pa.string()):
        with pytest.raises(InputError, match=r"column 'x' of .*m\.parquet is list"):
            manifest, store = catalog_of(file, "column:x")
            store.locate(first_batch(manifest))


def test_images_as_base64_are_named(tmp_path: Path) -> None:
    import base64

    text = base64.b64encode(encoded(picture())).decode()
    pq.write_table(pa.table({"id": ["1"], "x": [text]}), tmp_path / "m.parquet")
    with pytest.raises(InputError, match=r"column 'x' of .* base64"):
        manifest, store = catalog_of(tmp_path / "m.parquet", "column:x")
        store.locate(first_batch(manifest))


def test_a_struct_of_images_that_has_paths_alone_is_read_as_paths(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    (tmp_path / "1.jpg").write_bytes(encoded(picture()))
    for name, image in (("paths", {"bytes": None, "path": "1.jpg"}), ("bytes", {"bytes": b"x", "path": "1.jpg"})):
        pq.write_table(pa.table({"id": ["1"], "image": pa.array([image], kind)}), tmp_path / f"{name}.parquet")
        manifest, store = catalog_of(tmp_path / f"{name}.parquet", "column:image")
        (data,) = store.fetch([r for r in store.locate(first_batch(manifest)) if r])
        assert data == (b"x" if name == "bytes" else encoded(picture()))


def test_an_index_without_a_name_is_offered_as_the_id(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": ["a"]}, index=["7"])
    frame.to_parquet(tmp_path / "m.parquet")
    frame.to_csv(tmp_path / "m.csv")
    for name, column in (("m.parquet", "__index_level_0__"), ("m.csv", "column_1")):
        with pytest.raises(InputError, match=f"--column id={column}"):
            manifest_of(tmp_path / name)
        assert [i["id"] for i in read_all(manifest_of(tmp_path / name, column={"id": column}))[0]] == ["7"]


def partitioned(put: Callable[[str, bytes], object]) -> None:
    put("masterCategory=Apparel/part-0.csv", b"id,articleType\n1,Tops\n")
    put("masterCategory=Home%20%26%20Living/articleType=Vases/part-0.csv", b"id\n2\n")
    put("masterCategory=__HIVE_DEFAULT_PARTITION__/part-0.csv", b"id,articleType\n3,Tops\n")


LABELS = [("1", "Apparel", "Tops"), ("2", "Home & Living", "Vases"), ("3", None, "Tops")]


def test_partitions_in_the_path_are_columns(tmp_path: Path) -> None:
    def put(name: str, data: bytes) -> None:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(data)

    partitioned(put)
    pq.write_to_dataset(
        pa.table({"id": [4, 5], "masterCategory": ["Apparel", "Toys"], "articleType": ["Tops", "Dolls"]}),
        tmp_path, partition_cols=["masterCategory"],
    )  # fmt: skip
    manifest = manifest_of(tmp_path)
    assert manifest.role_columns() >= {"masterCategory", "articleType"}
    found = {(i["id"], i["masterCategory"], i["articleType"]) for i in read_all(manifest)[0]}
    assert found == {*LABELS, ("4", "Apparel", "Tops"), ("5", "Toys", "Dolls")}


def test_partitions_in_a_bucket_are_columns(s3: S3Server) -> None:
    partitioned(lambda name, data: s3.put(f"hive/{name}", data))
    manifest = Manifest(Location(f"s3://{s3.bucket}/hive", s3.endpoint), ManifestFormat())
    found = sorted((i["id"], i["masterCategory"], i["articleType"]) for i in read_all(manifest)[0])
    assert found == LABELS


def test_files_of_a_folder_may_differ_and_one_that_lacks_a_labels_column_is_named(tmp_path: Path) -> None:
    tables = {
        "a": {"id": ["1"], "masterCategory": ["A"], "type": ["x"]},
        "b": {"type": pa.nulls(1), "masterCategory": ["B"], "id": [2]},
        "c": {"id": ["3"], "other": [1]},
    }
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    for name in ("c.parquet", "0.parquet"):  # the file that lacks columns comes last, then first
        (tmp_path / "c.parquet").rename(tmp_path / name)
        manifest = manifest_of(tmp_path, column={"articleType": "type"})
        items = {i["id"]: (i["masterCategory"], i["articleType"]) for i in read_all(manifest)[0]}
        assert items == {"1": ("A", "x"), "2": ("B", None), "3": (None, None)}
        assert manifest.role_columns() >= {"masterCategory", "articleType"}
        read_all(manifest)
        assert len(manifest.notices.texts) == 2
        assert all("has no column" in text for text in manifest.notices.texts)
    with pytest.raises(UsageError, match="no column 'kind'"):
        manifest_of(tmp_path, column={"articleType": "kind"})


def test_a_file_of_a_folder_that_lacks_the_id_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,t\n1,x\n")
    (tmp_path / "b.csv").write_text("sku,t\n2,y\n")
    with pytest.raises(InputError, match=r"b\.csv: no column 'id'"):
        read_all(manifest_of(tmp_path))


def test_the_same_table_twice_in_a_folder_is_said(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [str(n) for n in range(20)], "t": "x"})
    frame.to_csv(tmp_path / "items.csv", index=False)
    frame.to_parquet(tmp_path / "items.parquet")
    (tmp_path / "more.csv").write_text("id,t\n0,x\n99,y\n")
    manifest = manifest_of(tmp_path)
    assert len(read_all(manifest)[0]) == 21
    (notice,) = manifest.notices.texts
    assert "items.parquet: 20 of its 20 ids were read before, as in" in notice


def test_notices_are_said_by_the_command_and_in_its_json(tmp_path: Path, tagger: Callable[..., Outcome]) -> None:
    (tmp_path / "1.jpg").write_bytes(encoded(picture()))
    (tmp_path / "m.csv").write_bytes("id,masterCategory,articleType\n1,Größen,\x1b[31mTöpfe\n".encode("cp1252"))
    done = tagger("check", "--manifest", tmp_path / "m.csv", "--images", tmp_path, "--json")
    (notice,) = json.loads(done.out)["notices"]
    assert notice in done.err
    assert "Windows-1252" in notice
    done = tagger("check", "--manifest", tmp_path / "m.csv", "--images", tmp_path)
    assert done.err.count("Windows-1252") == 1
    assert "\x1b" not in done.out + done.err
