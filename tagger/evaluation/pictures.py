"""Thumbnails of items for a report's page."""

import base64
import io
from collections.abc import Sequence

import cv2
from PIL import Image

from tagger.errors import ImageError
from tagger.images.stores import ImageStore, fetch_all
from tagger.imaging.decode import decode
from tagger.schemas.documents.bundle import Preprocessing

_SIZE = Preprocessing(height=128, width=128, fit="pad", resize="area")
_QUALITY = 82


class Pictures:
    """Thumbnails by image reference, as `data:` URLs; empty for an unusable image.

    Args:
        store: The store of the images.
        max_pixels: Most pixels of an image.
    """

    def __init__(self, store: ImageStore, max_pixels: int) -> None:
        self._store = store
        self._max_pixels = max_pixels

    def of(self, refs: Sequence[str | None]) -> dict[str, str]:
        """Read the images of all references at once, and return them by reference."""
        distinct = sorted({ref for ref in refs if ref})
        images = fetch_all(self._store, distinct)
        return {ref: self._shown(data) for ref, data in zip(distinct, images, strict=True)}

    def _shown(self, data: bytes | ImageError) -> str:
        try:
            if isinstance(data, ImageError):
                raise data
            pixels = decode(data, _SIZE, self._max_pixels).pixels
        except ImageError:
            return ""
        buffer = io.BytesIO()
        Image.fromarray(_without_margin(pixels)).save(buffer, "JPEG", quality=_QUALITY)
        return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _without_margin(pixels: "cv2.typing.MatLike") -> "cv2.typing.MatLike":
    """Crop the white padding; a completely white picture stays as it is."""
    left, top, width, height = cv2.boundingRect((pixels.min(axis=2) < 255).astype("uint8"))
    return pixels[top : top + height, left : left + width] if width and height else pixels
