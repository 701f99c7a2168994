"""Further images of drawn items, as shops have them: another side, a detail, the packaging."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

_MOST = 4
_DETAIL = 0.55
"""Sides of a detail, as shares of the image's."""
_BOX = (176, 140, 100)
_TAPE = (210, 190, 160)


def number_of_views(share: float, rng: np.random.Generator) -> int:
    """How many images an item has: with a probability of `share` 2 to 4, else 1."""
    return int(rng.integers(2, _MOST + 1)) if rng.random() < share else 1


def further_view(number: int, drawn_again: Image.Image, rng: np.random.Generator) -> Image.Image:
    """One of the images after the first: 2 is another side, 3 a detail, 4 the packaging, which all items share.

    Args:
        number: 2 to 4.
        drawn_again: The item, drawn once more.
        rng: Of the item's images.
    """
    match number:
        case 2:
            return ImageOps.mirror(drawn_again)
        case 3:
            return _detail(drawn_again, rng)
        case _:
            return _packaging(drawn_again.size)


def view_file(folder: Path, item: str, number: int, suffix: str) -> Path:
    """The file of an item's image: the first has no number."""
    return folder / (f"{item}.{suffix}" if number == 1 else f"{item}_{number}.{suffix}")


def _detail(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = round(image.width * _DETAIL), round(image.height * _DETAIL)
    left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    cropped = image.crop((left, top, left + width, top + height))
    return cropped.resize(image.size, Image.Resampling.BICUBIC)


def _packaging(size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, (250, 250, 250))
    width, height = size
    pen = ImageDraw.Draw(image)
    pen.rectangle([width * 0.15, height * 0.25, width * 0.85, height * 0.8], fill=_BOX)
    pen.rectangle([width * 0.45, height * 0.25, width * 0.55, height * 0.8], fill=_TAPE)
    return image
