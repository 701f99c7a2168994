"""Images with their server's validator (ETag), so that unchanged images are not downloaded again."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from tagger.errors import ImageError

_MAX_CHARACTERS = 256
_ENTITY_TAG = re.compile(r'(W/)?"[!#-~]+"')  # RFC 9110, 8.8.3, without the bytes beyond ASCII that it tolerates


class Unchanged(Enum):
    """Replaces the bytes of an image that has not changed since the request's ETag."""

    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Revision:
    """The current state of an image in a store."""

    data: bytes | ImageError | Unchanged
    etag: str | None = None
    """ETag of these bytes, or of the unchanged image; None when the server sent no valid one."""

    def content(self) -> bytes | ImageError:
        """The downloaded bytes, or the error. Raises ValueError for an unchanged image, which was not downloaded."""
        if isinstance(self.data, Unchanged):
            raise ValueError(f"nothing was downloaded: the image is still that of {self.etag}")
        return self.data


@runtime_checkable
class RevisionStore(Protocol):
    """A store whose images have validators."""

    def revisions(self, refs: Sequence[str], etags: Sequence[str | None]) -> Iterator[Revision]:
        """Yield the state of each reference, in order; an image with an unchanged ETag is not downloaded.

        Args:
            refs: References, as for `fetch`.
            etags: The ETag of the known image for each reference; None downloads the image in any case.
        """
        ...


def valid_etag(header: str | None) -> str | None:
    """The ETag of a response if it can be stored and sent back; None for an invalid or very long one.

    A server's text becomes part of later requests, so only a single entity tag is valid: neither `*`, which matches any
    image, nor a list. A weak one is valid, too: all that matters is whether the server calls the image unchanged.
    """
    if header is None or len(header) > _MAX_CHARACTERS or not _ENTITY_TAG.fullmatch(header):
        return None
    return header
