import gzip
import struct
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tagger.dataset.decoding import DigestShard
from tagger.dataset.long_tail import long_tail, unbalanced
from tagger.dataset.split_rule import DIGEST
from tagger.errors import ImageError, InputError, UsageError
from tagger.images.stores import fetch_all
from tagger.io.location import Location
from tagger.manifest.tables.pixels import FASHION
from tagger.runs.staging import shard_of, stage
from tests.builders import catalog_of, first_batch, manifest_of, read_all

LABELS = np.array([9, 0, 3, 8], np.uint8)


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)


def write_idx(folder: Path, name: str, values: np.ndarray, packed: bool = True) -> Path:
    """A file of the published format."""
    data = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    file = folder / name
    file.write_bytes(gzip.compress(data) if packed else data)
    return file


@pytest.fixture
def idx(tmp_path: Path) -> Path:
    write_idx(tmp_path, "train-labels-idx1-ubyte.gz", LABELS)
    write_idx(tmp_path, "train-images-idx3-ubyte.gz", images())
    write_idx(tmp_path, "t10k-labels-idx1-ubyte", LABELS[:2], packed=False)
    write_idx(tmp_path, "t10k-images-idx3-ubyte", images()[:2], packed=False)
    return tmp_path


@pytest.fixture
def pixel_csv(tmp_path: Path) -> Path:
    file = tmp_path / "fashion-mnist_train.csv"
    columns = [f"pixel{n}" for n in range(1, 785)]
    frame = pd.DataFrame(images().reshape(4, -1), columns=columns)
    frame.insert(0, "label", LABELS)
    frame.to_csv(file, index=False)
    return file


def pixels_of(data: bytes | ImageError) -> np.ndarray:
    assert isinstance(data, bytes)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels


def test_a_folder_of_idx_files_is_a_manifest_and_its_image_store(idx: Path) -> None:
    manifest, store = catalog_of(idx)
    items, rejects = read_all(manifest)
    assert [i["id"] for i in items] == ["t10k-0", "t10k-1", "train-0", "train-1", "train-2", "train-3"]
    assert [(i["masterCategory"], i["articleType"]) for i in items[2:]] == [FASHION[n] for n in LABELS]
    assert not rejects
    refs = [ref for batch in manifest.batches() for ref in store.locate(batch)]
    found = [pixels_of(data) for data in fetch_all(store, refs)]
    assert (np.stack(found) == np.concatenate([images()[:2], images()])).all()


def test_a_folder_with_the_same_items_in_two_forms_is_refused(idx: Path, pixel_csv: Path) -> None:
    assert pixel_csv.parent == idx
    with pytest.raises(UsageError, match="name one of them"):
        manifest_of(idx)


def test_the_csv_may_be_packed(pixel_csv: Path) -> None:
    packed = pixel_csv.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(pixel_csv.read_bytes()))
    items, _ = read_all(manifest_of(packed))
    assert [i["id"] for i in items] == [f"fashion-mnist_train-{n}" for n in range(4)]


def test_the_csv_of_785_columns_is_the_same_catalogue(pixel_csv: Path) -> None:
    manifest, store = catalog_of(pixel_csv)
    batch = first_batch(manifest)
    assert batch.items["id"].to_pylist() == [f"fashion-mnist_train-{n}" for n in range(4)]
    assert batch.items["articleType"].to_pylist() == [FASHION[n][1] for n in LABELS]
    found = [pixels_of(data) for data in fetch_all(store, store.locate(batch))]
    assert (np.stack(found) == images()).all()
    (missing,) = fetch_all(store, [f"{pixel_csv}#4"])
    assert isinstance(missing, ImageError)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda f: (f / "t10k-images-idx3-ubyte").unlink(), "there is no t10k-images-idx3-ubyte"),
        (lambda f: write_idx(f, "t10k-images-idx3-ubyte", images(), packed=False), "2 labels, but 4 images"),
        (lambda f: (f / "t10k-labels-idx1-ubyte").write_bytes(b"PK12345678"), "not an IDX file"),
        (lambda f: (f / "t10k-labels-idx1-ubyte").write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 9, 1))), "says that it"),
        (lambda f: (f / "t10k-labels-idx1-ubyte").write_bytes(gzip.compress(b"x" * 99)[:-9]), "cannot be unpacked"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(idx: Path, spoil: object, problem: str) -> None:
    spoil(idx)  # type: ignore[operator]
    with pytest.raises(InputError, match=problem) as error:
        read_all(manifest_of(idx))
    assert "t10k" in str(error.value)


def test_pixels_that_are_no_bytes_are_refused(pixel_csv: Path) -> None:
    header, first, rest = pixel_csv.read_text().split("\n", 2)
    pixel_csv.write_text("\n".join([header, first.rpartition(",")[0] + ",300", rest]))
    with pytest.raises(InputError, match="0 to 255"):
        read_all(manifest_of(pixel_csv))


def test_a_profile_takes_shares_of_leaves_away_whatever_the_order() -> None:
    ids = [f"i{n}" for n in range(300)]
    leaves = ["a"] * 200 + ["b"] * 90 + ["c"] * 10
    stays = unbalanced(ids, leaves, {"b": 0.1, "c": 0.01, "a": 1.0})
    counts = pd.Series(leaves)[stays].value_counts().to_dict()
    assert counts == {"a": 200, "b": 9, "c": 1}
    order = np.random.default_rng(1).permutation(300)
    shuffled = unbalanced([ids[i] for i in order], [leaves[i] for i in order], {"b": 0.1, "c": 0.01})
    assert {ids[i] for i in order[shuffled]} == {i for i, kept in zip(ids, stays, strict=True) if kept}
    with pytest.raises(ValueError, match="0 to 1"):
        unbalanced(ids, leaves, {"a": 2.0})


def test_a_long_tail_falls_from_all_to_one_in_ratio() -> None:
    profile = long_tail(["a"] * 9 + ["b"] * 5 + ["c"] * 2, 100)
    assert profile == pytest.approx({"a": 1.0, "b": 0.1, "c": 0.01})
    assert long_tail(["a", "b"], 1) == {"a": 1, "b": 1}


def test_copies_among_pixels_have_one_digest(idx: Path, tmp_path: Path) -> None:
    manifest, store = catalog_of(idx)
    work = Location(str(tmp_path / "work"))
    staged = stage(manifest, store, work, work / "rejects", 100)
    tables = DigestShard(store)({"item": [shard_of(work, n) for n in range(staged.shards)]})
    digests = {item: digest for t in tables for item, digest in zip(t["id"], t[DIGEST], strict=True)}
    assert digests["t10k-0"] == digests["train-0"] != digests["train-1"]
    assert len(set(digests.values())) == 4
