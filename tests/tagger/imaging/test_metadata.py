"""Faulty metadata costs nothing, and every decoder applies the orientation alike."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from tagger.imaging.decode import decode, decode_whole, read_header
from tagger.imaging.metadata import strip_metadata
from tagger.imaging.orientation import apply_orientation
from tagger.schemas.documents.bundle import Preprocessing
from tests.builders import encoded, picture
from tests.exif import Value, exif, in_jpeg, in_png, in_webp, oriented

LIMIT = 10_000_000
XMP = b'<x:xmpmeta><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></x:xmpmeta>'
UNDONE = {
    1: lambda i: i,
    2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
    4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
    6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
    7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
    8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
}
MODES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("RGB", {}),
    "progressive": ("RGB", {"progressive": True}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
    "whole chroma": ("RGB", {"subsampling": 0}),
}


def upright(size: tuple[int, int] = (60, 80)) -> Image.Image:
    return picture(*size)


def far(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def shown(data: bytes) -> np.ndarray:
    """As the quick decoder has it; the whole one must say the same."""
    whole = decode_whole(data, LIMIT)
    height, width = whole.shape[:2]
    quick = decode(data, Preprocessing(height=height, width=width, fit="stretch", resize="bicubic"), LIMIT).pixels
    assert far(quick, whole) < 2
    return whole


@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_quick_and_the_whole_decoder_turn_alike(mode: str, orientation: int) -> None:
    colours, options = MODES[mode]
    stored = encoded(UNDONE[orientation](upright()).convert(colours), quality=95, **options)
    data = in_jpeg(stored, b"Exif\0\0" + exif([oriented(orientation)]))
    assert far(shown(data), np.asarray(upright().convert(colours).convert("RGB"))) < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_what_pillow_does(orientation: int) -> None:
    image = Image.Exif()
    image[0x0112] = orientation
    data = encoded(upright(), "PNG", exif=image)
    pillows = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert far(apply_orientation(np.asarray(upright()), orientation), pillows) == 0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4, 6, 8, 9])
@pytest.mark.parametrize("offset", [8, 9, 27])
def test_the_orientation_is_read_in_every_type_and_order_and_wherever_it_lies(
    order: str, kind: int, offset: int
) -> None:
    body = exif([oriented(6, kind, order)], order, offset)
    stored = UNDONE[6](upright())
    holders = [
        in_jpeg(encoded(stored, quality=95), b"Exif\0\0" + body),
        in_jpeg(encoded(stored, quality=95), b"\0" * 60_000, b"\0" * 60_000, marker=0xE2)[:2]
        + in_jpeg(encoded(stored, quality=95), b"Exif\0\0Exif\0\0" + body)[2:],
        in_png(encoded(stored, "PNG"), (b"eXIf", body)),
        in_webp(encoded(stored, "WEBP", lossless=True)[:], 80, 60, (b"EXIF", body)),
        in_webp(encoded(stored, "WEBP", lossless=True)[:], 80, 60, (b"EXIF", b"Exif\0\0" + body)),
    ]
    for data in holders:
        assert far(shown(data), np.asarray(upright())) < 4


@pytest.mark.parametrize(("order", "is_big"), [("<", False), ("<", True)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_by_its_own_tag(order: str, is_big: bool, orientation: int) -> None:
    data = encoded(UNDONE[orientation](upright()), "TIFF", tiffinfo={0x0112: orientation}, big_tiff=is_big)
    assert far(shown(data), np.asarray(upright())) == 0


def test_xmp_names_an_orientation_where_exif_does_not() -> None:
    stored = UNDONE[6](upright())
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    for data in (
        in_jpeg(encoded(stored, quality=95), b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        in_webp(encoded(stored, "WEBP", lossless=True), 80, 60, (b"XMP ", XMP)),
        encoded(stored, "PNG", pnginfo=text),
    ):
        assert far(shown(data), np.asarray(upright())) < 4
    both = in_jpeg(encoded(upright()), b"Exif\0\0" + exif([oriented(1)]), b"http://ns.adobe.com/xap/1.0/\0" + XMP)
    assert shown(both).shape == (80, 60, 3)


def odd_exif() -> dict[str, bytes]:
    """EXIF that names orientation 6 and has a fault elsewhere."""
    good = oriented(6)

    def beside(entry: Value, extra: bytes = b"") -> bytes:
        return exif(sorted([good, entry]), extra=extra)

    far_away = struct.pack("<I", 60_000)
    return {
        "resolution as text": beside((0x011A, 2, 4, b"abc\0")),
        "resolution by zero": beside((0x011A, 5, 1, struct.pack("<I", 38)), struct.pack("<II", 0, 0)),
        "text that is not UTF-8": beside((0x0131, 2, 4, b"\xff\xfe\xfa\0")),
        "directory that is a text": beside((0x8769, 2, 4, b"abc\0")),
        "directory that is this one": beside((0x8769, 4, 1, struct.pack("<I", 8))),
        "directory beyond the end": beside((0x8825, 4, 1, far_away)),
        "value beyond the end": beside((0x927C, 7, 60_000, far_away)),
        "more entries than there are": exif([good], count=500),
        "two values": exif([(0x0112, 3, 2, struct.pack("<HH", 6, 1))]),
        "an unknown type": beside((0x010F, 99, 7, b"\1\2\3\4")),
        "strips, as a TIFF file has": beside((0x0111, 2, 4, b"abc\0")),
    }


@pytest.mark.parametrize("name", sorted(odd_exif()))
def test_faults_elsewhere_in_exif_cost_neither_the_picture_nor_its_orientation(name: str) -> None:
    body, stored = odd_exif()[name], UNDONE[6](upright())
    for data in (
        in_jpeg(encoded(stored, quality=95), b"Exif\0\0" + body),
        in_png(encoded(stored, "PNG"), (b"eXIf", body)),
        in_webp(encoded(stored, "WEBP", lossless=True), 80, 60, (b"EXIF", body)),
    ):
        assert far(shown(data), np.asarray(upright())) < 4


def test_a_tag_of_any_type_never_fails_a_jpeg() -> None:
    """Tags that Pillow reads by itself, in all types of TIFF, with none to three values."""
    jpeg, payload = encoded(UNDONE[6](upright()), quality=95), b"\1\0\0\0\0\0\0\0" * 8
    for tag in (0x0100, 0x010F, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x8769, 0x8825, 0x9003, 0xA005):
        for kind in range(14):
            for count in range(4):
                entries = sorted([oriented(6), (tag, kind, count, struct.pack("<I", 38))])
                data = in_jpeg(jpeg, b"Exif\0\0" + exif(entries, extra=payload))
                assert decode_whole(data, LIMIT).shape == (80, 60, 3)


@pytest.mark.parametrize(
    "body", [b"", b"Exif\0\0", b"garbage", b"II", b"II*\0\xff\xff\xff\xff", exif([oriented(0)]),
             exif([oriented(9)]),
             exif([(0x0112, 2, 4, b"6\0\0\0")]), exif([(0x0112, 3, 0, b"\6\0\0\0")]), exif([oriented(6)])[:20]]
)  # fmt: skip
def test_exif_that_names_no_orientation_leaves_the_picture_as_it_is(body: bytes) -> None:
    for data in (in_jpeg(encoded(upright()), b"Exif\0\0" + body), in_png(encoded(upright(), "PNG"), (b"eXIf", body))):
        assert far(shown(data), np.asarray(upright())) < 4


def large_texts() -> dict[str, bytes]:
    large = zlib.compress(b"x" * 2_000_000)
    return {
        "zTXt": in_png(encoded(upright(), "PNG"), (b"zTXt", b"big\0\0" + large)),
        "iTXt": in_png(encoded(upright(), "PNG"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + large)),
        "long iTXt": in_png(encoded(upright(), "PNG"), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 3_000_000)),
        "iCCP": in_png(encoded(upright(), "PNG"), (b"iCCP", b"profile\0\0" + large)),
        "broken zTXt": in_png(encoded(upright(), "PNG"), (b"zTXt", b"Raw profile type exif\0\0not zlib")),
        "no hexadecimal": in_png(encoded(upright(), "PNG"), (b"tEXt", b"Raw profile type exif\0\nexif\n  9\nxyz")),
        "wrong checksum": in_png(encoded(upright(), "PNG"), (b"iCCP", b"profile\0\0" + large), wrong_checksum=True),
        "wrong transparency": in_png(encoded(upright(), "PNG"), (b"tRNS", b"\0" * 6), wrong_checksum=True),
        "short chunks": in_png(encoded(upright(), "PNG"), (b"pHYs", b""), (b"cHRM", b"1"), (b"gAMA", b"")),
        "an animation's": in_png(encoded(upright(), "PNG"), (b"acTL", b""), (b"fcTL", b"1")),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(large_texts()))
def test_a_png_is_judged_by_its_pixels_alone(name: str) -> None:
    assert far(shown(large_texts()[name]), np.asarray(upright())) == 0


def test_a_colour_profile_and_a_comment_never_fail_a_jpeg() -> None:
    jpeg = encoded(upright(), quality=95)
    for marker in (0xE2, 0xED, 0xFE, 0xEF):
        for body in (b"ICC_PROFILE\0\7\3" + b"\xff" * 99, b"MPF\0garbage", b"FPXR\0", b"Photoshop 3.0\x008BIM\0", b""):
            assert far(shown(in_jpeg(jpeg, body, marker=marker)), np.asarray(upright())) < 3


def test_faulty_tags_of_a_tiff_never_fail_it() -> None:
    data = encoded(upright(), "TIFF", tiffinfo={0x011A: 72.0, 0x0131: "a program", 0x0112: 1})
    at = data.index(struct.pack("<HHI", 0x011A, 5, 1))
    for entry in (struct.pack("<HHI", 0x011A, 2, 4) + b"abc\0", struct.pack("<HHII", 0x011A, 5, 1, 2**31)):
        assert far(shown(data[:at] + entry + data[at + 12 :]), np.asarray(upright())) == 0


def test_faulty_exif_in_an_avif_never_fails_it() -> None:
    image = Image.Exif()
    image[0x0131] = "a program with a long name"
    data = encoded(upright(), "AVIF", quality=95, exif=image)
    at = data.index(b"II*\0" if b"II*\0" in data else b"MM\0*")
    assert far(shown(data[:at] + b"garbage!" + data[at + 8 :]), np.asarray(upright())) < 6


@pytest.mark.parametrize("before", [b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"   ", b"\0\0"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_what_a_script_wrote_before_the_picture_is_passed_over(before: bytes, kind: str) -> None:
    data = encoded(upright(), kind)
    assert far(shown(before + data), decode_whole(data, LIMIT)) == 0
    assert read_header(before + data).format == kind


def test_what_lies_beside_the_pixels_is_left_out() -> None:
    jpeg = encoded(upright(), quality=95)
    assert strip_metadata(in_jpeg(jpeg, b"Exif\0\0" + exif([oriented(6)]), b"x" * 9)).data == jpeg
    png = encoded(upright(), "PNG")
    assert strip_metadata(in_png(png, (b"tEXt", b"a\0b"))).data == png
    assert strip_metadata(b"anything") == strip_metadata(b"anything")


def frames(kind: str) -> bytes:
    return encoded(upright(), kind, save_all=True, append_images=[Image.new("RGB", (60, 80), "red")], quality=95)


def forms() -> dict[str, tuple[Callable[[], bytes], np.ndarray, float]]:
    grey, rgb = np.asarray(upright().convert("L")), np.asarray(upright())
    clear = upright()
    clear.putalpha(Image.fromarray(np.where(grey > 128, 0, 255).astype(np.uint8)))
    on_white = np.where(np.asarray(clear)[..., 3:] == 0, 255, rgb)
    as_rgb = np.stack([grey] * 3, axis=2)
    palette = upright().quantize(32)
    see_through = np.where(np.asarray(palette)[..., None] == 3, 255, np.asarray(palette.convert("RGB")))
    one_bit = upright().convert("1")
    return {
        "MPO": (lambda: frames("MPO"), rgb, 4),
        "APNG": (lambda: frames("PNG"), rgb, 0),
        "animated GIF": (lambda: frames("GIF"), rgb, 12),
        "animated WebP": (lambda: frames("WEBP"), rgb, 6),
        "animated AVIF": (lambda: frames("AVIF"), rgb, 6),
        "pages of TIFF": (lambda: frames("TIFF"), rgb, 0),
        "16-bit PNG": (lambda: encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"), as_rgb, 0),
        "RGBA PNG": (lambda: encoded(clear, "PNG"), on_white, 0),
        "LA PNG": (lambda: encoded(clear.convert("LA"), "PNG"), np.where(on_white == 255, 255, as_rgb), 1),
        "RGBA WebP": (lambda: encoded(clear, "WEBP", lossless=True), on_white, 0),
        "palette PNG": (lambda: encoded(palette, "PNG", transparency=3), see_through, 0),
        "1-bit PNG": (lambda: encoded(one_bit, "PNG"), np.asarray(one_bit.convert("RGB")), 0),
        "1-bit TIFF": (lambda: encoded(one_bit, "TIFF", compression="group4"), np.asarray(one_bit.convert("RGB")), 0),
        "CMYK TIFF": (lambda: encoded(upright().convert("CMYK"), "TIFF"), rgb, 1),
        "JPEG in TIFF": (lambda: encoded(upright(), "TIFF", compression="jpeg"), rgb, 5),
        "LZW TIFF": (lambda: encoded(upright(), "TIFF", compression="tiff_lzw"), rgb, 0),
        "BigTIFF": (lambda: encoded(upright(), "TIFF", big_tiff=True), rgb, 0),
        "RGB JPEG": (lambda: encoded(upright(), keep_rgb=True, quality=95), rgb, 3),
    }


@pytest.mark.parametrize("name", sorted(forms()))
def test_pictures_of_every_form_come_out_as_they_are(name: str) -> None:
    make, expected, tolerance = forms()[name]
    assert far(shown(make()), expected) <= tolerance
