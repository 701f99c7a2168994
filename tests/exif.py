"""EXIF and other things beside the pixels, as odd as cameras and editors write them."""

import struct
import zlib

Value = tuple[int, int, int, bytes]
"""An entry's tag, type, count, and its 4 bytes of value or offset."""


def exif(
    entries: list[Value], order: str = "<", offset: int = 8, extra: bytes = b"", count: int | None = None
) -> bytes:
    """A TIFF structure of one directory that lies at `offset`, with bytes after it."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", offset)
    directory = struct.pack(f"{order}H", len(entries) if count is None else count)
    directory += b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries)
    return head + b"\0" * (offset - 8) + directory + struct.pack(f"{order}I", 0) + extra


def oriented(orientation: int, kind: int = 3, order: str = "<") -> Value:
    """The entry of an orientation: 1 is BYTE, 3 SHORT, 4 LONG."""
    layout = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}[kind]
    return (0x0112, kind, 1, struct.pack(order + layout, orientation).ljust(4, b"\0"))


def in_jpeg(jpeg: bytes, *bodies: bytes, marker: int = 0xE1) -> bytes:
    """A JPEG with segments after its first marker."""
    segments = [bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body for body in bodies]
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def in_png(png: bytes, *chunks: tuple[bytes, bytes], wrong_checksum: bool = False) -> bytes:
    """A PNG with chunks after its head."""
    made = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ wrong_checksum)
        for kind, body in chunks
    ]
    return png[:33] + b"".join(made) + png[33:]


def in_webp(webp: bytes, width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A simple WebP as an extended one, with chunks after its pixels."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    head = b"VP8X" + struct.pack("<I", 10) + bytes([0x2C]) + b"\0\0\0" + sides
    tail = b"".join(kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for kind, body in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(head) + len(webp) - 12 + len(tail)) + b"WEBP" + head + webp[12:] + tail
