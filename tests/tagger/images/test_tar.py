"""Images in tar files: which members are images of which items, and what damage costs."""

import io
import pickle
import random
import tarfile
from pathlib import Path

import pytest

from tagger.errors import ImageError, InputError, UsageError
from tagger.images.several import locate_all
from tagger.images.stores import row_order
from tagger.images.tar import TarImages
from tagger.images.tar_index import TarIndex
from tagger.images.tar_members import member_name
from tagger.io.location import Location
from tagger.schemas.tables.prediction import ErrorCode
from tests.builders import catalog_of, first_batch
from tests.conftest import S3Server
from tests.faulty_s3 import Faults, faulty

LIMIT = 10**6
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def tar_of(members: dict[str, bytes], kind: int = tarfile.PAX_FORMAT, mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=kind) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def image(n: int) -> bytes:
    return f"image {n} ".encode() * (100 + n % 7)


def shard(count: int) -> bytes:
    return tar_of({f"{n}.{end}": image(n) if end == "jpg" else b"0" for n in range(count) for end in ("cls", "jpg")})


def opened(folder: Path, images: str, ids: str, **options: object) -> tuple[list[list[str]], TarImages]:
    """The references of items and the store, as a worker gets it."""
    (folder / "items.csv").write_text("\n".join(["id", *ids.split()]))
    manifest, store = catalog_of(folder / "items.csv", images, **options)
    assert isinstance(store, TarImages)
    return locate_all(store, first_batch(manifest)), pickle.loads(pickle.dumps(store))


def images_of(folder: Path, images: str, ids: str, **options: object) -> list[list[bytes | ErrorCode]]:
    refs, store = opened(folder, images, ids, **options)
    return [[data.code if isinstance(data, ImageError) else data for data in store.fetch(of)] for of in refs]


@pytest.mark.parametrize("kind", FORMATS)
def test_images_are_joined_by_the_key_of_their_names(tmp_path: Path, kind: str) -> None:
    long = "/".join(["x" * 90, *(["y" * 90] if kind != "ustar" else []), "z" * 60])
    members = {"b/10.jpg": b"ten", "b/10.cls": b"3", "b/10.json": b"{}", f"{long}.png": b"long", "ÄÖ.JPEG": b"umlaut"}
    (tmp_path / "0.tar").write_bytes(tar_of(members, FORMATS[kind]))
    (tmp_path / "1.tar").write_bytes(tar_of({"./11.webp": b"eleven", "10.jpg": b"another"}, FORMATS[kind]))
    expected = [[b"ten"], [b"eleven"], [b"long"], [b"umlaut"], [ErrorCode.NOT_FOUND]]
    for images in (tmp_path, tmp_path / "*.tar"):
        assert images_of(tmp_path, f"{images}", f"10 11 {'z' * 60} ÄÖ none") == expected


def test_a_single_tar_and_tars_in_folders_below_are_found(tmp_path: Path) -> None:
    (tmp_path / "below/0").mkdir(parents=True)
    (tmp_path / "below/0/a.tar").write_bytes(tar_of({"1.jpg": b"one"}))
    for images in ("below", "below/0/a.tar"):
        assert images_of(tmp_path, f"{tmp_path}/{images}", "1") == [[b"one"]]


def test_numbers_behind_the_key_are_several_images_of_an_item(tmp_path: Path) -> None:
    members = {
        "1.1.jpg": b"1.1",
        "1.0.jpg": b"1.0",
        "2.7.png": b"2.7",
        "2.png": b"2",
        "2.jpg": b"2 again",
        "3.jpg": b"3",
    }
    (tmp_path / "0.tar").write_bytes(tar_of(members))
    assert images_of(tmp_path, f"{tmp_path}/0.tar", "1 2 3") == [[b"1.0", b"1.1"], [b"2", b"2.7"], [b"3"]]
    assert images_of(tmp_path, f"{tmp_path}/0.tar", "1 2", images_per_item=1) == [[b"1.0"], [b"2"]]


@pytest.mark.parametrize("name", ["a.txt", "a", "._a.jpg", "a.seg.png", "a.12345.jpg", "a/", ".jpg", "a.\udcff.jpg"])
def test_other_members_are_no_images(name: str) -> None:
    assert member_name(name) is None


