"""Bad images of every kind that shops have, and mutations of good ones."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from tests.builders import encoded, picture


def good() -> dict[str, bytes]:
    """Images that can be used, in forms that trip simple decoders."""
    rgb = picture()
    palette = rgb.convert("P")
    frames = [picture(seed=i) for i in range(3)]
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "plain.jpg": encoded(rgb),
        "progressive.jpg": encoded(rgb, progressive=True),
        "grey.jpg": encoded(rgb.convert("L")),
        "cmyk.jpg": encoded(rgb.convert("CMYK")),
        "rotated.jpg": encoded(rgb, exif=exif),
        "subsampled-441.jpg": _subsampled_441(),
        "arithmetic-size.jpg": encoded(picture(61, 83)),
        "png-named.jpg": encoded(rgb, "PNG"),
        "jpeg-named.png": encoded(rgb),
        "webp-named.jpg": encoded(rgb, "WEBP"),
        "animated.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "animated.webp": encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "animated.png": encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "sixteen-bit.png": encoded(rgb.convert("I;16"), "PNG"),
        "sixteen-bit.tif": encoded(rgb.convert("I;16"), "TIFF"),
        "one-bit.png": encoded(rgb.convert("1"), "PNG"),
        "palette.png": encoded(palette, "PNG"),
        "palette-transparent.png": encoded(palette, "PNG", transparency=0),
        "transparent.png": encoded(rgb.convert("RGBA"), "PNG"),
        "grey-alpha.png": encoded(rgb.convert("LA"), "PNG"),
        "old.bmp": encoded(rgb, "BMP"),
        "deflated.tif": encoded(rgb, "TIFF", compression="tiff_deflate"),
        "cmyk.tif": encoded(rgb.convert("CMYK"), "TIFF"),
        "float.tif": encoded(rgb.convert("F"), "TIFF"),
        "one-pixel.jpg": encoded(picture(1, 1)),
        "one-pixel.png": encoded(picture(1, 1), "PNG"),
        "one-by-20000.png": encoded(Image.new("RGB", (1, 20_000)), "PNG"),
        "20000-by-one.jpg": encoded(Image.new("RGB", (20_000, 1))),
        "default-tables.jpg": encoded(rgb).replace(b"\xff\xc4", b"\xff\xe9"),
        "trailing-rubbish.jpg": encoded(rgb) + b"\0" * 10_000 + b"rubbish",
    }


def bad() -> dict[str, bytes]:
    """Files that are no usable image."""
    rgb = picture(120, 160)
    jpeg, png, webp, gif = (encoded(rgb, kind) for kind in ("JPEG", "PNG", "WEBP", "GIF"))
    tiff, bmp = encoded(rgb, "TIFF", compression="tiff_deflate"), encoded(rgb, "BMP")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("image.jpg", jpeg)
    found = {
        "empty.jpg": b"",
        "one-byte.jpg": b"\xff",
        "magic-only.jpg": b"\xff\xd8\xff",
        "two-markers.jpg": b"\xff\xd8\xff\xd9",
        "spaces.jpg": b" " * 4096,
        "zeroes.jpg": b"\0" * 4096,
        "page.jpg": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>',
        "error.jpg": b'{"error": "AccessDenied"}',
        "s3-error.jpg": b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
        "archive.jpg": archive.getvalue(),
        "text.jpg": "kein Bild".encode("utf-16"),
        "base64.jpg": b"data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQ",
        "document.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "film.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        "random.jpg": random.Random(1).randbytes(5000),
        "random-after-magic.jpg": jpeg[:20] + random.Random(2).randbytes(5000),
        "random-after-magic.png": png[:16] + random.Random(3).randbytes(5000),
        "zero-size.png": _png(0, 0),
        "bomb.png": _png(50_000, 50_000),
        "wide-bomb.png": _png(2**31 - 1, 1),
        "bomb.jpg": _sized_jpeg(jpeg, 50_000, 50_000),
        "zero-size.jpg": _sized_jpeg(jpeg, 0, 0),
        "bomb.bmp": bmp[:18] + struct.pack("<ii", 50_000, 50_000) + bmp[26:],
        "bomb.gif": gif[:6] + struct.pack("<HH", 65_535, 65_535) + gif[10:],
        "bad-checksum.png": png[:40] + bytes([png[40] ^ 0xFF]) + png[41:],
        "no-scan.jpg": jpeg[: jpeg.index(b"\xff\xda")],
        "wrong-lengths.jpg": jpeg[:4] + b"\xff\xff" + jpeg[6:],
        "broken-offsets.tif": tiff[:4] + struct.pack("<I", 2**31) + tiff[8:],
        "self-loop.tif": b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8),
        "cut-header.gif": gif[:9],
        "cut-header.bmp": bmp[:20],
        "riff-only.webp": b"RIFF\x24\0\0\0WEBP",
        "riff-wave.webp": b"RIFF\x24\0\0\0WAVEfmt ",
        "not-an-avif.avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0" * 50,
    }
    for share in (1, 5, 20, 50, 80, 95):
        for name, data in (("jpg", jpeg), ("png", png), ("webp", webp)):
            found[f"cut-at-{share}.{name}"] = data[: max(4, len(data) * share // 100)]
    return found


def mutations(images: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Images with bytes changed, removed, doubled, swapped or cut off, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(rng.choice(images))
        for _ in range(rng.choice((1, 1, 2, 5, 20))):
            if len(data) < 8:
                break
            at = rng.randrange(len(data))
            match rng.randrange(6):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    data[at] ^= 1 << rng.randrange(8)
                case 2:
                    del data[at : at + rng.randrange(1, 64)]
                case 3:
                    data[at:at] = data[at : at + rng.randrange(1, 64)]
                case 4:
                    data[at : at + 2] = rng.choice((b"\xff\xff", b"\0\0", b"\x7f\xff", b"\xff\xd9", b"\xff\xda"))
                case _:
                    data = data[: max(4, at)]
        yield bytes(data)


def _subsampled_441() -> bytes:
    """A JPEG whose colours are a quarter as high, as a 4:1:1 one is once it is turned; no encoder here writes it."""
    square = np.asarray(picture(64, 64))
    data = bytearray(cv2.imencode(".jpg", square, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x411111])[1].tobytes())
    data[data.index(b"\xff\xc0") + 11] = 0x14  # four blocks below one another: as many as side by side in a square
    return bytes(data)


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def _sized_jpeg(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]
