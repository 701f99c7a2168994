"""Two files of one picture agree in their details; two pictures of one kind do not."""

import cv2
import numpy as np
import pytest

from tagger.imaging.alignment import likeness


def wallet(seed: int) -> np.ndarray:
    """A brown thing on white, like all of its kind but for its pattern: uint8 [128, 96, 3]."""
    rng = np.random.default_rng(seed)
    image = np.full((128, 96, 3), 255, np.uint8)
    cv2.rectangle(image, (14, 30), (82, 98), (90, 60, 40), -1)
    for _ in range(14):
        x, y = (int(v) for v in (rng.integers(18, 76), rng.integers(34, 92)))
        shade = int(rng.integers(60, 200))
        cv2.circle(image, (x, y), int(rng.integers(2, 7)), (shade, shade, shade), -1)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.04])
def test_a_cropped_picture_is_the_same(share: float) -> None:
    for seed in range(10):
        image = wallet(seed)
        cut = cv2.resize(image[round(128 * share) :, round(96 * share) :], (96, 128), interpolation=cv2.INTER_CUBIC)
        measured = likeness(image, cut)
        assert measured.structure > 0.9
        assert measured.colour < 6


def test_a_packed_picture_is_the_same() -> None:
    for seed in range(10):
        image = wallet(seed)
        packed = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
        assert packed is not None
        measured = likeness(image, packed)
        assert measured.structure > 0.8
        assert measured.colour < 9


def test_another_pattern_on_the_same_outline_is_another_picture() -> None:
    assert max(likeness(wallet(seed), wallet(seed + 1)).structure for seed in range(20)) < 0.6


def test_another_colour_of_the_same_thing_is_another_picture() -> None:
    for seed in range(5):
        image = wallet(seed)
        measured = likeness(image, np.ascontiguousarray(image[:, :, ::-1]))
        assert measured.colour > 15


def test_nothing_on_it_is_no_reason_to_fail() -> None:
    white = np.full((128, 96, 3), 255, np.uint8)
    assert likeness(white, white).structure == 1
    assert likeness(white, wallet(0)).structure < 0.5