def test_images_with_other_names_are_counted_in_a_notice(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(tar_of({"1.front.jpg": b"f", "1.back.jpg": b"b", "1.jpg": b"1"}))
    (tmp_path / "items.csv").write_text("id\n1\n")
    manifest, _ = catalog_of(tmp_path / "items.csv", tmp_path / "0.tar")
    assert any("2 images are left out" in text and "1.front.jpg" in text for text in manifest.notices.texts)
    (tmp_path / "0.tar").write_bytes(tar_of({"1.front.jpg": b"f"}))
    with pytest.raises(UsageError, match=r"no image in it is called ID\.jpg.*1\.front\.jpg"):
        catalog_of(tmp_path / "items.csv", tmp_path / "0.tar")


@pytest.mark.parametrize("name", ["0.tar.gz", "0.tgz", "0.tar"])
def test_compressed_tars_are_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(tar_of({"1.jpg": b"1"}, mode="w:gz"))
    for images in (tmp_path / "in", tmp_path / "in/*", tmp_path / "in" / name):
        with pytest.raises((UsageError, InputError), match=r"is compressed.*unpack it to a \.tar"):
            opened(tmp_path, f"{images}", "1")


def test_a_file_that_is_no_tar_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"no tar" * 1000)
    with pytest.raises(InputError, match=r"0\.tar: not a readable tar file"):
        opened(tmp_path, f"{tmp_path}/0.tar", "1")


def test_runs_read_tars_in_their_order(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n}.tar").write_bytes(tar_of({f"{n}{k}.jpg": image(k) for k in range(4)}))
    ids = [f"{n}{k}" for k in (2, 0, 3, 1) for n in (1, 2, 0)]
    (tmp_path / "items.csv").write_text("\n".join(["id", *ids, "none"]))
    manifest, store = catalog_of(tmp_path / "items.csv", tmp_path)
    assert isinstance(store, TarImages)
    refs = store.locate(first_batch(manifest))
    assert [[*ids, "none"][n] for n in row_order(store, refs)] == ["none", *sorted(ids)]
    assert store.positions(refs).max() < store.row_count
    assert store.positions([None, "x", "0.tar#5+5:a"]).tolist() == [-1, -1, -1]


def test_a_cut_off_tar_costs_the_images_from_the_cut_on(tmp_path: Path) -> None:
    data = shard(50)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        cut = tar.getmember("30.jpg").offset_data + 20
    (tmp_path / "0.tar").write_bytes(data[:cut])
    (tmp_path / "1.tar").write_bytes(tar_of({"a.jpg": b"a"}))
    refs, store = opened(tmp_path, f"{tmp_path}/*.tar", "0 29 30 31 a")
    values = list(store.fetch([ref for of in refs for ref in of]))
    assert (values[0], values[1], values[4]) == (image(0), image(29), b"a")
    errors = [value for value in values[2:4] if isinstance(value, ImageError)]
    assert [error.code for error in errors] == [ErrorCode.STORE_ERROR] * 2
    assert "0.tar: it ends before or within the image of '30'" in errors[0].message
    assert "0.tar: from byte" in errors[1].message
    assert "may be cut off" in errors[1].message


def test_a_damaged_header_costs_the_images_from_it_on_and_is_told(tmp_path: Path) -> None:
    data = bytearray(shard(50))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        start = tar.getmember("30.jpg").offset
    data[start + 100 : start + 140] = b"\xff" * 40
    (tmp_path / "0.tar").write_bytes(data)
    (tmp_path / "items.csv").write_text("id\n29\n31\n")
    manifest, store = catalog_of(tmp_path / "items.csv", tmp_path / "0.tar")
    assert any(f"from byte {start:,} on it cannot be read" in text for text in manifest.notices.texts)
    first, second = store.fetch([ref or "" for ref in store.locate(first_batch(manifest))])
    assert first == image(29)
    assert isinstance(second, ImageError)
    assert second.code is ErrorCode.STORE_ERROR


@pytest.mark.parametrize("kind", FORMATS)
def test_headers_with_any_damage_end_the_list_and_give_no_wrong_image(tmp_path: Path, kind: str) -> None:
    names = [f"{'ä' * 30}/{n}.jpg" for n in range(6)]
    data = tar_of({name: image(n) for n, name in enumerate(names)}, FORMATS[kind])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        headers = [place for member in list(tar)[1:] for place in range(member.offset, member.offset_data)]
    draw = random.Random(kind)
    file = Location(f"{tmp_path}/0.tar")
    for _ in range(150):
        damaged = bytearray(data)
        for place in draw.sample(headers, draw.choice((1, 5, 200))):
            damaged[place] = draw.randrange(256)
        Path(file.path).write_bytes(damaged)
        index = TarIndex([file])
        values = list(TarImages(index, LIMIT, 2).fetch(index.refs([str(n) for n in range(6)])))
        assert all(isinstance(value, ImageError) or value == image(n) for n, value in enumerate(values))


