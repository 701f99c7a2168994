"""Strips a picture file of its metadata: EXIF, XMP, colour profiles, texts, previews, further frames.

Decoders read these, too, and refuse a sound picture for a fault in them. So they are removed before a decoder sees the
file, and only the orientation is read from them.
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
"""A missing part of a picture above this share is visible."""
JPEG, PNG, WEBP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"WEBP"
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_APP1, _SCAN = 0xE1, 0xDA
_METADATA = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # APP0 and APP14 describe how colours are stored
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}  # markers without a length
_MAX_TEXT = 2**20
_WEBP_PIXELS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_WEBP_SPARE = 64  # bytes, so that a truncated code has an end
_WEBP_METADATA = 0x20 | 0x08 | 0x04  # VP8X's flags for a colour profile, EXIF and XMP
# TIFF tags that describe how pixels are stored.
_TIFF_PIXELS = {
    *range(256, 260), 262, 266, 273, *range(277, 280), 284, 292, 293, 317, 320, *range(322, 326), 332, 334, 338, 339,
    347, *range(512, 522), *range(529, 533), 34925, 50674,
}  # fmt: skip
_BEFORE = re.compile(rb"[\s\0\xef\xbb\xbf]{1,64}(?=\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8|RIFF....WEBP)", re.DOTALL)


@dataclass(frozen=True)
class Bare:
    """A picture file with only its pixels, and the orientation that its metadata named."""

    data: bytes
    orientation: int


def bare(data: bytes) -> Bare:
    """Remove metadata from a JPEG, PNG, WebP, TIFF or AVIF file; other files are returned unchanged."""
    if data.startswith(JPEG):
        return _bare_jpeg(data)
    if data.startswith(PNG):
        return _bare_png(data)
    if data.startswith(b"RIFF") and data[8:12] == WEBP:
        return _bare_webp(data)
    if data[:2] in (b"II", b"MM"):
        return _bare_tiff(data)
    if data[4:8] == b"ftyp":
        return _bare_avif(data)
    return Bare(data, UPRIGHT)


def trimmed(data: bytes) -> bytes:
    """A file without blank lines or a byte order mark that a script wrote before the picture."""
    before = _BEFORE.match(data) if data[:1] in b" \t\r\n\v\f\0\xef" else None
    return data[before.end() :] if before else data


def is_cut_webp(data: bytes) -> bool:
    """Whether a WebP file is shorter than its header says."""
    return data.startswith(b"RIFF") and data[8:12] == WEBP and len(data) < 8 + int.from_bytes(data[4:8], "little")


def jpeg_orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG, 1 to 8."""
    metadata = [data[start:end] for marker, start, end in jpeg_segments(data) if marker == _APP1]
    return _jpeg_orientation(metadata) if metadata else UPRIGHT


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each segment before the first scan: its marker's second byte, its start and its end."""
    at, size = 2, len(data)
    while at + 4 <= size:
        if data[at] != 0xFF or data[at + 1] == 0xFF:
            at += 1  # bytes between the segments
            continue
        marker = data[at + 1]
        if marker == _SCAN:
            return
        end = at + 2 if marker in _ALONE else at + 2 + (data[at + 2] << 8 | data[at + 3])
        if end > size:
            return
        yield marker, at, end
        at = end


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Each chunk of a PNG: its type, its bytes, and whether its checksum is right; the last one may be truncated."""
    at = len(PNG)
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        checksum = data[at + 8 + size : at + 12 + size]
        yield kind, body, checksum == zlib.crc32(kind + body).to_bytes(4)
        at += 12 + size


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG, with its length and its checksum."""
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def _bare_jpeg(data: bytes) -> Bare:
    parts, metadata, done = [], [], 0
    for marker, start, end in jpeg_segments(data):
        if marker in _METADATA:
            parts.append(data[done:start])
            done = end
        if marker == _APP1:
            metadata.append(data[start:end])
    return Bare(b"".join([*parts, data[done:]]), _jpeg_orientation(metadata))


def _jpeg_orientation(segments: list[bytes]) -> int:
    bodies = [segment[4:] for segment in segments]
    exif = b"".join(body.removeprefix(EXIF_PREFIX) for body in bodies if body.startswith(EXIF_PREFIX))
    xmp = b"".join(body for body in bodies if body.startswith(_XMP_PREFIX))
    return _orientation(exif, xmp)


