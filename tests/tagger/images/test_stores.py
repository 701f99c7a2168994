import io
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.errors import ImageError, InputError, UsageError
from tagger.images.stores import ImageStore, row_order
from tagger.schemas.tables.prediction import ErrorCode
from tests.builders import catalog_of, encoded, first_batch, picture
from tests.conftest import S3Server

JPEG = encoded(picture())


def manifest(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def fetched(file: Path | str, images: object = None, **options: object) -> list[bytes | ErrorCode | None]:
    """What the store gives for every row: bytes, an error's code, or None where the row names no image."""
    rows, store = catalog_of(file, images, **options)
    store_there: ImageStore = pickle.loads(pickle.dumps(store))
    refs = store.locate(first_batch(rows))
    results = store_there.fetch([r for r in refs if r])
    return [_plain(next(results)) if r else None for r in refs]


def _plain(results: bytes | ImageError) -> bytes | ErrorCode:
    return results.code if isinstance(results, ImageError) else results


def test_a_folder_is_read_by_the_suffix_that_its_files_have(tmp_path: Path) -> None:
    file = manifest(tmp_path / "m.csv", "id\n1\n2\n")
    (tmp_path / "img").mkdir()
    (tmp_path / "img/1.jpeg").write_bytes(JPEG)
    assert fetched(file, tmp_path / "img") == [JPEG, ErrorCode.NOT_FOUND]


def test_a_folder_of_several_suffixes_is_searched(tmp_path: Path) -> None:
    file = manifest(tmp_path / "m.csv", "id\n1\n2\n")
    (tmp_path / "img").mkdir()
    (tmp_path / "img/1.jpg").write_bytes(JPEG)
    (tmp_path / "img/2.png").write_bytes(b"png")
    assert fetched(file, tmp_path / "img") == [JPEG, b"png"]


def test_a_pattern_takes_any_column(tmp_path: Path) -> None:
    file = manifest(tmp_path / "m.csv", "id,year\n1,2012\n2,\n")
    (tmp_path / "img/2012").mkdir(parents=True)
    (tmp_path / "img/2012/1-front.jpg").write_bytes(JPEG)
    results = fetched(file, f"{tmp_path}/img/{{year}}/{{id}}-front.jpg")
    assert results == [JPEG, None]


@pytest.mark.parametrize(("pattern", "message"), [("{colour}.jpg", "no column 'colour'"), ("same.jpg", "no folder")])
def test_a_pattern_that_cannot_work_is_told(tmp_path: Path, pattern: str, message: str) -> None:
    file = manifest(tmp_path / "m.csv", "id\n1\n")
    with pytest.raises(UsageError, match=message):
        fetched(file, tmp_path / pattern)


@pytest.mark.parametrize("item", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret"])
def test_ids_do_not_lead_out_of_the_folder(tmp_path: Path, item: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "img").mkdir()
    file = manifest(tmp_path / "m.csv", f"id\n{item}\n")
    assert fetched(file, f"{tmp_path}/img/{{id}}.jpg") == [ErrorCode.OUTSIDE_STORE]


def test_links_that_point_outside_are_refused_and_those_inside_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "img").mkdir()
    (tmp_path / "img/1.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "img/2.jpg").write_bytes(JPEG)
    (tmp_path / "img/3.jpg").symlink_to("2.jpg")
    file = manifest(tmp_path / "m.csv", "id\n1\n2\n3\n")
    assert fetched(file, f"{tmp_path}/img/{{id}}.jpg") == [ErrorCode.OUTSIDE_STORE, JPEG, JPEG]


def test_a_link_to_the_folder_itself_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/1.jpg").write_bytes(JPEG)
    (tmp_path / "img").symlink_to("real")
    assert fetched(manifest(tmp_path / "m.csv", "id\n1\n"), tmp_path / "img") == [JPEG]


def test_uris_are_read_below_the_manifests_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.jpg").write_bytes(JPEG)
    outside = tmp_path.parent / "outside.jpg"
    outside.write_bytes(b"secret")
    rows = [
        "1,a/1.jpg",
        f"2,file://{tmp_path}/a/1.jpg",
        "3,",
        "4,../outside.jpg",
        f"5,{outside}",
        "6,http://x/y.jpg",
        "7,a/no.jpg",
    ]
    file = manifest(tmp_path / "m.csv", "\n".join(["id,imageUri", *rows]) + "\n")
    assert fetched(file) == [
        JPEG, JPEG, None, ErrorCode.OUTSIDE_STORE, ErrorCode.OUTSIDE_STORE, ErrorCode.UNSUPPORTED_URI,
        ErrorCode.NOT_FOUND,
    ]  # fmt: skip


def test_a_uri_column_of_any_name_and_root(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store/1.jpg").write_bytes(JPEG)
    file = manifest(tmp_path / "elsewhere/m.csv", f"id,picture\n1,1.jpg\n2,{tmp_path}/store/1.jpg\n")
    assert fetched(file, "column:picture", images_root=str(tmp_path / "store")) == [JPEG, JPEG]


def test_relative_uris_belong_to_the_manifest_file_that_names_them(tmp_path: Path) -> None:
    for shop in ("a", "b"):
        (tmp_path / f"fold/{shop}").mkdir(parents=True)
        (tmp_path / f"fold/{shop}/1.jpg").write_bytes(shop.encode())
        manifest(tmp_path / f"fold/{shop}/m.csv", f"id,imageUri\n{shop},1.jpg\n")
    rows, store = catalog_of(tmp_path / "fold")
    refs = [ref for batch in rows.batches() for ref in store.locate(batch)]
    assert list(store.fetch([r for r in refs if r])) == [b"a", b"b"]


def test_columns_are_found_by_their_own_name_and_by_their_role(tmp_path: Path) -> None:
    (tmp_path / "7.jpg").write_bytes(JPEG)
    file = manifest(tmp_path / "m.csv", "sku,url\n7,7.jpg\n")
    assert fetched(file, "column:url", column={"id": "sku", "imageUri": "url"}) == [JPEG]
    assert fetched(file, f"{tmp_path}/{{sku}}.jpg", column={"id": "sku"}) == [JPEG]
    assert fetched(file, f"{tmp_path}/{{id}}.jpg", column={"id": "sku"}) == [JPEG]


def test_files_over_the_limit_are_too_large(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"x" * 101)
    file = manifest(tmp_path / "m.csv", "id\n1\n")
    assert fetched(file, tmp_path, max_bytes=100) == [ErrorCode.TOO_LARGE]


@pytest.mark.parametrize("kind", ["plain", "struct", "large"])
def test_bytes_in_the_manifest(tmp_path: Path, kind: str) -> None:
    data = [JPEG, None, b"second"] * 300
    column = {
        "plain": pa.array(data, pa.binary()),
        "large": pa.array(data, pa.large_binary()),
        "struct": pa.array(
            [d and {"bytes": d, "path": "x.jpg"} for d in data],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        ),
    }[kind]
    file = tmp_path / "m.parquet"
    pq.write_table(pa.table({"id": [str(n) for n in range(900)], "image": column}), file, row_group_size=350)
    assert fetched(file) == [JPEG, ErrorCode.NO_IMAGE, b"second"] * 300


def test_bytes_are_found_in_any_order_of_asking(tmp_path: Path) -> None:
    file = tmp_path / "m.parquet"
    pq.write_table(
        pa.table({"id": [str(n) for n in range(900)], "image": [b"%d" % n for n in range(900)]}),
        file,
        row_group_size=400,
    )
    rows, store = catalog_of(file)
    refs = store.locate(first_batch(rows))
    for order in ([5, 4, 3, 899, 0, 401, 400, 399], range(899, -1, -37)):
        assert list(store.fetch([refs[i] for i in order])) == [b"%d" % i for i in order]  # type: ignore[misc]


def test_a_separate_parquet_is_joined_by_id_whatever_its_type(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    pq.write_table(pa.table({"id": [3, 1], "image": [b"three", b"one"]}), tmp_path / "images/0.parquet")
    pq.write_table(pa.table({"id": [2], "image": [b"two"]}), tmp_path / "images/1.parquet")
    file = manifest(tmp_path / "m.csv", "id\n1\n2\n3\n4#0\n")
    expected = [b"one", b"two", b"three", ErrorCode.NOT_FOUND]
    assert fetched(file, tmp_path / "images") == expected
    assert fetched(file, tmp_path / "images/*.parquet") == expected


def test_joined_images_are_read_in_the_order_in_which_they_lie(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [3, 1, 2], "image": [b"", b"", b""]}), tmp_path / "i.parquet")
    rows, store = catalog_of(manifest(tmp_path / "m.csv", "id\n1\n2\n9\n3\n"), tmp_path / "i.parquet")
    refs = store.locate(first_batch(rows))
    assert row_order(store, refs).tolist() == [2, 3, 0, 1]


def test_an_image_parquet_without_images_is_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "name": ["x"]}), tmp_path / "i.parquet")
    with pytest.raises(InputError, match="column id and one of image bytes"):
        fetched(manifest(tmp_path / "m.csv", "id\n1\n"), tmp_path / "i.parquet")


