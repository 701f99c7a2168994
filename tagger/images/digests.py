"""Digests of image files."""

import hashlib

from tagger.errors import ImageError


def digest_of(data: bytes | ImageError) -> bytes | None:
    """SHA-256 of an image file's bytes; None for an error."""
    return None if isinstance(data, ImageError) else hashlib.sha256(data).digest()