@pytest.mark.parametrize("change", ["another order", "another size", "shorter", "damaged", "gone"])
def test_a_tar_that_changed_after_it_was_indexed_yields_no_other_item(tmp_path: Path, change: str) -> None:
    file = tmp_path / "0.tar"
    file.write_bytes(tar_of({f"{n}.jpg": b"%03d" % n for n in range(9)}))
    refs, store = opened(tmp_path, f"{file}", " ".join(map(str, range(9))))
    if change == "another order":
        file.write_bytes(tar_of({f"{n}.jpg": b"%03d" % n for n in (1, 0, *range(2, 9))}))
    elif change == "another size":
        file.write_bytes(tar_of({f"{n}.jpg": b"%d" % n for n in range(9)}))
    elif change == "shorter":
        file.write_bytes(tar_of({"0.jpg": b"000", "1.jpg": b"001"})[:700])
    elif change == "damaged":
        file.write_bytes(b"\xff" * len(file.read_bytes()))
    else:
        file.unlink()
    values = list(store.fetch([ref for of in refs for ref in of]))
    assert len(values) == 9
    right = {n for n, value in enumerate(values) if value == b"%03d" % n}
    assert right == {"another order": set(range(2, 9)), "shorter": {0}}.get(change, set())
    errors = [value for n, value in enumerate(values) if n not in right]
    assert all(isinstance(value, ImageError) and value.code is ErrorCode.STORE_ERROR for value in errors)


def test_images_that_are_too_large_are_not_given(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(tar_of({"1.jpg": b"x" * 100, "2.jpg": b"x" * 101, "3.jpg": b"x" * 200_000}))
    values = images_of(tmp_path, f"{tmp_path}/0.tar", "1 2 3", max_bytes=100)
    assert values == [[b"x" * 100], [ErrorCode.TOO_LARGE], [ErrorCode.TOO_LARGE]]


def test_references_in_any_order_are_answered_in_that_order(tmp_path: Path) -> None:
    for n in range(2):
        (tmp_path / f"{n}.tar").write_bytes(tar_of({f"{n}-{k}.jpg": image(k) for k in range(300)}))
    index = TarIndex([Location(f"{tmp_path}/{n}.tar") for n in range(2)])
    ids = [f"{n % 2}-{n * 7919 % 300}" for n in range(600)]
    values = TarImages(index, LIMIT, 4).fetch([*index.refs(ids), "nowhere"])
    assert list(values)[:-1] == [image(int(item.split("-")[1])) for item in ids]


def test_a_bucket_that_fails_now_and_then_costs_no_image(s3: S3Server) -> None:
    names = [f"tars/{n}.tar" for n in range(3)]
    for n, name in enumerate(names):
        members = {f"{n}-{k}.jpg": image(k) * 30 for k in range(100)}
        s3.put(name, tar_of(members))
    faults = Faults(throttled=0.15, reset=0.15, truncated=0.15, seed=5)
    with faulty(s3.endpoint, faults) as endpoint:
        index = TarIndex([Location(f"s3://{s3.bucket}/{name}", endpoint) for name in names])
        ids = [f"{n}-{k}" for n in range(3) for k in range(100)]
        assert list(TarImages(index, LIMIT, 4).fetch(index.refs(ids))) == [
            image(k) * 30 for _ in range(3) for k in range(100)
        ]
    assert len(faults.requests) < 60


def test_a_folder_of_tars_in_a_bucket_is_a_store(s3: S3Server, tmp_path: Path) -> None:
    s3.put("webdataset/train-0.tar", shard(20))
    s3.put("webdataset/train-1.tar", tar_of({"a.jpg": b"a"}))
    for images in ("webdataset/", "webdataset/*.tar"):
        values = images_of(tmp_path, f"s3://{s3.bucket}/{images}", "3 a", s3_endpoint=s3.endpoint)
        assert values == [[image(3)], [b"a"]]