@pytest.mark.parametrize(
    ("images", "message"), [(None, "--images is missing"), ("column:nope", "no such column"), ("nowhere", "no folder")]
)
def test_a_store_that_is_not_there_is_told(tmp_path: Path, images: str | None, message: str) -> None:
    file = manifest(tmp_path / "m.csv", "id\n1\n")
    with pytest.raises(UsageError, match=message):
        fetched(file, images)


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    file = manifest(tmp_path / "m.csv", "id\n1\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no image files"):
        fetched(file, tmp_path / "empty")


def test_an_s3_prefix_with_a_pattern(s3: S3Server, tmp_path: Path) -> None:
    s3.put("img/1.jpg", JPEG)
    s3.put("img/big.jpg", b"x" * 200_000)
    s3.put("secret.jpg", b"secret")
    file = manifest(tmp_path / "m.csv", "id\n1\nbig\nno\n../secret\n")
    expected = [JPEG, ErrorCode.TOO_LARGE, ErrorCode.NOT_FOUND, ErrorCode.OUTSIDE_STORE]
    for images in (f"s3://{s3.bucket}/img/{{id}}.jpg", f"s3://{s3.bucket}/img"):
        assert fetched(file, images, s3_endpoint=s3.endpoint, max_bytes=100_000) == expected


