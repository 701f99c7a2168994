"""Truncated image files: checks whether the missing part is visible and, if not, completes the file.

A visible part is missing when it is more than 1% of the image's area. Less than that is the end marker, a checksum, or
a part of the last block.
"""

import re
import zlib

import numpy as np
import simplejpeg

from tagger.imaging.metadata import PNG, VISIBLE_SHARE, png_chunk, png_chunks

_JPEG_END = b"\xff\xd9"
_FRAME = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_PROGRESSIVE = {0xC2, 0xCA}
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_SMALLEST = 64  # a JPEG is decoded no smaller than this, to check that its scan is complete
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's colour types
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PIECE = 4096


def complete_jpeg(data: bytes) -> bytes:
    """Add a missing end marker to a JPEG, in place of a last segment that is truncated."""
    if _JPEG_END in data[data.rfind(b"\xff\xda") :]:
        return data
    last = data.rfind(b"\xff", 0, -1)
    while last > 0 and (data[last + 1] == 0 or 0xD0 <= data[last + 1] <= 0xD7):
        last = data.rfind(b"\xff", 0, last)
    size = int.from_bytes(data[last + 2 : last + 4])
    is_cut = last > 0 and (len(data) < last + 4 or len(data) < last + 2 + size)
    return (data[:last] if is_cut else data).rstrip(b"\xff") + _JPEG_END


def jpeg_error(data: bytes) -> str | None:
    """A strict decoder's error message for a JPEG; None when the file is sound."""
    try:
        kind = "CMYK" if _colours(data) in ("CMYK", "YCCK") else "RGB"
        simplejpeg.decode_jpeg(data, kind, min_height=_SMALLEST, min_width=_SMALLEST)
    except ValueError as error:
        return str(error)
    return None


def _colours(data: bytes) -> str:
    try:
        return str(simplejpeg.decode_jpeg_header(data)[2])
    except KeyError:  # a subsampling that it has no name for, such as 4:4:1; it decodes the image all the same
        return "YCbCr"


def jpeg_lacks_scans(data: bytes, is_premature: bool) -> bool:
    """Whether a JPEG of several scans lacks a visible part.

    A progressive image without the last bit of its frequencies is a little coarser, but complete. The scan in which the
    file ends does not count. In a sequential JPEG, each scan holds a colour component, and a missing part is visible.
    """
    frame, components_of_frame, scans = _frame_and_scans(data)
    if frame not in _PROGRESSIVE:
        components_seen = {component for components, *_ in scans for component in components}
        return 0 < len(components_seen) < components_of_frame or (is_premature and len(scans) > 1)
    finest = {}
    for components, first, last, low in scans[:-1]:
        for component in components:
            finest.update({(component, frequency): low for frequency in range(first, last + 1)})
    return sum(low < 2 for low in finest.values()) < 64 * components_of_frame


def missing_share(pixels: np.ndarray) -> float:
    """The share of a JPEG's pixels [h, w] or [h, w, C] that its scan did not reach: rows of exact grey at the end."""
    layers = pixels.reshape(*pixels.shape[:2], -1).astype(np.int16)
    grey = np.asarray((np.abs(layers * 2 - 255) <= 1).all(axis=2))  # 128, or 127 where the colours are stored inverted
    return float(np.logical_and.accumulate(grey[::-1], axis=0).mean())


def complete_png(data: bytes) -> bytes | None:
    """Complete a PNG of which an invisible part is missing; None when a visible part is missing."""
    chunks = [(kind, body) for kind, body, _ in png_chunks(data)]
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        return None
    head = chunks[0][1]
    width, height = int.from_bytes(head[:4]), int.from_bytes(head[4:8])
    bits = head[8] * _CHANNELS.get(head[9], 0)
    sizes = _pass_sizes(width, height) if head[12] else [(width, height)]
    expected = sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes)
    rows = _inflated(b"".join(body for kind, body in chunks if kind == b"IDAT"), expected)
    if not bits or len(rows) < expected * (1 - VISIBLE_SHARE):
        return None
    row = 1 + -(-width * bits // 8)
    if not head[12]:
        rows += b"\0" * (-len(rows) % row)
        rows += (b"\2" + b"\0" * (row - 1)) * ((expected - len(rows)) // row)  # a copy of the row above
    rows += b"\0" * (expected - len(rows))
    others = [png_chunk(kind, body) for kind, body in chunks if kind not in (b"IDAT", b"IEND")]
    pixels = zlib.compress(rows, 1)
    return b"".join([PNG, *others, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")])


def _frame_and_scans(data: bytes) -> tuple[int | None, int, list[tuple[bytes, int, int, int]]]:
    """A JPEG's frame type and component count; each scan's components, first and last frequency, and lowest bit."""
    frame, components, scans = None, 0, []
    for match in _MARKER.finditer(data):
        marker, at = match[1][0], match.end()
        if marker in _FRAME:
            frame, components = marker, data[at + 7] if len(data) > at + 7 else 0
        elif marker == 0xDA and len(data) >= at + 3 and len(data) >= at + 6 + 2 * data[at + 2]:
            end = at + 3 + 2 * data[at + 2]
            scans.append((data[at + 3 : end : 2], data[end], min(data[end + 1], 63), data[end + 2] & 15))
        elif marker == 0xD9:
            break
    return frame, components, scans


def _pass_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Columns and rows of Adam7's seven passes."""
    sizes = [(-(-(width - x) // right), -(-(height - y) // down)) for x, y, right, down in _PASSES]
    return [(columns, rows) for columns, rows in sizes if columns > 0 and rows > 0]


def _inflated(stream: bytes, expected: int) -> bytes:
    """Decompress the readable beginning of a zlib stream, without checking its checksum."""
    unpacker, rows = zlib.decompressobj(-15), bytearray()
    try:
        for start in range(2, len(stream), _PIECE):
            rows += unpacker.decompress(stream[start : start + _PIECE], max(1, expected - len(rows)))
            if unpacker.eof or len(rows) >= expected:
                break
    except zlib.error:
        pass
    return bytes(rows[:expected])
