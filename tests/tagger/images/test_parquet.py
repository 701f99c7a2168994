"""Image stores in Parquet files that are damaged, that fail now and then, or that hold paths."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.errors import ImageError, InputError
from tagger.images.parquet import ParquetImages
from tagger.images.parquet_index import ParquetIndex
from tagger.io.location import Location
from tagger.schemas.tables.prediction import ErrorCode
from tests.conftest import S3Server
from tests.faulty_s3 import Faults, faulty

ROWS, GROUP = 1000, 500
LIMIT = 10**6


def image(row: int) -> bytes:
    return f"image {row} ".encode() * 40


def damaged(path: Path, *rows: int) -> Location:
    """A file of two row groups, each of many small gzip pages; those that hold some of the rows are overwritten."""
    ids = pa.array([str(i) for i in range(ROWS)])
    table = pa.table({"id": ids, "image": pa.array([image(row) for row in range(ROWS)], pa.binary())})
    pq.write_table(
        table, path, row_group_size=GROUP, data_page_size=2000, write_batch_size=10, compression="gzip",
        use_dictionary=False,
    )  # fmt: skip
    data, metadata = bytearray(path.read_bytes()), pq.ParquetFile(path).metadata
    for row in rows:
        chunk = metadata.row_group(row // GROUP).column(1)
        first = chunk.data_page_offset
        pages = [
            first + m.start() for m in re.finditer(b"\x1f\x8b\x08", data[first : first + chunk.total_compressed_size])
        ]
        assert len(pages) > 20
        at = pages[row % GROUP * len(pages) // GROUP]
        data[at + 12 : at + 40] = b"\xff" * 28
    path.write_bytes(data)
    return Location(str(path))


def fetched(store: ParquetImages, file: Location, rows: list[int]) -> dict[int, bytes | ImageError]:
    return dict(zip(rows, store.fetch([f"{file}#{row}" for row in rows]), strict=True))


def lost_of(values: dict[int, bytes | ImageError]) -> list[int]:
    lost = [row for row, value in values.items() if isinstance(value, ImageError)]
    for row, value in values.items():
        assert row in lost or value == image(row)
    return lost


@pytest.mark.parametrize("order", [1, -1])
def test_a_damaged_page_costs_the_rows_from_it_to_the_end_of_its_row_group(tmp_path: Path, order: int) -> None:
    file = damaged(tmp_path / "images.parquet", 302)
    values = fetched(ParquetImages([file], "image", LIMIT), file, list(range(ROWS))[::order])
    lost = sorted(lost_of(values))
    assert lost == list(range(lost[0], GROUP))
    assert 280 < lost[0] <= 302
    error = values[400]
    assert isinstance(error, ImageError)
    assert error.code is ErrorCode.STORE_ERROR
    assert f"rows {lost[0]} to 499 cannot be read" in error.message


def test_damage_in_every_row_group_leaves_what_lies_before_it(tmp_path: Path) -> None:
    file = damaged(tmp_path / "images.parquet", 302, 905)
    lost = lost_of(fetched(ParquetImages([file], "image", LIMIT), file, list(range(ROWS))))
    assert {0, 279, 500, 880}.isdisjoint(lost)
    assert {302, 499, 905, 999} <= set(lost)


def test_rows_asked_for_again_say_the_same(tmp_path: Path) -> None:
    file = damaged(tmp_path / "images.parquet", 302)
    store = ParquetImages([file], "image", LIMIT)
    assert [lost_of(fetched(store, file, [400, 100, 700, 302, 100])) for _ in range(3)] == [[400, 302]] * 3


def test_images_joined_by_id_survive_a_damaged_page(tmp_path: Path) -> None:
    file = damaged(tmp_path / "images.parquet", 302)
    index = ParquetIndex([file])
    store = ParquetImages([file], index.column, LIMIT, index)
    values = list(store.fetch(index.refs(["7", "400", "700"])))
    assert (values[0], values[2]) == (image(7), image(700))
    assert isinstance(values[1], ImageError)


def test_a_file_that_is_no_parquet_any_more_costs_its_rows_alone(tmp_path: Path) -> None:
    files = [damaged(tmp_path / f"{n}.parquet") for n in range(2)]
    store = ParquetImages(files, "image", LIMIT)
    Path(files[0].path).write_bytes(b"PAR1")
    assert lost_of(fetched(store, files[0], [1, 2, 900])) == [1, 2, 900]
    assert lost_of(fetched(store, files[1], [1, 2, 900])) == []


def test_damaged_ids_of_an_image_file_are_an_input_error_that_names_it(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [f"number {i}" for i in range(200)], "image": [b"x"] * 200}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data[:10] + b"\xff" * 60 + data[70:])
    with pytest.raises(InputError, match=r"a\.parquet: its ids cannot be read"):
        ParquetIndex([Location(str(tmp_path / "a.parquet"))])


def test_a_bucket_that_fails_now_and_then_costs_no_row(s3: S3Server, tmp_path: Path) -> None:
    path = tmp_path / "images.parquet"
    damaged(path)
    s3.put("flaky/images.parquet", path.read_bytes())
    faults = Faults(throttled=0.2, reset=0.2, truncated=0.2, seed=3)
    with faulty(s3.endpoint, faults) as endpoint:
        file = Location(f"s3://{s3.bucket}/flaky/images.parquet", endpoint)
        store = ParquetImages([file], "image", LIMIT)
        assert lost_of(fetched(store, file, list(range(0, ROWS, 7)))) == []


def test_rows_in_any_order_are_answered_in_that_order(tmp_path: Path) -> None:
    files = [damaged(tmp_path / f"{n}.parquet") for n in range(2)]
    rows = [(n * 7 % 2, n * 7919 % ROWS) for n in range(60)] + [(0, n) for n in range(0, ROWS, 90)] + [(1, ROWS)]
    *values, beyond = ParquetImages(files, "image", LIMIT).fetch([f"{files[f]}#{row}" for f, row in rows])
    assert values == [image(row) for _, row in rows[:-1]]
    assert isinstance(beyond, ImageError)
    assert beyond.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("repeated", [False, True])
def test_row_groups_that_are_too_large_to_be_read_ahead_are_read_all_the_same(tmp_path: Path, repeated: bool) -> None:
    images = [b"%08d" % (0 if repeated else n) + bytes(1_000_000) for n in range(40)] * 2
    pq.write_table(pa.table({"id": list(range(80)), "image": images}), tmp_path / "0.parquet", row_group_size=40)
    file = Location(str(tmp_path / "0.parquet"))
    values = ParquetImages([file], "image", 2 * LIMIT).fetch([f"{file}#{row}" for row in range(80)])
    assert all(value == image for value, image in zip(values, images, strict=True))


def test_each_row_group_is_requested_once_however_the_rows_are_asked_for(s3: S3Server, tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"id": list(range(ROWS)), "image": [image(row) * 30 for row in range(ROWS)]}),
        tmp_path / "images.parquet", row_group_size=ROWS // 10, compression="none", use_dictionary=False,
    )  # fmt: skip
    s3.put("counted/images.parquet", (tmp_path / "images.parquet").read_bytes())
    for calls in (1, 30):
        faults = Faults()
        with faulty(s3.endpoint, faults) as endpoint:
            file = Location(f"s3://{s3.bucket}/counted/images.parquet", endpoint)
            store = ParquetImages([file], "image", LIMIT)
            refs = [f"{file}#{row}" for row in range(ROWS)]
            step = -(-ROWS // calls)
            values = [value for n in range(0, ROWS, step) for value in store.fetch(refs[n : n + step])]
        assert values == [image(row) * 30 for row in range(ROWS)]
        assert len(faults.requests) <= 10 + 2, "the groups, and the end of the file"


def test_null_bytes_with_a_path_are_read_from_the_path(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/0.jpg").write_bytes(b"a picture")
    cells = [
        {"bytes": None, "path": "images/0.jpg"}, {"bytes": b"inside", "path": "images/0.jpg"},
        {"bytes": None, "path": None}, None, {"bytes": None, "path": "../secret.jpg"},
        {"bytes": None, "path": "/etc/passwd"},
        {"bytes": None, "path": "https://shop.example/0.jpg"}, {"bytes": None, "path": "images/none.jpg"},
        {"bytes": None, "path": f"{tmp_path}/images/0.jpg"},
    ]  # fmt: skip
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"id": list(range(len(cells))), "image": pa.array(cells, kind)}), tmp_path / "m.parquet")
    file = Location(str(tmp_path / "m.parquet"))
    values = fetched(ParquetImages([file], "image", LIMIT), file, list(range(len(cells))))
    assert (values[0], values[1], values[8]) == (b"a picture", b"inside", b"a picture")
    codes = {row: value.code for row, value in values.items() if isinstance(value, ImageError)}
    assert codes == {
        2: ErrorCode.NO_IMAGE, 3: ErrorCode.NO_IMAGE, 4: ErrorCode.OUTSIDE_STORE, 5: ErrorCode.OUTSIDE_STORE,
        6: ErrorCode.UNSUPPORTED_URI, 7: ErrorCode.NOT_FOUND,
    }  # fmt: skip
    elsewhere = ParquetImages([file], "image", LIMIT, root=str(tmp_path / "other"))
    assert isinstance(fetched(elsewhere, file, [0])[0], ImageError)