def test_s3_addresses_in_a_column_and_their_root(s3: S3Server, tmp_path: Path) -> None:
    uri = s3.put("uri/1.jpg", JPEG)
    file = manifest(tmp_path / "m.csv", f"id,imageUri\n1,{uri}\n2,s3://{s3.bucket}/uri/no.jpg\n3,s3://nobucket/x.jpg\n")
    assert fetched(file, s3_endpoint=s3.endpoint) == [JPEG, ErrorCode.NOT_FOUND, ErrorCode.NOT_FOUND]
    within = fetched(file, s3_endpoint=s3.endpoint, images_root=f"s3://{s3.bucket}/other")
    assert within == [ErrorCode.OUTSIDE_STORE] * 3
    s3.put("uri-private/1.jpg", b"secret")
    file = manifest(tmp_path / "n.csv", f"id,imageUri\n1,s3://{s3.bucket}/uri-private/1.jpg\n2,1.jpg\n")
    beside = fetched(file, s3_endpoint=s3.endpoint, images_root=f"s3://{s3.bucket}/uri")
    assert beside == [ErrorCode.OUTSIDE_STORE, JPEG]
    local_root = fetched(file, s3_endpoint=s3.endpoint, images_root=str(tmp_path))
    assert local_root == [ErrorCode.OUTSIDE_STORE, ErrorCode.NOT_FOUND]


def test_a_manifest_in_a_bucket_names_images_in_another(s3: S3Server) -> None:
    uri = s3.put("photos/1.jpg", JPEG)
    s3.put("pim/export/m.csv", f"id,imageUri\n1,{uri}\n2,/etc/passwd\n3,near.jpg\n".encode())
    s3.put("pim/export/near.jpg", b"near")
    results = fetched(f"s3://{s3.bucket}/pim/export", s3_endpoint=s3.endpoint)
    assert results == [JPEG, ErrorCode.OUTSIDE_STORE, b"near"]


def test_an_unreachable_s3_service_is_a_store_error_of_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagger.images.s3._ATTEMPTS", 1)
    file = manifest(tmp_path / "m.csv", "id\n1\n")
    assert fetched(file, "s3://shop/{id}.jpg", s3_endpoint="http://127.0.0.1:9") == [ErrorCode.STORE_ERROR]


def test_joined_images_in_a_bucket(s3: S3Server, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "image": [JPEG, b"two"]}), buffer)
    s3.put("shards/images-0.parquet", buffer.getvalue())
    file = manifest(tmp_path / "m.csv", "id\n2\n1\n3\n")
    results = fetched(file, f"s3://{s3.bucket}/shards", s3_endpoint=s3.endpoint)
    assert results == [b"two", JPEG, ErrorCode.NOT_FOUND]