def _orientation(exif: bytes, xmp: bytes) -> int:
    return exif_orientation(exif) or xmp_orientation(xmp) or UPRIGHT


def _bare_png(data: bytes) -> Bare:
    chunks, exif, xmp = [PNG], b"", b""
    for kind, body, is_right in png_chunks(data):
        if kind == b"eXIf":
            exif = body
        elif kind in (b"iTXt", b"zTXt", b"tEXt"):
            name, text = _text_of(kind, body)
            xmp = text if name == b"XML:com.adobe.xmp" else xmp
            exif = exif or (_hexadecimal(text) if name == b"Raw profile type exif" else b"")
        elif kind == b"IEND" or not kind.isalpha():
            break
        elif kind == b"IDAT" or (kind == b"tRNS" and is_right):
            chunks.append(png_chunk(kind, body))  # the pixels' zlib stream has a checksum of its own
        elif not kind[0] & 0x20:  # critical chunks keep their checksum, right or wrong
            checksum = zlib.crc32(kind + body) ^ (not is_right)
            chunks.append(len(body).to_bytes(4) + kind + body + checksum.to_bytes(4))
    return Bare(b"".join([*chunks, png_chunk(b"IEND", b"")]), _orientation(exif, xmp))


def _text_of(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The keyword and the beginning of the text of a PNG's text chunk."""
    name, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return name, rest[:_MAX_TEXT]
    is_packed = kind == b"zTXt" or rest[:1] == b"\1"
    rest = rest[1:] if kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1]
    try:
        return name, zlib.decompressobj().decompress(rest, _MAX_TEXT) if is_packed else rest[:_MAX_TEXT]
    except zlib.error:
        return name, b""


def _hexadecimal(text: bytes) -> bytes:
    """The bytes of a raw profile: a blank line, its name, its length, then hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))
    except ValueError:
        return b""


def _bare_webp(data: bytes) -> Bare:
    chunks, exif, xmp, at = [WEBP], b"", b"", 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
        if size * (1 - VISIBLE_SHARE) <= len(body) < size:  # the decoder accepts whole chunks only
            body += b"\0" * (size - len(body) + _WEBP_SPARE)
            size = len(body)
        if kind == b"EXIF":
            exif = body
        elif kind == b"XMP ":
            xmp = body
        elif kind in _WEBP_PIXELS:
            shown = bytes([body[0] & ~_WEBP_METADATA]) + body[1:] if kind == b"VP8X" and body else body
            chunks.append(kind + struct.pack("<I", size) + shown + b"\0" * (len(body) == size and size % 2))
    pixels = b"".join(chunks)
    return Bare(b"RIFF" + struct.pack("<I", len(pixels)) + pixels, _orientation(exif, xmp))


def _bare_tiff(data: bytes) -> Bare:
    """The file with a new first directory at its end, which names only the pixels, and no further page."""
    directory = first_directory(data)
    if directory is None or not directory.entries:
        return Bare(data, UPRIGHT)
    order, is_big = directory.order, directory.is_big
    entries = [entry.raw for entry in directory.entries if entry.tag in _TIFF_PIXELS]
    data += b"\0" * (len(data) % 2)
    count, last = struct.pack(f"{order}{'Q' if is_big else 'H'}", len(entries)), b"\0" * (8 if is_big else 4)
    at = struct.pack(f"{order}{'Q' if is_big else 'I'}", len(data))
    head = data[:8] + at + data[16:] if is_big else data[:4] + at + data[8:]
    orientation = tiff_orientation(data, directory) or UPRIGHT
    return Bare(b"".join([head, count, *entries, last]), orientation)


def _bare_avif(data: bytes) -> Bare:
    """The file with its EXIF item renamed; AVIF's orientation is in boxes that the decoder reads."""
    data = re.sub(rb"(infe\x02[\s\S]{7})Exif", rb"\1free", data)
    return Bare(re.sub(rb"(infe\x03[\s\S]{9})Exif", rb"\1free", data), UPRIGHT)
