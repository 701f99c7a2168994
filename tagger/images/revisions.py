"""Images together with the validator of their server, by which an unchanged one need not be downloaded again."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from tagger.errors import ImageError

_MOST_CHARACTERS = 256
_ENTITY_TAG = re.compile(r'(W/)?"[!#-~]+"')  # RFC 9110, 8.8.3, without the bytes beyond ASCII that it tolerates


class Unchanged(Enum):
    """In place of an image's bytes: the server says that they are still those of the ETag it was asked with."""

    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Revision:
    """What a store has of an image now."""

    data: bytes | ImageError | Unchanged
    etag: str | None = None
    """ETag of these bytes, or of the unchanged ones; None where the server gave none that is kept."""

    def content(self) -> bytes | ImageError:
        """What was downloaded. Raises ValueError for an unchanged image, of which nothing was."""
        if isinstance(self.data, Unchanged):
            raise ValueError(f"nothing was downloaded: the image is still that of {self.etag}")
        return self.data


@runtime_checkable
class RevisionStore(Protocol):
    """A store of images that have validators."""

    def revisions(self, refs: Sequence[str], etags: Sequence[str | None]) -> Iterator[Revision]:
        """Yield what there is of every reference, in order; nothing is downloaded where it is still that of its ETag.

        Args:
            refs: References, as for `fetch`.
            etags: For each the ETag of the image that is known; None asks for the image whatever it is.
        """
        ...


def kept_etag(header: str | None) -> str | None:
    """The ETag of an answer as it is stored and sent back; None for one that is no entity tag, or a very long one.

    A server's text goes into our requests, so nothing but one entity tag passes: neither `*`, which any image matches,
    nor a list of them. A weak one passes, too: it is the server's word that nothing has changed that matters.
    """
    if header is None or len(header) > _MOST_CHARACTERS or not _ENTITY_TAG.fullmatch(header):
        return None
    return header
