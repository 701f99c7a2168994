import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tagger.errors import ImageError
from tagger.imaging.decode import Decoded, decode, read_header
from tagger.imaging.quality import blur_score, blurred, learn_blur_threshold
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.tables.prediction import ErrorCode
from tests.builders import encoded, picture

SAME = Preprocessing(height=80, width=60, fit="pad", resize="bicubic")
LIMIT = 10_000_000


def pixels(data: bytes, preprocessing: Preprocessing = SAME) -> np.ndarray:
    return decode(data, preprocessing, LIMIT).pixels.astype(int)


def code_of(data: bytes, max_pixels: int = LIMIT) -> ErrorCode:
    with pytest.raises(ImageError) as raised:
        decode(data, SAME, max_pixels)
    assert raised.value.message
    return raised.value.code


def far(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 90}, 6),
        ("AVIF", {"quality": 90}, 6),
        ("JPEG", {"quality": 95}, 3),
        ("JPEG", {"quality": 95, "progressive": True}, 3),
        ("JPEG", {"quality": 95, "subsampling": 0}, 3),
    ],
)
def test_every_format_comes_out_as_the_picture_it_holds(
    kind: str, options: dict[str, object], tolerance: float
) -> None:
    assert far(pixels(encoded(picture(), kind, **options)), np.asarray(picture())) <= tolerance


def test_grey_cmyk_and_palette_become_rgb() -> None:
    grey = np.asarray(picture().convert("L"))
    assert far(pixels(encoded(picture().convert("L"), quality=95)), np.stack([grey] * 3, axis=2)) < 3
    assert far(pixels(encoded(picture().convert("CMYK"), quality=95)), np.asarray(picture())) < 5
    palette = picture().quantize(64)
    assert far(pixels(encoded(palette, "PNG")), np.asarray(palette.convert("RGB"))) == 0


def test_the_first_frame_of_a_gif_counts() -> None:
    frames = [Image.new("RGB", (60, 80), c) for c in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels(data)[40, 30].tolist() == [255, 0, 0]


def test_transparency_is_put_on_white() -> None:
    clear = Image.new("RGBA", (60, 80), (255, 0, 0, 0))
    half = Image.new("RGBA", (60, 80), (255, 0, 0, 128))
    assert pixels(encoded(clear, "PNG"))[0, 0].tolist() == [255, 255, 255]
    assert pixels(encoded(half, "PNG"))[0, 0].tolist() == [255, 127, 127]
    palette = Image.new("P", (60, 80), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert pixels(encoded(palette, "PNG", transparency=1))[0, 0].tolist() == [255, 255, 255]


def test_sixteen_bits_are_scaled_and_not_cut() -> None:
    grey = np.linspace(0, 65535, 80 * 60).reshape(80, 60).astype(np.uint16)
    decoded = pixels(encoded(Image.fromarray(grey), "PNG"))[..., 0]
    assert np.abs(decoded - np.round(grey / 257)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int) -> None:
    upright = picture()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert far(pixels(encoded(stored, quality=95, exif=exif)), np.asarray(upright)) < 4


def test_a_large_jpeg_decoded_by_dct_scaling_looks_like_the_whole_one_made_small() -> None:
    large = picture(1200, 1600)
    small = cv2.resize(np.asarray(large), (60, 80), interpolation=cv2.INTER_AREA)
    assert far(pixels(encoded(large, quality=95)), small) < 3


def test_padding_keeps_the_aspect_on_white_and_stretching_does_not() -> None:
    wide = Image.new("RGB", (100, 50), "black")
    padded = pixels(encoded(wide, "PNG"), Preprocessing(height=60, width=60, fit="pad", resize="bicubic"))
    assert padded[:15].min() == padded[45:].min() == 255
    assert padded[15:45].max() == 0
    stretched = pixels(encoded(wide, "PNG"), Preprocessing(height=60, width=60, fit="stretch", resize="bicubic"))
    assert stretched.max() == 0


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000), (59, 81), (61, 79)])
@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("resize", ["bicubic", "area"])
def test_any_shape_comes_out_at_model_size(size: tuple[int, int], fit: Any, resize: Any) -> None:
    preprocessing = Preprocessing(height=48, width=36, fit=fit, resize=resize)
    assert decode(encoded(Image.new("RGB", size), "PNG"), preprocessing, LIMIT).pixels.shape == (48, 36, 3)


