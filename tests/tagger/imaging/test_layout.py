"""A copy has nearly the same layout, be it resized, packed, mirrored or cropped a little; another image has not."""

import cv2
import numpy as np
import pytest

from tagger.imaging.layout import LAYOUT_SIZE, compared_frequencies, distances, layouts, mirrored


def drawings(count: int) -> list[np.ndarray]:
    """Shapes in colours on white, as product images are: uint8 [128, 96, 3]."""
    images = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        image = np.full((128, 96, 3), 255, np.uint8)
        for _ in range(4):
            x, y = (int(v) for v in rng.integers(20, 76, 2))
            colour = [int(v) for v in rng.integers(0, 200, 3)]
            cv2.ellipse(image, (x, y + 16), (int(rng.integers(6, 30)), int(rng.integers(6, 40))), 0, 0, 360, colour, -1)
        images.append(cv2.GaussianBlur(image, (0, 0), 0.8))
    return images


def of(images: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([layouts(image[None]) for image in images])


def cropped(image: np.ndarray, share: float) -> np.ndarray:
    height, width = image.shape[:2]
    down, right = round(height * share / 2), round(width * share / 2)
    return image[down : height - down, right : width - right]


def packed(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR))


@pytest.mark.parametrize("what", ["resized", "packed", "cropped"])
def test_a_copy_is_nearer_than_any_other_image(what: str) -> None:
    images = drawings(40)
    change = {
        "resized": lambda i: cv2.resize(i, (60, 80), interpolation=cv2.INTER_AREA),
        "packed": packed,
        "cropped": lambda i: cropped(i, 0.04),
    }[what]
    originals = of(images)
    copies = distances(originals, of([change(image) for image in images]))
    others = np.stack([distances(originals, np.roll(originals, n, axis=0)) for n in range(1, 40)]).min(axis=0)
    assert copies.max() < 0.08
    assert (copies < others / 2).mean() >= 0.95


def test_cropping_matters_less_than_without_moving_and_stretching() -> None:
    images = drawings(40)
    originals, copies = of(images), of([cropped(image, 0.04) for image in images])
    plain = np.linalg.norm(compared_frequencies(originals) - compared_frequencies(copies), axis=1)
    contrast = np.linalg.norm(compared_frequencies(originals), axis=1)
    assert np.median(distances(originals, copies)) < np.median(plain / contrast)


def test_a_mirror_images_layout_needs_no_image() -> None:
    images = drawings(10)
    flipped = of([np.ascontiguousarray(image[:, ::-1]) for image in images])
    assert distances(mirrored(of(images)), flipped).max() < 0.01
    assert distances(of(images), flipped).min() > 0.1


def test_a_layout_is_the_lowest_frequencies_in_grey_levels() -> None:
    grey = np.full((1, 64, 48, 3), 100, np.uint8)
    (layout,) = layouts(grey)
    assert (layout.dtype, layout.shape) == (np.float16, (LAYOUT_SIZE,))
    assert layout[0] == pytest.approx(100, abs=0.5)
    assert np.flatnonzero(np.abs(layout) > 0.1).tolist() == [0, 144, 180], "brightness, and two colours that are even"
    assert distances(layout[None], layout[None]).tolist() == [0]
