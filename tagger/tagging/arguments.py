"""Checks what a caller of `Tagger` gives, so that a mistake is told at once and in the caller's words."""

import os
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tagger.errors import UsageError
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.values import Confidence, Device, EngineName
from tagger.schemas.wording import in_words

Image = bytes | str | PathLike[str]
"""The bytes of an image file, or its local path."""

_ENGINE: TypeAdapter[str] = TypeAdapter(EngineName)
_DEVICE: TypeAdapter[str] = TypeAdapter(Device)
_ACCEPT_ABOVE: TypeAdapter[dict[Level, float]] = TypeAdapter(dict[Level, Confidence])
_Value = TypeVar("_Value")


def checked_engine(engine: str) -> str:
    """`auto` or the name of an engine. Raises UsageError for another name."""
    return _checked("engine", _ENGINE, engine)


def checked_device(device: str) -> str:
    """`auto`, `cpu` or `cuda`. Raises UsageError for another name."""
    return _checked("device", _DEVICE, device)


def checked_thresholds(accept_above: Mapping[str, float] | Mapping[Level, float]) -> dict[Level, float]:
    """Thresholds by level. Raises UsageError for a name that is no level, and for a number that is not 0 to 1."""
    return _checked("accept_above", _ACCEPT_ABOVE, dict(accept_above))


def listed_images(images: Iterable[Image | Sequence[Image]]) -> list[list[bytes | str]]:
    """The images of each item as bytes and paths.

    Raises:
        TypeError: for one image alone, and for anything but bytes, paths and lists of them.
        ValueError: for an item with an empty list.
    """
    if isinstance(images, bytes | bytearray | str | PathLike) or not isinstance(images, Iterable):
        raise TypeError("images: give a list of images, even for one")
    items = [
        [_bytes_or_path(number, one) for one in (image if isinstance(image, list | tuple) else [image])]
        for number, image in enumerate(images)
    ]
    if [] in items:
        raise ValueError(f"images[{items.index([])}] is an empty list; each item needs an image")
    return items


def one_per_image(name: str, values: Iterable[Any], images: int) -> list[Any]:
    """The values of an argument as a list. Raises ValueError when there are more or fewer than images."""
    if isinstance(values, str):
        raise TypeError(f"{name}: give a list, even for one image")
    listed = list(values)
    if len(listed) != images:
        raise ValueError(f"{name}: there are {len(listed):,} for {images:,} images; give one for each image")
    return listed


def _bytes_or_path(number: int, image: object) -> bytes | str:
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | PathLike):
        return os.fsdecode(image)
    raise TypeError(
        f"images[{number}] is of type {type(image).__name__}; give the path of an image file, or the bytes of one "
        "(a PIL image has them after `image.save(buffer, 'PNG')` into an io.BytesIO)"
    )


def _checked(name: str, adapter: TypeAdapter[_Value], value: object) -> _Value:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise UsageError(f"{name}: {in_words(error.errors()[0])}") from error