def test_bicubic_and_area_enlarge_differently() -> None:
    small = encoded(picture(12, 16), "PNG")
    decoded = [pixels(small, Preprocessing(height=80, width=60, fit="pad", resize=r)) for r in ("bicubic", "area")]
    assert far(*decoded) > 0.3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_half_a_file_is_truncated_or_corrupt(kind: str) -> None:
    whole = encoded(picture(300, 400, seed=5), kind)
    assert code_of(whole[: len(whole) // 2]) in (ErrorCode.TRUNCATED, ErrorCode.CORRUPT)


def test_half_a_jpeg_and_half_a_png_are_named_truncated() -> None:
    for kind in ("JPEG", "PNG"):
        whole = encoded(picture(300, 400), kind)
        assert code_of(whole[: len(whole) // 2]) is ErrorCode.TRUNCATED


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ErrorCode.EMPTY_FILE),
        (b"<html>404</html>", ErrorCode.NOT_AN_IMAGE),
        (b"%PDF-1.7 ...", ErrorCode.NOT_AN_IMAGE),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, ErrorCode.CORRUPT),
    ],
)
def test_what_is_no_image_has_a_code_of_its_own(data: bytes, expected: ErrorCode) -> None:
    assert code_of(data) is expected


def test_formats_that_pillow_could_read_but_shops_do_not_have_are_refused() -> None:
    assert code_of(encoded(picture(), "PPM")) is ErrorCode.NOT_AN_IMAGE


def test_a_bomb_is_refused_before_its_pixels_are_decoded() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    assert code_of(bomb) is ErrorCode.TOO_MANY_PIXELS
    assert code_of(encoded(picture(100, 100)), max_pixels=9_999) is ErrorCode.TOO_MANY_PIXELS


def test_the_header_tells_format_and_size() -> None:
    header = read_header(encoded(picture(61, 79), "WEBP"))
    assert (header.format, header.width, header.height) == ("WEBP", 61, 79)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", None]))
def test_whatever_the_bytes_there_is_an_image_or_an_image_error(noise: bytes, kind: str | None) -> None:
    data = noise
    if kind:
        whole = bytearray(encoded(picture(), kind))
        for i, b in enumerate(noise[:20]):
            whole[(b * 131 + i * 17) % len(whole)] = b
        data = bytes(whole)
    try:
        decoded: object = decode(data, SAME, LIMIT)
    except ImageError as error:
        decoded = error
    assert isinstance(decoded, Decoded | ImageError)


def test_blurring_lowers_the_score_and_the_threshold_separates_copies_from_originals() -> None:
    rng = np.random.default_rng(0)
    sharp = [np.asarray(picture(60, 80, seed=i)) + rng.integers(0, 20, (80, 60, 3), dtype=np.uint8) for i in range(60)]
    scores, copies = [blur_score(s) for s in sharp], [blur_score(blurred(s)) for s in sharp]
    assert all(copy < original for copy, original in zip(copies, scores, strict=True))
    assert max(copies) < learn_blur_threshold(scores, copies) <= min(scores)


def test_the_threshold_spares_plain_images_and_finds_what_it_can() -> None:
    scores = np.concatenate([np.full(10, 5.0), np.linspace(100, 1000, 990)])  # 1 % are plain, and no blurrier for it
    copies = np.concatenate([np.full(10, 1.0), np.linspace(20, 200, 990)])
    threshold = learn_blur_threshold(scores, copies)
    assert 0.045 < np.mean(scores < threshold) <= 0.05
    assert np.mean(copies < threshold) == pytest.approx((threshold - 20) / 180, abs=0.02)


def test_the_blur_score_is_the_variance_of_the_laplacian() -> None:
    grey = np.zeros((5, 5), np.uint8)
    grey[2, 2] = 10
    expected = cv2.Laplacian(grey, cv2.CV_64F).var()
    assert blur_score(np.stack([grey] * 3, axis=2)) == pytest.approx(expected)


def test_a_file_with_bytes_after_its_end_is_still_an_image() -> None:
    assert far(pixels(encoded(picture(), quality=95) + b"trailing rubbish"), np.asarray(picture())) < 3
