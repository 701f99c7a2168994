"""Images with their server's validator (ETag), so that unchanged ones are not downloaded again."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from tagger.errors import ImageError

_MOST_CHARACTERS = 256
_ENTITY_TAG = re.compile(r'(W/)?"[!#-~]+"')  # RFC 9110, 8.8.3, without the bytes beyond ASCII that it tolerates


class Unchanged(Enum):
    """Stands for an image's bytes that have not changed since the ETag of the request."""

    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Revision:
    """The present state of an image in a store."""

    data: bytes | ImageError | Unchanged
    etag: str | None = None
    """ETag of these bytes, or of the unchanged ones; None where the server sent no usable one."""

    def content(self) -> bytes | ImageError:
        """The downloaded bytes, or the error. Raises ValueError for an unchanged image, which was not downloaded."""
        if isinstance(self.data, Unchanged):
            raise ValueError(f"nothing was downloaded: the image is still that of {self.etag}")
        return self.data


@runtime_checkable
class RevisionStore(Protocol):
    """A store of images that have validators."""

    def revisions(self, refs: Sequence[str], etags: Sequence[str | None]) -> Iterator[Revision]:
        """Yield the state of each reference, in order; an image with an unchanged ETag is not downloaded.

        Args:
            refs: References, as for `fetch`.
            etags: For each the ETag of the known image; None downloads the image in any case.
        """
        ...


def storable_etag(header: str | None) -> str | None:
    """The ETag of a response as it is stored and sent back; None for an invalid or very long one.

    A server's text goes into our requests, so only a single entity tag passes: neither `*`, which matches any image,
    nor a list. A weak one passes, too: all that matters is whether the server calls the image unchanged.
    """
    if header is None or len(header) > _MOST_CHARACTERS or not _ENTITY_TAG.fullmatch(header):
        return None
    return header
