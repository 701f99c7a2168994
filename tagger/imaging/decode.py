"""Decodes image files to RGB uint8 at model size, or explains why they cannot be decoded.

Only its pixels decide whether an image is usable: faulty metadata never makes it fail, and of metadata only the
orientation is read.
"""

import io
from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from PIL import (  # noqa: F401 - each registers its format with Pillow
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from tagger.errors import ImageError
from tagger.imaging.edges import with_edges
from tagger.imaging.file_type import brands_of, describe_type, printable
from tagger.imaging.metadata import (
    JPEG,
    VISIBLE_SHARE,
    Stripped,
    is_cut_webp,
    jpeg_orientation,
    strip_metadata,
    without_leading_space,
)
from tagger.imaging.orientation import UPRIGHT, apply_orientation, exif_orientation, xmp_orientation
from tagger.imaging.quality import blur_score, brightness
from tagger.imaging.truncated import (
    complete_jpeg,
    complete_png,
    jpeg_error,
    jpeg_lacks_scans,
    missing_share,
)
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.tables.prediction import ErrorCode

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BRANDS = {b"avif", b"avis"}
_SCALE_16_BIT = 1 / 257
_WHITE = 255
_MAX_MESSAGE = 200
_PADDING = b"\0" * 4  # completes the last row, whose padding some programs do not write


@dataclass(frozen=True)
class Header:
    """Format and size from an image file's header."""

    format: str
    width: int
    height: int


@dataclass(frozen=True)
class Decoded:
    """An image at model size, uint8 [H, W, C] with the preprocessing's channels, and what its file was like."""

    pixels: np.ndarray
    blur_score: float
    """Without padding, as `brightness`."""
    brightness: float
    size: tuple[int, int]
    """Width and height of the file's image, before it is turned upright."""


def decode(data: bytes, preprocessing: Preprocessing, max_pixels: int) -> Decoded:
    """Decode an image file to the model's input, and measure its quality. Raises what `decode_resized` raises."""
    resized = decode_resized(data, preprocessing, max_pixels)
    pixels = with_edges(pad(resized, preprocessing), preprocessing)
    return Decoded(pixels, blur_score(resized), brightness(resized), _size_of(data))


def decode_resized(data: bytes, preprocessing: Preprocessing, max_pixels: int) -> np.ndarray:
    """Decode JPEG, PNG, WebP, GIF (first frame), BMP, TIFF or AVIF to the model's size, uint8 [h, w, 3], not padded.

    EXIF rotation is applied, and transparency becomes white. Large JPEGs are decoded at the smallest DCT scale
    (1/1 to 1/8) that is not below the model's size.

    Raises:
        ImageError: with the code of the reason, when the bytes are not a usable image.
    """
    size = (preprocessing.height, preprocessing.width)
    rgb = _decode_jpeg(data, size, max_pixels) if data.startswith(JPEG) else None
    if rgb is None:
        rgb = _decode_any(data, size, max_pixels)
    return resize(rgb, preprocessing)


def decode_whole(data: bytes, max_pixels: int) -> np.ndarray:
    """Decode an image file at its original size, uint8 [h, w, 3]. Raises what `decode_resized` raises."""
    return _decode_any(data, (max_pixels, max_pixels), max_pixels)


def read_header(data: bytes) -> Header:
    """Read the format and size of an image file. Raises ImageError when it is not an image."""
    image = _open(strip_metadata(without_leading_space(data)).data)
    return Header(image.format or "", image.width, image.height)


def _size_of(data: bytes) -> tuple[int, int]:
    """Width and height of an image that could be decoded; quicker than `read_header` for a plain JPEG."""
    if data.startswith(JPEG):
        with suppress(ValueError, KeyError):
            height, width, _, _ = simplejpeg.decode_jpeg_header(data)
            return width, height
    header = read_header(data)
    return header.width, header.height


def resize(rgb: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Resize uint8 [h, w, 3] to fit into the model's input (`pad`), or to fill it (`stretch`)."""
    height, width = preprocessing.height, preprocessing.width
    if preprocessing.fit == "pad":
        scale = min(height / rgb.shape[0], width / rgb.shape[1])
        height, width = max(1, round(rgb.shape[0] * scale)), max(1, round(rgb.shape[1] * scale))
    small = (min(rgb.shape[1], width), min(rgb.shape[0], height))
    if small != (rgb.shape[1], rgb.shape[0]):
        rgb = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA)
    if small != (width, height):
        enlarge = cv2.INTER_CUBIC if preprocessing.resize == "bicubic" else cv2.INTER_LINEAR
        rgb = cv2.resize(rgb, (width, height), interpolation=enlarge)
    return rgb


def pad(rgb: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Center an image uint8 [h, w, 3] in the model's input, on white."""
    size = (preprocessing.height, preprocessing.width)
    if rgb.shape[:2] == size:
        return np.ascontiguousarray(rgb)
    canvas = np.full((*size, 3), _WHITE, np.uint8)
    top, left = (size[0] - rgb.shape[0]) // 2, (size[1] - rgb.shape[1]) // 2
    canvas[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return canvas


def _decode_jpeg(data: bytes, size: tuple[int, int], max_pixels: int) -> np.ndarray | None:
    """Decode a plain JPEG quickly; None for others (CMYK, damaged), which Pillow decodes."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours in ("CMYK", "YCCK"):
            return None
        _check_pixels(width, height, max_pixels)
        orientation = jpeg_orientation(data)
        tall, wide = size if orientation < 5 else size[::-1]
        rgb = simplejpeg.decode_jpeg(data, "RGB", min_height=tall, min_width=wide)
    except (ValueError, KeyError):  # KeyError: a subsampling that it has no name for, such as 4:4:1
        return None
    return rgb if orientation == UPRIGHT else apply_orientation(rgb, orientation)


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read an image's header, without `Image.open`'s process-wide pixel limit; `max_pixels` is checked instead."""
    if not data:
        raise ImageError(ErrorCode.EMPTY_FILE, "the file is empty")
    if data[4:8] == b"ftyp" and not _BRANDS & set(brands_of(data)):
        raise _not_an_image(data)  # Pillow takes any HEIF for AVIF
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(data[:16]) is not True:
            continue
        try:
            return factory(io.BytesIO(data), "")
        except Image.DecompressionBombError as error:
            raise ImageError(ErrorCode.TOO_MANY_PIXELS, _message("more pixels than are decoded", error)) from error
        except (SyntaxError, IndexError, TypeError, KeyError, EOFError) as error:
            raise ImageError(ErrorCode.CORRUPT, _message("the image's header is broken", error)) from error
        except Exception as error:
            raise ImageError(ErrorCode.CORRUPT, _message("the image's header cannot be read", error)) from error
    if data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        raise ImageError(ErrorCode.CORRUPT, "the file begins as an image, but its header is broken")
    raise _not_an_image(data)


def _not_an_image(data: bytes) -> ImageError:
    message = f"{describe_type(data)}; an image is {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    return ImageError(ErrorCode.NOT_AN_IMAGE, message)


def _decode_any(data: bytes, size: tuple[int, int], max_pixels: int) -> np.ndarray:
    picture = strip_metadata(without_leading_space(data))
    if picture.data.startswith(JPEG):
        return _decode_any_jpeg(picture, max(size), max_pixels)
    try:
        return _load(picture, None, max_pixels)
    except ImageError as error:
        repaired = None
        if picture.data.startswith(b"\x89PNG") and error.code in (ErrorCode.TRUNCATED, ErrorCode.CORRUPT):
            repaired = complete_png(picture.data)
        elif error.code == ErrorCode.TRUNCATED:
            repaired = picture.data + _PADDING
        if repaired is None and is_cut_webp(data):
            raise ImageError(ErrorCode.TRUNCATED, "the file ends early") from error
        if repaired is None:
            raise
        return _load(Stripped(repaired, picture.orientation), None, max_pixels)


def _decode_any_jpeg(picture: Stripped, longest: int, max_pixels: int) -> np.ndarray:
    """Decode a JPEG that may be damaged. Raises ImageError when a visible part is missing."""
    completed = Stripped(complete_jpeg(picture.data), picture.orientation)
    header = _open(completed.data)
    _check_pixels(header.width, header.height, max_pixels)
    error = (jpeg_error(completed.data) or "").lower()
    if (error or completed.data != picture.data) and jpeg_lacks_scans(completed.data, "premature" in error):
        raise ImageError(ErrorCode.TRUNCATED, "the image ends before its last scan")
    return _load(completed, longest, max_pixels, is_suspect=bool(error) and "extraneous" not in error)


def _load(picture: Stripped, longest: int | None, max_pixels: int, is_suspect: bool = False) -> np.ndarray:
    """Decode with Pillow to RGB uint8 [h, w, 3], upright.

    Args:
        picture: The file without metadata.
        longest: A JPEG is decoded at the smallest DCT scale that is not below this; rotation may swap the sides.
        max_pixels: Limit of width times height.
        is_suspect: Whether to check that the end of a JPEG is present.
    """
    image = _open(picture.data)
    _check_pixels(image.width, image.height, max_pixels)
    try:
        if longest:
            image.draft(None, (longest, longest))
        image.load()
        missing = missing_share(np.asarray(image)) if is_suspect else 0.0
        rgb = np.asarray(_to_rgb(image))
    except Exception as error:
        code = ErrorCode.TRUNCATED if _is_truncation(error) else ErrorCode.CORRUPT
        raise ImageError(code, _message("the image cannot be decoded", error)) from error
    if missing > VISIBLE_SHARE:
        raise ImageError(ErrorCode.TRUNCATED, f"the image ends early: {missing:.0%} of it is missing")
    return apply_orientation(rgb, picture.orientation if picture.orientation != UPRIGHT else _orientation_of(image))


def _orientation_of(image: Image.Image) -> int:
    """The orientation that Pillow read from a GIF or AVIF; the metadata of other formats was stripped."""
    exif, xmp = image.info.get("exif", b""), image.info.get("xmp", b"")
    return exif_orientation(exif) or xmp_orientation(xmp if isinstance(xmp, bytes) else b"") or UPRIGHT


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float32)
        scaled = values * _SCALE_16_BIT if image.mode.startswith("I") else values
        image = Image.fromarray(np.clip(scaled.round(), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(canvas, layer).convert("RGB")
    return image.convert("RGB")


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        message = f"{width} × {height} is more than {max_pixels:,} pixels"
        raise ImageError(ErrorCode.TOO_MANY_PIXELS, message)
    if width < 1 or height < 1:
        raise ImageError(ErrorCode.CORRUPT, f"{width} × {height} pixels")


def _is_truncation(error: BaseException) -> bool:
    text = str(error).lower()
    return any(word in text for word in ("truncated", "unexpected end", "not enough", "premature", "incomplete"))


def _message(what: str, error: BaseException) -> str:
    return f"{what}: {printable(str(error) or type(error).__name__)[:_MAX_MESSAGE]}"
