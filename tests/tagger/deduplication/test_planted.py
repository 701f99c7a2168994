"""Altered copies, and the counts of those that are found, compared with counts by hand."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from tagger.deduplication.planted import (
    Copies,
    Counts,
    Kind,
    PlantedImages,
    count_copies,
    judged_pairs,
    make_copies,
    sample_images,
)
from tagger.errors import ImageError
from tests.builders import catalog_of, encoded, picture

KINDS = [Kind.RESIZED, Kind.MIRRORED, Kind.RESIZED, Kind.MIRRORED, Kind.RESIZED]
COPIES = Copies(5, np.array([0, 0, 1, 1, 2]), np.array(KINDS, object), (b"",) * 5)
"""Five images, and copies: images 5 and 6 of the first, 7 and 8 of the second, 9 of the third."""
PAIRS = [
    (0, 5, 0.9, "with its origin"), (0, 6, 0.75, "with its origin, not alike enough"), (1, 7, 0.9, "with its origin"),
    (1, 8, 0.9, "with its origin"), (5, 6, 0.9, "copies of one image"), (0, 2, 0.9, "two images that are one picture"),
    (2, 5, 0.9, "so its copy is that, too"), (5, 9, 0.9, "and so are copies of both"), (0, 3, 0.5, "other pictures"),
    (3, 5, 0.9, "wrong, then"), (4, 7, 0.9, "wrong: never compared with the origin"), (5, 7, 0.9, "wrong: of others"),
    (4, 8, 0.5, "wrong, but not alike enough"), (3, 4, 0.9, "of no concern"),
]  # fmt: skip


@pytest.fixture
def pairs() -> pd.DataFrame:
    frame = pd.DataFrame(PAIRS, columns=["first", "second", "structure", "why"])
    return frame.assign(same=frame["structure"] >= 0.8)


def test_a_pair_is_right_with_the_origin_its_copies_and_what_is_one_picture_with_it(pairs: pd.DataFrame) -> None:
    judged = judged_pairs(pairs, COPIES)
    same = judged["same"].to_numpy(bool)
    assert count_copies(judged, COPIES, same) == Counts(copies=5, found=3, pairs=9, right=6)
    assert count_copies(judged, COPIES, same, Kind.RESIZED) == Counts(copies=3, found=2, pairs=8, right=5)
    assert count_copies(judged, COPIES, same, Kind.MIRRORED) == Counts(copies=2, found=1, pairs=2, right=2)
    wrong = judged[same & ~judged["right"]]
    assert wrong[["first", "second"]].to_numpy().tolist() == [[3, 5], [4, 7], [5, 7]]


def test_at_a_lower_threshold_more_is_found_and_the_truth_stays(pairs: pd.DataFrame) -> None:
    judged = judged_pairs(pairs, COPIES)
    lower = count_copies(judged, COPIES, (judged["structure"] >= 0.5).to_numpy(bool))
    assert lower == Counts(copies=5, found=4, pairs=11, right=7)
    assert (lower.recall, lower.precision) == (4 / 5, 7 / 11)
    nothing = count_copies(judged, COPIES, np.zeros(len(judged), bool), Kind.CROPPED)
    assert (nothing.recall, nothing.precision) == (None, None)


def test_pairs_of_neither_a_copy_nor_an_origin_are_of_no_concern(pairs: pd.DataFrame) -> None:
    concerned = COPIES.involved_in(pairs)
    assert pairs.loc[~concerned, "why"].tolist() == ["of no concern"]
    assert judged_pairs(pairs[concerned], COPIES).equals(judged_pairs(pairs, COPIES))


def test_each_image_is_altered_in_every_way_and_one_that_cannot_be_read_in_none(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id\n1\n2\n3\n")
    for number in (1, 3):
        (tmp_path / f"{number}.png").write_bytes(encoded(picture(600, 800, seed=number), "PNG"))
    (tmp_path / "2.png").write_bytes(b"no image")
    _, store = catalog_of(tmp_path / "m.csv", tmp_path)
    refs = [str(tmp_path / f"{number}.png") for number in (1, 2, 3)]
    copies = make_copies(np.array([0, 1, 2]), refs, store, 10**6, seed=0)
    assert copies.images == 3
    assert copies.origins.tolist() == [0] * 4 + [2] * 4
    assert copies.kinds.tolist() == [*Kind] * 2
    images = [Image.open(io.BytesIO(file)) for file in copies.files]
    assert {image.format for image in images} == {"JPEG"}
    assert [image.size for image in images] == [(360, 480), (600, 800), (582, 776), (600, 800)] * 2
    assert len(copies.files[1]) < len(copies.files[3]) / 1.5, "compressed more"
    for row, altered in ((0, images[:4]), (2, images[4:])):
        whole = Image.open(refs[row])
        expected = [whole.resize((360, 480)), whole, altered[2], ImageOps.mirror(whole)]
        for image, like in zip(altered, expected, strict=True):
            assert np.abs(np.asarray(image, int) - np.asarray(like, int)).mean() < 4
    cuts = [cut_from(Image.open(refs[row]), images[n]) for row, n in ((0, 2), (2, 6))]
    assert cuts[0] != cuts[1]
    assert make_copies(np.array([0, 1, 2]), refs, store, 10**6, seed=0).files == copies.files
    assert make_copies(np.array([0, 1, 2]), refs, store, 1000, seed=0).files == (), "they are larger"


def cut_from(whole: Image.Image, part: Image.Image) -> tuple[int, int]:
    """The offset at which a part was cut from an image, found by the least difference."""
    left, top = np.meshgrid(np.arange(whole.width - part.width + 1), np.arange(whole.height - part.height + 1))
    grey, cut = (np.asarray(image.convert("L"), int) for image in (whole, part))

    def apart(x: int, y: int) -> float:
        return float(np.abs(grey[y : y + part.height : 8, x : x + part.width : 8] - cut[::8, ::8]).mean())

    offset = min(zip(left.ravel().tolist(), top.ravel().tolist(), strict=True), key=lambda at: apart(*at))
    assert apart(*offset) < 2
    return offset


def test_copies_are_fetched_from_memory_and_the_rest_from_the_store_in_order(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id\n1\n2\n")
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").write_bytes(f"file {number}".encode())
    _, catalog_store = catalog_of(tmp_path / "m.csv", tmp_path)
    store = PlantedImages(catalog_store, {"planted:0": b"copy 0", "planted:1": b"copy 1"})
    refs = ["planted:1", f"{tmp_path}/2.jpg", f"{tmp_path}/3.jpg", "planted:0", f"{tmp_path}/1.jpg"]
    one, two, missing, four, five = store.fetch(refs)
    assert [one, two, four, five] == [b"copy 1", b"file 2", b"copy 0", b"file 1"]
    assert isinstance(missing, ImageError)


def test_images_are_drawn_by_their_ids() -> None:
    ids = [f"item {n}" for n in range(500)]
    few, more = sample_images(ids, 20, seed=0), sample_images(ids, 60, seed=0)
    assert (len(few), len(set(few.tolist()))) == (20, 20)
    assert set(few.tolist()) < set(more.tolist()), "a larger draw holds the smaller one"
    assert sorted(499 - sample_images(ids[::-1], 20, seed=0)) == few.tolist(), "whatever their order"
    assert sample_images(ids, 20, seed=1).tolist() != few.tolist()
    assert sample_images(ids, 900, seed=0).tolist() == list(range(500)), "there are no more"
