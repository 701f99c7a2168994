"""Packing images: what lies in the shards, what is refused, and how an interrupted call is resumed."""

import random
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tagger import PackConfig, UsageError, pack
from tagger.errors import WriteError
from tagger.images.several import locate_all
from tagger.io.location import Location
from tagger.packing.folder import PackFolder
from tagger.packing.shards import Shard
from tests.builders import catalog_of, first_batch

SIZE = 400_000
"""Three images of this size fill a shard of --shard-mb 1."""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Eight files, which need not be images to be packed."""
    folder = tmp_path / "images"
    folder.mkdir()
    for n in range(8):
        (folder / f"{n}.jpg").write_bytes(random.Random(n).randbytes(SIZE))
    return folder


def config(folder: Path, out: str = "packed", **options: object) -> PackConfig:
    given = {"images": str(folder), "out": str(folder.parent / out), "shard_mb": 1} | options
    return PackConfig.model_validate(given)


def manifest(images: Path, text: str) -> str:
    file = images.parent / "items.csv"
    file.write_text(text)
    return str(file)


def shards(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.parquet"))}


def column(folder: Path, name: str) -> list[object]:
    return [value for file in sorted(folder.glob("*.parquet")) for value in pq.read_table(file)[name].to_pylist()]


def test_shards_hold_the_bytes_of_the_files_in_order_of_their_names(images: Path, tmp_path: Path) -> None:
    result = pack(config(images))
    assert list(shards(tmp_path / "packed")) == [f"images-{n:05d}.parquet" for n in range(3)]
    assert column(tmp_path / "packed", "id") == [str(n) for n in range(8)]
    assert column(tmp_path / "packed", "imageUri") == [f"{images}/{n}.jpg" for n in range(8)]
    assert column(tmp_path / "packed", "image") == [(images / f"{n}.jpg").read_bytes() for n in range(8)]
    counts = result.counts
    assert (counts.rows, counts.items, counts.images, counts.shards) == (8, 8, 8, 3)
    assert (counts.image_bytes, counts.failed, result.too_many) == (8 * SIZE, {}, ())


def test_images_lie_in_row_groups_of_some_megabytes_and_are_not_compressed(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.packing.shards._ROW_GROUP_BYTES", 2 * SIZE)
    pack(config(images))
    metadata = pq.ParquetFile(tmp_path / "packed/images-00000.parquet").metadata
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [2, 1]
    image = metadata.row_group(0).column(metadata.schema.names.index("image"))
    assert (image.compression, image.has_dictionary_page) == ("UNCOMPRESSED", False)


def test_the_same_input_gives_the_same_bytes(images: Path, tmp_path: Path) -> None:
    pack(config(images))
    pack(config(images, "again"))
    assert shards(tmp_path / "packed") == shards(tmp_path / "again")


def test_a_manifest_says_which_items_there_are_and_in_which_order(images: Path, tmp_path: Path) -> None:
    pack(config(images, manifest=manifest(images, "sku\n5\n2\n7\n"), column={"id": "sku"}))
    assert column(tmp_path / "packed", "id") == ["5", "2", "7"]


def interrupt_at(shard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    write = PackFolder.write_shard

    def fails(self: PackFolder, number: int, full: Shard) -> None:
        if number == shard:
            raise WriteError("the disk is full")
        write(self, number, full)

    monkeypatch.setattr(PackFolder, "write_shard", fails)


@pytest.mark.parametrize("with_manifest", [False, True])
def test_an_interrupted_call_goes_on_after_the_finished_shards(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_manifest: bool
) -> None:
    ids = "id\n" + "".join(f"{n}\n" for n in (0, 9, 1, 2, 3, 8, 4, 5, 6, 7, 7))
    options = {"manifest": manifest(images, ids)} if with_manifest else {}
    expected = pack(config(images, "at_once", **options))
    with monkeypatch.context() as patch:
        interrupt_at(1, patch)
        with pytest.raises(WriteError):
            pack(config(images, **options))
    assert list(shards(tmp_path / "packed")) == ["images-00000.parquet"]
    for n in range(3):
        (images / f"{n}.jpg").write_bytes(b"must not be read again")
    resumed = pack(config(images, **options))
    assert shards(tmp_path / "packed") == shards(tmp_path / "at_once")
    assert resumed.counts == expected.counts
    assert resumed.failed == expected.failed
    assert resumed.counts.failed == ({"not_found": 2} if with_manifest else {})
    for name in ("_failed", "_rejects"):
        assert shards(tmp_path / "packed" / name) == shards(tmp_path / "at_once" / name)


def test_images_that_failed_when_an_unfinished_shard_was_written_do_not_count_twice(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"manifest": manifest(images, "id\n0\n9\n")}
    file = images / "9.jpg"
    with monkeypatch.context() as patch:
        patch.setattr("tagger.packing.folder.Shard.write", _write_failed_alone)
        with pytest.raises(WriteError):
            pack(config(images, **options))
    assert list(shards(tmp_path / "packed/_failed")) == ["part-00000.parquet"]
    file.write_bytes(b"here it is")
    result = pack(config(images, **options))
    assert (result.counts.images, result.counts.failed, result.failed.counts) == (2, {}, {})


def _write_failed_alone(shard: Shard, file: Location, failed_file: Location) -> None:
    _WRITE(shard, failed_file.parent.parent / "elsewhere", failed_file)
    raise WriteError("the disk is full")


_WRITE = Shard.write


def test_a_finished_folder_is_left_alone(images: Path, tmp_path: Path) -> None:
    first = pack(config(images))
    before = shards(tmp_path / "packed")
    (images / "1.jpg").write_bytes(b"changed since")
    assert pack(config(images)) == first
    assert shards(tmp_path / "packed") == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard_mb": 2}, "--shard-mb 1, which is 2 now"),
        ({"images_per_item": 1}, "--images-per-item 8, which is 1 now"),
        ({"images": "other"}, '--images .*other" now'),
        ({}, "before the manifest or the list of images changed"),
    ],
)
def test_shards_of_another_input_are_never_mixed(
    images: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    pack(config(images))
    (tmp_path / "packed/_SUCCESS").unlink()
    before = shards(tmp_path / "packed")
    (tmp_path / "other").mkdir()
    for folder in (images, tmp_path / "other"):
        (folder / "new.jpg").write_bytes(b"new")
    change = {name: str(tmp_path / value) if isinstance(value, str) else value for name, value in change.items()}
    with pytest.raises(UsageError, match=f"{message}; name a new folder"):
        pack(config(images).model_copy(update=change))
    assert shards(tmp_path / "packed") == before


def test_a_folder_with_other_files_is_refused(images: Path) -> None:
    with pytest.raises(UsageError, match="is not empty and holds no packed images"):
        pack(config(images, out="images"))


def test_all_rows_are_accounted_for_and_failed_images_are_listed(images: Path, tmp_path: Path) -> None:
    (images / "big.jpg").write_bytes(b"x" * (SIZE + 1))
    rows = "id,photo\n0,0.jpg\n1,big.jpg\n2,\n3,3.jpg;missing.jpg;4.jpg\n,5.jpg\n0,6.jpg\n"
    given = {"manifest": manifest(images, rows), "images": "column:photo", "images_root": str(images)}
    result = pack(config(images, **given, max_bytes=SIZE))
    counts = result.counts
    assert (counts.rows, counts.items, counts.items_failed, counts.rejects) == (6, 4, 2, 2)
    assert (counts.images, counts.failed) == (3, {"no_image": 1, "not_found": 1, "too_large": 1})
    assert counts.reject_reasons == {"blank_id": 1, "duplicate_id": 1}
    assert next(text.partition(" cannot")[0] for text in result.too_many) == "3 of 6 images"
    failed = pq.read_table(tmp_path / "packed/_failed").to_pylist()
    assert [(row["id"], row["imageNumber"], row["imageUri"], row["errorCode"]) for row in failed] == [
        ("1", 1, f"{images}/big.jpg", "too_large"), ("2", 1, None, "no_image"),
        ("3", 2, f"{images}/missing.jpg", "not_found"),
    ]  # fmt: skip
    assert pq.read_table(tmp_path / "packed/_rejects")["reason"].to_pylist() == ["blank_id", "duplicate_id"]
    assert pack(config(images, **given, max_bytes=SIZE, max_failed="3", max_rejected="2")).too_many == ()


def test_a_shard_ends_after_so_many_items_even_if_no_image_can_be_read(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.packing.shards._MOST_ITEMS", 2)
    result = pack(config(images, manifest=manifest(images, "id\na\nb\nc\n0\nd\n")))
    assert (result.counts.shards, result.counts.images, result.counts.failed) == (3, 1, {"not_found": 4})
    assert column(tmp_path / "packed", "id") == ["0"]
    nothing = pack(config(images, "nothing", manifest=manifest(images, "id\na\n")))
    assert (nothing.counts.shards, column(tmp_path / "nothing", "id")) == (1, [])


def test_the_same_manifest_finds_all_images_of_its_items_in_the_shards(images: Path, tmp_path: Path) -> None:
    for n in (2, 3):
        (images / f"1_{n}.jpg").write_bytes(f"image {n} of 1".encode())
    file = manifest(images, "id\n3\n1\nmissing\n")
    pack(config(images / "{id}_{n}.jpg", "../packed", manifest=file))
    for folder in (tmp_path / "packed", f"{tmp_path}/packed/*.parquet"):
        packed, loose = (catalog_of(file, source) for source in (folder, images / "{id}_{n}.jpg"))
        batches = [(store, locate_all(store, first_batch(items))) for items, store in (packed, loose)]
        found = [[list(store.fetch(of_item)) for of_item in refs[:2]] for store, refs in batches]
        assert found[0] == found[1]
        assert [len(of_item) for of_item in found[0]] == [1, 3]


def test_the_shards_are_a_manifest_with_images_of_their_own(images: Path, tmp_path: Path) -> None:
    pack(config(images))
    items, store = catalog_of(tmp_path / "packed")
    refs = [ref for batch in items.batches() for ref in store.locate(batch) if ref]
    assert list(store.fetch(refs)) == [(images / f"{n}.jpg").read_bytes() for n in range(8)]


def test_images_that_are_not_packed_to_their_end_are_refused_as_a_store(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(1, monkeypatch)
    with pytest.raises(WriteError):
        pack(config(images))
    for unfinished in ("packed", "*/*.parquet", "packed/images-00000.parquet"):
        with pytest.raises(UsageError, match=f"{tmp_path}/packed is not packed to its end"):
            catalog_of(manifest(images, "id\n0\n"), tmp_path / unfinished)


def test_images_in_tar_files_are_packed_with_a_manifest(images: Path, tmp_path: Path) -> None:
    (tmp_path / "tars").mkdir()
    with tarfile.open(tmp_path / "tars/0.tar", "w") as tar:
        for n in range(3):
            tar.add(images / f"{n}.jpg", f"{n}.jpg")
        tar.add(images / "7.jpg", "1.0.jpg")
    file = manifest(images, "id\n2\n1\n")
    assert pack(config(tmp_path / "tars", manifest=file)).counts.images == 3
    assert column(tmp_path / "packed", "image") == [(images / f"{n}.jpg").read_bytes() for n in (2, 1, 7)]
    with pytest.raises(UsageError, match="holds tar files; to pack their images, give --manifest"):
        pack(config(tmp_path / "tars", "packed-2"))


def test_failed_images_are_packed_later_into_another_folder_and_both_are_read(images: Path, tmp_path: Path) -> None:
    file = manifest(images, "id\n8\n3\n")
    (images / "3_2.jpg").write_bytes(b"3, too")
    pattern = f"{images}/{{id}}_{{n}}.jpg"
    pack(config(images, "packed-1", images=pattern, manifest=file))
    (images / "8.jpg").write_bytes(b"here it is")
    later = pack(config(images, "packed-2", images=pattern, manifest=f"{tmp_path}/packed-1/_failed"))
    assert (later.counts.items, later.counts.images) == (1, 1)
    items, store = catalog_of(file, tmp_path / "packed-*/*.parquet")
    refs = locate_all(store, first_batch(items))
    assert [list(store.fetch(of_item)) for of_item in refs] == [
        [b"here it is"], [(images / "3.jpg").read_bytes(), b"3, too"],
    ]  # fmt: skip


def test_packing_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="say which images to pack"):
        PackConfig(out="packed")
