"""Bytes to RGB uint8 at model size, or why not."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageOps, UnidentifiedImageError

from schemas.bundle import Preprocessing
from schemas.prediction import ErrorCode
from tagger.errors import ImageError
from tagger.imaging.edges import with_edges
from tagger.imaging.quality import blur_score

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
_FTYP = (b"ftypavif", b"ftypavis")
_SCALE_16_BIT = 1 / 257
_WHITE = 255
Image.MAX_IMAGE_PIXELS = None  # the limit is ours, checked before any pixel is decoded
cv2.setNumThreads(1)  # product images are small: more threads cost more than they give, and take from other processes


@dataclass(frozen=True)
class Header:
    """What an image file says of itself, before its pixels are read."""

    format: str
    width: int
    height: int


@dataclass(frozen=True)
class Decoded:
    """An image at model size: uint8 [H, W, C], C as the preprocessing says, and its blur score without the padding."""

    pixels: np.ndarray
    blur_score: float


def decode(data: bytes, preprocessing: Preprocessing, max_pixels: int) -> Decoded:
    """Decode an image file to the model's input, and score its blur. Raises what `decode_resized` does."""
    resized = decode_resized(data, preprocessing, max_pixels)
    score = blur_score(resized)
    return Decoded(with_edges(pad(resized, preprocessing), preprocessing), score)


def decode_resized(data: bytes, preprocessing: Preprocessing, max_pixels: int) -> np.ndarray:
    """Decode JPEG, PNG, WebP, GIF (first frame), BMP, TIFF or AVIF to the model's size, uint8 [h, w, 3], not padded.

    EXIF rotation is applied and transparency is put on white. Large JPEGs are decoded at the smallest DCT scale
    (1/1 … 1/8) that is not below the model's size.

    Raises:
        ImageError: with the code that says why the bytes are not a usable image.
    """
    size = (preprocessing.height, preprocessing.width)
    rgb = _decode_jpeg(data, size, max_pixels) if data[:3] == b"\xff\xd8\xff" else None
    if rgb is None:
        rgb = _decode_any(data, size, max_pixels)
    return resize(rgb, preprocessing)


def decode_whole(data: bytes, max_pixels: int) -> np.ndarray:
    """Decode an image file at its own size, uint8 [h, w, 3]. Raises what `decode_resized` does."""
    return _decode_any(data, (max_pixels, max_pixels), max_pixels)


def read_header(data: bytes) -> Header:
    """Return format and size of an image file. Raises ImageError when it is none."""
    image = _open(data)
    return Header(image.format or "", image.width, image.height)


def resize(rgb: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Resize uint8 [h, w, 3] to fit the model's input: inside it (`pad`) or onto it (`stretch`)."""
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
    """Put an image uint8 [h, w, 3] in the middle of the model's input, on white."""
    size = (preprocessing.height, preprocessing.width)
    if rgb.shape[:2] == size:
        return np.ascontiguousarray(rgb)
    canvas = np.full((*size, 3), _WHITE, np.uint8)
    top, left = (size[0] - rgb.shape[0]) // 2, (size[1] - rgb.shape[1]) // 2
    canvas[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return canvas


def _decode_jpeg(data: bytes, size: tuple[int, int], max_pixels: int) -> np.ndarray | None:
    """The quick way for plain JPEGs; None leaves the rest (CMYK, rotated, damaged) to Pillow, and to its verdict."""
    if b"Exif\0" in data[:65_536]:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours in ("CMYK", "YCCK"):
            return None
        _check_pixels(width, height, max_pixels)
        return simplejpeg.decode_jpeg(data, "RGB", min_height=size[0], min_width=size[1])  # type: ignore[no-any-return]
    except ValueError:
        return None


def _open(data: bytes) -> Image.Image:
    if not data:
        raise ImageError(ErrorCode.EMPTY_FILE, "the file is empty")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if data.startswith(_SIGNATURES) or data[4:12] in _FTYP:
            raise ImageError(ErrorCode.CORRUPT, "the file begins as an image, but its header is broken") from error
        raise ImageError(ErrorCode.NOT_AN_IMAGE, f"not {', '.join(FORMATS)}: {_beginning(data)}") from error
    except Exception as error:
        raise ImageError(ErrorCode.CORRUPT, f"the image's header cannot be read: {error}") from error


def _decode_any(data: bytes, size: tuple[int, int], max_pixels: int) -> np.ndarray:
    image = _open(data)
    _check_pixels(image.width, image.height, max_pixels)
    try:
        if image.format == "JPEG":
            longest = max(size)  # rotation may swap the sides
            image.draft(None, (longest, longest))
        image.load()
        image = ImageOps.exif_transpose(image)
        return np.asarray(_to_rgb(image))
    except Exception as error:
        code = ErrorCode.TRUNCATED if _is_truncation(error) else ErrorCode.CORRUPT
        raise ImageError(code, f"the image cannot be decoded: {error}") from error


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


def _beginning(data: bytes) -> str:
    return f"the file begins with {data[:12]!r}"
