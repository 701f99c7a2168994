import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.schemas.configs.options import ManifestFormat
from tests.builders import encoded, manifest_of, picture, read_all
from tests.conftest import S3Server

CSV = b"id,t\n1,a\n2,b\n"
JSON_LINES = b'{"id": 1, "t": "a"}\n{"id": 2, "t": "b"}\n'


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": ["1", "2"], "t": ["a", "b"]}), out)
    return out.getvalue()


def workbook() -> bytes:
    out = io.BytesIO()
    pd.DataFrame({"id": [1, 2], "t": ["a", "b"]}).to_excel(out, index=False)
    return out.getvalue()


def two_members() -> bytes:
    return gzip.compress(CSV[:9]) + gzip.compress(CSV[9:])


def archive(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, data in files.items():
            target.writestr(name, data)
    return out.getvalue()


TABLES = {
    "parquet": parquet,
    "csv": lambda: CSV,
    "json lines": lambda: JSON_LINES,
    "workbook": workbook,
    "gzip": lambda: gzip.compress(CSV),
    "gzip of two members": two_members,
    "bzip2": lambda: bz2.compress(CSV),
    "xz": lambda: lzma.compress(CSV),
    "gzip of json lines": lambda: gzip.compress(JSON_LINES),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("name", ["m.csv", "m.parquet", "m.xlsx", "m.json", "m"])
def test_a_table_is_read_by_what_it_is_whatever_its_name(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / name).write_bytes(TABLES[kind]())
    for place in (tmp_path / name, tmp_path, tmp_path / "m*"):
        items, rejects = read_all(manifest_of(place))
        assert [(i["id"], i["t"]) for i in items] == [("1", "a"), ("2", "b")]
        assert rejects == []


@pytest.mark.parametrize("kind", ["parquet", "workbook", "gzip of json lines"])
def test_a_bucket_tells_kinds_as_a_folder_does(s3: S3Server, kind: str) -> None:
    key = kind.replace(" ", "-")
    address = s3.put(f"kinds/{key}/part-0", TABLES[kind]())
    for name in (address, address.removesuffix("/part-0")):
        manifest = Manifest(Location(name, s3.endpoint), ManifestFormat())
        assert [i["id"] for i in read_all(manifest)[0]] == ["1", "2"]


def database(path: Path) -> bytes:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (id)")
    return path.read_bytes()


def arrow() -> bytes:
    out = io.BytesIO()
    feather.write_feather(pa.table({"id": ["1"]}), out)
    return out.getvalue()


NO_TABLES = {
    "a zip archive (m.csv); unpack it": lambda: archive(**{"m.csv": CSV}),
    "a damaged zip archive or workbook": lambda: archive(**{"m.csv": CSV})[:40],
    "an Excel workbook that cannot be read": lambda: archive(**{"xl/worksheets/sheet1.xml": b"<worksheet/>"}),
    "an OpenDocument spreadsheet": lambda: archive(**{"content.xml": b"", "mimetype": b""}),
    "a binary Excel workbook (.xlsb)": lambda: archive(**{"xl/workbook.bin": b""}),
    "an old Excel workbook (.xls)": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "an HTML page": lambda: b"\n<!DOCTYPE html><html><body>Sign in, please</body></html>",
    "an RSS or Atom feed": lambda: b'<?xml version="1.0"?><rss><channel></channel></rss>',
    "is XML;": lambda: "\ufeff<catalog><item/></catalog>".encode(),
    "a JSON array": lambda: b'[\n  {"id": 1}\n]\n',
    "a JSON document": lambda: b'{\n  "items": [\n    {"id": 1}\n  ]\n}\n',
    "a PDF document": lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "a JPEG image": lambda: encoded(picture()),
    "a PNG image": lambda: encoded(picture(), "PNG"),
    "a WebP image": lambda: encoded(picture(), "WEBP"),
    "a BMP image": lambda: encoded(picture(), "BMP"),
    "a Python pickle": lambda: pickle.dumps({"id": [1]}),
    "an Arrow file": arrow,
    "binary data": lambda: bytes(range(256)) * 4,
    "a Parquet file or a workbook inside gzip": lambda: gzip.compress(parquet()),
    "the gzip file is cut off": lambda: gzip.compress(bytes(range(256)) * 400)[:10],
}


@pytest.mark.parametrize("words", NO_TABLES)
def test_what_is_no_table_is_named_for_what_it_is_in_one_line_without_its_bytes(tmp_path: Path, words: str) -> None:
    (tmp_path / "m.csv").write_bytes(NO_TABLES[words]())
    with pytest.raises(InputError) as caught:
        manifest_of(tmp_path / "m.csv")
    assert words in str(caught.value)
    assert str(tmp_path / "m.csv") in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_database_is_named(tmp_path: Path) -> None:
    database(tmp_path / "m.csv")
    with pytest.raises(InputError, match="an SQLite database"):
        manifest_of(tmp_path / "m.csv")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_that_is_cut_off_is_an_error_that_says_so(tmp_path: Path, pack: object) -> None:
    rows = "".join(f"{n},{hash(str(n))}\n" for n in range(60_000))
    data = pack(f"id,t\n{rows}".encode())  # type: ignore[operator]
    (tmp_path / "m.csv").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(InputError, match=r"m\.csv: the \w+ file is cut off before its end"):
        read_all(manifest_of(tmp_path / "m.csv"))


def test_headers_with_odd_first_letters_stay_csv(tmp_path: Path) -> None:
    for text in ("[id],t\n1,a\n", "BMW,id\nx,1\n", "{t},id\nx,1\n", '"id","t"\n1,a\n'):
        (tmp_path / "m.csv").write_text(text)
        column = {"id": "[id]"} if text.startswith("[") else {}
        assert [i["id"] for i in read_all(manifest_of(tmp_path / "m.csv", column=column))[0]] == ["1"]


def test_what_lies_beside_tables_in_a_folder_does_not_stop_it_and_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "part-0.csv").write_bytes(CSV)
    for name in (".DS_Store", "_SUCCESS", "_metadata", "_common_metadata", ".part-0.csv.crc", "~$m.xlsx"):
        (tmp_path / name).write_bytes(b"\0\1\2")
    (tmp_path / "README.txt").write_text("The catalogue of autumn, as of today\nwith commas, too\n")
    (tmp_path / "part-0.csv.crc").write_bytes(b"crc\0\0\0\2")
    (tmp_path / "empty").write_bytes(b"")
    for n in range(7):
        (tmp_path / f"{n}.jpg").write_bytes(b"x")
    manifest = manifest_of(tmp_path)
    assert [i["id"] for i in read_all(manifest)[0]] == ["1", "2"]
    read_all(manifest)
    (notice,) = manifest.notices.texts
    assert all(name in notice for name in ("README.txt", "part-0.csv.crc", "empty", "7 .jpg files"))
    assert "DS_Store" not in notice


def test_a_folder_without_a_table_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "m.csv.zip").write_bytes(archive(**{"m.csv": CSV}))
    with pytest.raises(UsageError, match=r"there is no table .* it holds m\.csv\.zip"):
        manifest_of(tmp_path)


def test_a_text_file_of_a_folder_that_has_an_id_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_bytes(CSV)
    (tmp_path / "plain").write_bytes(b"id;t\n3;c\n")
    assert [i["id"] for i in read_all(manifest_of(tmp_path))[0]] == ["1", "2", "3"]
