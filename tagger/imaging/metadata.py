"""Strips the metadata of an image file: EXIF, XMP, colour profiles, texts, previews, further frames.

Decoders read metadata, too, and reject a sound image when it is faulty. So it is removed before a decoder sees the
file, and only the orientation is read from it.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from tagger.imaging.orientation import (
    EXIF_PREFIX,
    UPRIGHT,
    exif_orientation,
    first_directory,
    tiff_orientation,
    xmp_orientation,
)

VISIBLE_SHARE = 0.01
"""Above this share, a missing part of an image counts as visible."""
JPEG, PNG, WEBP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"WEBP"
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_APP1, _SCAN = 0xE1, 0xDA
_METADATA = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # APP0 and APP14 describe how colours are stored
_WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xD9)}  # markers without a length
_MAX_TEXT = 2**20
_WEBP_PIXELS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_WEBP_PADDING = 64  # bytes, so that a truncated code is terminated
_WEBP_METADATA = 0x20 | 0x08 | 0x04  # VP8X's flags for a colour profile, EXIF and XMP
# TIFF tags that describe how pixels are stored.
_TIFF_PIXELS = {
    *range(256, 260), 262, 266, 273, *range(277, 280), 284, 292, 293, 317, 320, *range(322, 326), 332, 334, 338, 339,
    347, *range(512, 522), *range(529, 533), 34925, 50674,
}  # fmt: skip
_LEADING_SPACE = re.compile(rb"[\s\0\xef\xbb\xbf]{1,64}(?=\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8|RIFF....WEBP)", re.DOTALL)


@dataclass(frozen=True)
class Stripped:
    """An image file with its pixels only, and the orientation from its metadata."""

    data: bytes
    orientation: int


def strip_metadata(data: bytes) -> Stripped:
    """Remove metadata from a JPEG, PNG, WebP, TIFF or AVIF file; other files are returned unchanged."""
    if data.startswith(JPEG):
        return _strip_jpeg(data)
    if data.startswith(PNG):
        return _strip_png(data)
    if data.startswith(b"RIFF") and data[8:12] == WEBP:
        return _strip_webp(data)
    if data[:2] in (b"II", b"MM"):
        return _strip_tiff(data)
    if data[4:8] == b"ftyp":
        return _strip_avif(data)
    return Stripped(data, UPRIGHT)


def without_leading_space(data: bytes) -> bytes:
    """Remove blank lines or a byte order mark that a script wrote before the image."""
    padding = _LEADING_SPACE.match(data) if data[:1] in b" \t\r\n\v\f\0\xef" else None
    return data[padding.end() :] if padding else data


def is_cut_webp(data: bytes) -> bool:
    """Whether a WebP file is shorter than its header says."""
    return data.startswith(b"RIFF") and data[8:12] == WEBP and len(data) < 8 + int.from_bytes(data[4:8], "little")


def jpeg_orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG, 1 to 8."""
    metadata = [data[start:end] for marker, start, end in jpeg_segments(data) if marker == _APP1]
    return _jpeg_orientation(metadata) if metadata else UPRIGHT


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each segment before the first scan: its marker's second byte, its start offset and its end offset."""
    at, size = 2, len(data)
    while at + 4 <= size:
        if data[at] != 0xFF or data[at + 1] == 0xFF:
            at += 1  # a byte between segments
            continue
        marker = data[at + 1]
        if marker == _SCAN:
            return
        end = at + 2 if marker in _WITHOUT_LENGTH else at + 2 + (data[at + 2] << 8 | data[at + 3])
        if end > size:
            return
        yield marker, at, end
        at = end


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Each chunk of a PNG: its type, its bytes, and whether its checksum is valid; the last may be truncated."""
    at = len(PNG)
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        checksum = data[at + 8 + size : at + 12 + size]
        yield kind, body, checksum == zlib.crc32(kind + body).to_bytes(4)
        at += 12 + size


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Build a PNG chunk, with its length and checksum."""
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def _strip_jpeg(data: bytes) -> Stripped:
    parts, metadata, done = [], [], 0
    for marker, start, end in jpeg_segments(data):
        if marker in _METADATA:
            parts.append(data[done:start])
            done = end
        if marker == _APP1:
            metadata.append(data[start:end])
    return Stripped(b"".join([*parts, data[done:]]), _jpeg_orientation(metadata))


