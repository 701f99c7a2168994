"""Images of a store for browsers: small ones of common formats unchanged, others as JPEG."""

import io
import pickle
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import LifoQueue

from PIL import Image

from tagger.errors import ImageError, TaggerError
from tagger.images.stores import ImageStore, fetch_all
from tagger.imaging.decode import Header, decode_resized, read_header
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.tables.prediction import ErrorCode

_UNCHANGED = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
_SIDES = {160: 15_000, 320: 40_000, 640: 100_000, 1200: 200_000, 4000: 8_000_000}
"""Longest sides of images for browsers, in pixels, and the bytes up to which a file is sent as it is."""
THUMBNAIL, PAGE, ORIGINAL = 320, 1200, 4000
"""The longest side in the grid, on an item's page, and where somebody looks closely."""
_CACHE_BYTES = 128 * 2**20
_CONCURRENCY = 6
WHOLE_PIXELS = 30_000_000
"""Larger images are decoded only where the format allows a smaller scale; a file of few bytes may be very large."""
_LARGE_PIXELS = 4_000_000
_TIMEOUT_S = 20
_large_images = threading.Semaphore(1)


class BusyError(TaggerError):
    """Another large image is being decoded."""


@dataclass(frozen=True)
class Picture:
    """An image file for a browser."""

    data: bytes
    media_type: str


class Pictures:
    """A store's images with an LRU cache; thread-safe, because each thread uses a copy of the store.

    Args:
        store: The store of the images.
        max_pixels: Larger images are not decoded.
    """

    def __init__(self, store: ImageStore, max_pixels: int) -> None:
        self._stores: LifoQueue[ImageStore] = LifoQueue()
        copied = pickle.dumps(store)
        for _ in range(_CONCURRENCY):
            self._stores.put(pickle.loads(copied))
        self._max_pixels = max_pixels
        self._cache: OrderedDict[tuple[str | None, int], Picture] = OrderedDict()
        self._cache_bytes = 0
        self._lock = threading.Lock()

    def of(self, ref: str | None, longest: int = PAGE) -> Picture:
        """The image behind a reference, with about the longest side that is asked for.

        Raises:
            ImageError: when there is none that can be shown.
            BusyError: when other large images are being decoded.
        """
        longest = next((side for side in _SIDES if side >= longest), ORIGINAL)
        with self._lock:
            if (ref, longest) in self._cache:
                self._cache.move_to_end((ref, longest))
                return self._cache[ref, longest]
        picture = self._fetch(ref, longest)
        if ref is not None:
            self._remember((ref, longest), picture)
        return picture

    def _fetch(self, ref: str | None, longest: int) -> Picture:
        store = self._stores.get()  # a pool of few stores limits the images that are decoded at once
        try:
            data = next(fetch_all(store, [ref]))
            if isinstance(data, ImageError):
                raise data
            return for_browser(data, self._max_pixels, longest)
        finally:
            self._stores.put(store)

    def _remember(self, key: tuple[str | None, int], picture: Picture) -> None:
        with self._lock:
            if key not in self._cache:
                self._cache[key] = picture
                self._cache_bytes += len(picture.data)
            while self._cache_bytes > _CACHE_BYTES and len(self._cache) > 1:
                _, old = self._cache.popitem(last=False)
                self._cache_bytes -= len(old.data)


def for_browser(data: bytes, max_pixels: int, longest: int = PAGE) -> Picture:
    """An image file for a browser: as it is where it is small enough, else as JPEG.

    Args:
        data: The file.
        max_pixels: Limit of width times height.
        longest: The longest side, one of `_SIDES`; a smaller image is not enlarged.

    Raises:
        ImageError: when it is not an image, or too large.
        BusyError: when other large images are being decoded.
    """
    header = read_header(data)
    is_small = len(data) <= _SIDES[longest] and header.width * header.height <= min(max_pixels, WHOLE_PIXELS)
    if header.format in _UNCHANGED and is_small:
        return Picture(data, _UNCHANGED[header.format])
    side = min(longest, max(8, header.width, header.height))
    fitted = Preprocessing(height=side, width=side, fit="pad", resize="area")
    with room_to_decode(data):
        shown = Image.fromarray(decode_resized(data, fitted, max_pixels))
    out = io.BytesIO()
    shown.save(out, "JPEG", quality=88)
    return Picture(out.getvalue(), "image/jpeg")


@contextmanager
def room_to_decode(data: bytes) -> Iterator[None]:
    """Bound the memory for decoding an image file: large ones one at a time, very large ones not at all.

    Raises:
        ImageError: when it is not an image, or has more than WHOLE_PIXELS and cannot be decoded at a smaller scale.
        BusyError: when other large images are being decoded.
    """
    header = read_header(data)
    pixels = header.width * header.height
    if pixels > WHOLE_PIXELS and not _scales_down(data, header):
        raise ImageError(
            ErrorCode.TOO_MANY_PIXELS,
            f"{header.width} × {header.height} is more than the {WHOLE_PIXELS / 1e6:.0f} million pixels that this page "
            f"decodes of a {header.format} file; save it smaller",
        )
    if pixels <= _LARGE_PIXELS:
        yield
        return
    if not _large_images.acquire(timeout=_TIMEOUT_S):
        raise BusyError("The server is busy with other large images. Try again in a moment.")
    try:
        yield
    finally:
        _large_images.release()


def _scales_down(data: bytes, header: Header) -> bool:
    """Whether a file can be decoded at a smaller scale: a JPEG that is not progressive."""
    return header.format == "JPEG" and "progressive" not in Image.open(io.BytesIO(data), formats=["JPEG"]).info
