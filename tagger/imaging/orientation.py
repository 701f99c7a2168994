"""Reads the orientation of an image from EXIF, TIFF or XMP, even where these are damaged."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

UPRIGHT = 1
EXIF_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_MAX_ENTRIES = 4096
# The integer types of TIFF 6.0 and BigTIFF; cameras and editors use any of them for the orientation.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_XMP = re.compile(rb"""tiff:Orientation(?:\s*=\s*["']|\s*>)\s*([1-8])\b""")


@dataclass(frozen=True)
class Entry:
    """One entry of a TIFF directory."""

    tag: int
    kind: int
    count: int
    value: bytes
    """The last 4 bytes of the entry, or 8 in BigTIFF: the value, or its offset."""
    raw: bytes
    """The whole entry, 12 bytes, or 20 in BigTIFF."""


@dataclass(frozen=True)
class Directory:
    """The first directory of a TIFF file; EXIF is such a file."""

    order: str
    """`<` or `>`, as in `struct`."""
    is_big: bool
    entries: tuple[Entry, ...]


def exif_orientation(exif: bytes) -> int | None:
    """The orientation, 1 to 8, in EXIF's first directory; None where it is absent.

    Args:
        exif: A TIFF file as embedded in JPEG, PNG and WebP, with or without the prefix `Exif`.
    """
    while exif.startswith(EXIF_PREFIX):
        exif = exif[len(EXIF_PREFIX) :]
    directory = first_directory(exif)
    return None if directory is None else tiff_orientation(exif, directory)


def tiff_orientation(data: bytes, directory: Directory) -> int | None:
    """The orientation, 1 to 8, in a directory of a TIFF file; None where it is absent."""
    for entry in directory.entries:
        if entry.tag == _ORIENTATION and (value := _first_integer(data, directory.order, entry)) in range(1, 9):
            return value
    return None


def xmp_orientation(xmp: bytes) -> int | None:
    """The orientation, 1 to 8, in XMP; None where it is absent."""
    match = _XMP.search(xmp)
    return int(match[1]) if match else None


def first_directory(data: bytes) -> Directory | None:
    """The first directory of a TIFF file, with all entries that are complete; None where it is missing."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None
    is_big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    try:
        at = struct.unpack_from(f"{order}Q", data, 8)[0] if is_big else struct.unpack_from(f"{order}I", data, 4)[0]
        count = struct.unpack_from(f"{order}{'Q' if is_big else 'H'}", data, at)[0]
    except (struct.error, OverflowError):  # an offset beyond the end
        return None
    entries = _entries(data, at + (8 if is_big else 2), min(count, _MAX_ENTRIES), order, is_big)
    return Directory(order, is_big, tuple(entries))


def apply_orientation(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotate and mirror an image [h, w, C] upright, by its EXIF orientation, 1 to 8."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _entries(data: bytes, at: int, count: int, order: str, is_big: bool) -> Iterator[Entry]:
    size, layout = (20, f"{order}HHQ") if is_big else (12, f"{order}HHI")
    for start in range(at, min(at + count * size, len(data) - size + 1), size):
        raw = data[start : start + size]
        tag, kind, values = struct.unpack_from(layout, raw)
        yield Entry(tag, kind, values, raw[struct.calcsize(layout) :], raw)


def _first_integer(data: bytes, order: str, entry: Entry) -> int | None:
    if entry.kind not in _INTEGERS or not entry.count:
        return None
    layout = order + _INTEGERS[entry.kind]
    field = entry.value
    if entry.count * struct.calcsize(layout) > len(field):  # the field holds the values' offset
        at = struct.unpack(f"{order}{'Q' if len(field) == 8 else 'I'}", field)[0]
        field = data[at : at + struct.calcsize(layout)]
    return int(struct.unpack_from(layout, field)[0]) if len(field) >= struct.calcsize(layout) else None