def _jpeg_orientation(segments: list[bytes]) -> int:
    bodies = [segment[4:] for segment in segments]
    exif = b"".join(body.removeprefix(EXIF_PREFIX) for body in bodies if body.startswith(EXIF_PREFIX))
    xmp = b"".join(body for body in bodies if body.startswith(_XMP_PREFIX))
    return _orientation(exif, xmp)


def _orientation(exif: bytes, xmp: bytes) -> int:
    return exif_orientation(exif) or xmp_orientation(xmp) or UPRIGHT


def _strip_png(data: bytes) -> Stripped:
    chunks, exif, xmp = [PNG], b"", b""
    for kind, body, is_valid in png_chunks(data):
        if kind == b"eXIf":
            exif = body
        elif kind in (b"iTXt", b"zTXt", b"tEXt"):
            name, text = _text_of(kind, body)
            xmp = text if name == b"XML:com.adobe.xmp" else xmp
            exif = exif or (_raw_profile(text) if name == b"Raw profile type exif" else b"")
        elif kind == b"IEND" or not kind.isalpha():
            break
        elif kind == b"IDAT" or (kind == b"tRNS" and is_valid):
            chunks.append(png_chunk(kind, body))  # the pixels' zlib stream has its own checksum
        elif not kind[0] & 0x20:  # a critical chunk keeps its checksum, valid or not
            checksum = zlib.crc32(kind + body) ^ (not is_valid)
            chunks.append(len(body).to_bytes(4) + kind + body + checksum.to_bytes(4))
    return Stripped(b"".join([*chunks, png_chunk(b"IEND", b"")]), _orientation(exif, xmp))


def _text_of(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The keyword of a PNG's text chunk, and the beginning of its text."""
    name, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return name, rest[:_MAX_TEXT]
    is_packed = kind == b"zTXt" or rest[:1] == b"\1"
    rest = rest[1:] if kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1]
    try:
        return name, zlib.decompressobj().decompress(rest, _MAX_TEXT) if is_packed else rest[:_MAX_TEXT]
    except zlib.error:
        return name, b""


def _raw_profile(text: bytes) -> bytes:
    """Decode a raw profile: a blank line, its name, its length, then hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))
    except ValueError:
        return b""


def _strip_webp(data: bytes) -> Stripped:
    chunks, exif, xmp, at = [WEBP], b"", b"", 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
        if size * (1 - VISIBLE_SHARE) <= len(body) < size:  # the decoder accepts whole chunks only
            body += b"\0" * (size - len(body) + _WEBP_PADDING)
            size = len(body)
        if kind == b"EXIF":
            exif = body
        elif kind == b"XMP ":
            xmp = body
        elif kind in _WEBP_PIXELS:
            body = bytes([body[0] & ~_WEBP_METADATA]) + body[1:] if kind == b"VP8X" and body else body
            chunks.append(kind + struct.pack("<I", size) + body + b"\0" * (len(body) == size and size % 2))
    pixels = b"".join(chunks)
    return Stripped(b"RIFF" + struct.pack("<I", len(pixels)) + pixels, _orientation(exif, xmp))


def _strip_tiff(data: bytes) -> Stripped:
    """Append a new first directory that names the pixels only, and no further page."""
    directory = first_directory(data)
    if directory is None or not directory.entries:
        return Stripped(data, UPRIGHT)
    order, is_big = directory.order, directory.is_big
    entries = [entry.raw for entry in directory.entries if entry.tag in _TIFF_PIXELS]
    data += b"\0" * (len(data) % 2)
    count, end = struct.pack(f"{order}{'Q' if is_big else 'H'}", len(entries)), b"\0" * (8 if is_big else 4)
    offset = struct.pack(f"{order}{'Q' if is_big else 'I'}", len(data))
    header = data[:8] + offset + data[16:] if is_big else data[:4] + offset + data[8:]
    orientation = tiff_orientation(data, directory) or UPRIGHT
    return Stripped(b"".join([header, count, *entries, end]), orientation)


def _strip_avif(data: bytes) -> Stripped:
    """Rename the EXIF item; AVIF's orientation is in boxes that the decoder reads."""
    data = re.sub(rb"(infe\x02[\s\S]{7})Exif", rb"\1free", data)
    return Stripped(re.sub(rb"(infe\x03[\s\S]{9})Exif", rb"\1free", data), UPRIGHT)
