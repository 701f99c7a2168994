"""The ETags of a bucket's objects, from lists: one request tells of a thousand objects."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from tagger.errors import UsageError
from tagger.flow.seen_ids import SeenIds
from tagger.images.revisions import valid_etag

_IMAGES_A_LIST = 100
"""Images of a run for each list that is read, so that lists never cost more than a hundredth of its requests."""


@runtime_checkable
class ListedStore(Protocol):
    """A store that can list its images."""

    def listed(self) -> Iterator[list[tuple[str, str]]]:
        """Yield the reference and the ETag of each image that can be listed, some at a time; a request for each list.

        Raises UsageError when they cannot be listed.
        """
        ...


class Listing:
    """The ETags of a store's images at the beginning of a run, read when they are first needed.

    Args:
        store: Lists its images; those that are listed last may be left out, if there are many more than in the run.
        most_images: Of the run.
    """

    def __init__(self, store: ListedStore, most_images: int) -> None:
        self._store = store
        self._most_images = most_images
        self._etags: SeenIds[str] = SeenIds()
        self._is_read = False
        self.images = 0
        """Number of images in the lists that were read."""
        self.problem: str | None = None
        """Why images could not be listed."""

    def is_unchanged(self, refs: Sequence[str | None], etags: Sequence[str | None]) -> np.ndarray:
        """Whether the list has this ETag for each reference, bool [N]; False for an image that was not listed.

        Args:
            refs: References.
            etags: The ETag of each known image; None for an image that must be read in any case.
        """
        sought = [n for n, etag in enumerate(etags) if etag is not None and refs[n]]
        found = np.zeros(len(refs), bool)
        if sought:
            self._read()
            listed = self._etags.get([refs[n] or "" for n in sought])
            found[sought] = [etag is not None and etag == etags[n] for n, etag in zip(sought, listed, strict=True)]
        return found

    def close(self) -> None:
        """Delete the files."""
        self._etags.close()

    def _read(self) -> None:
        if self._is_read:
            return
        self._is_read = True
        try:
            for number, images in enumerate(self._store.listed(), 1):
                valid = [(ref, etag) for ref, etag in images if valid_etag(etag)]
                self._etags.add([ref for ref, _ in valid], [etag for _, etag in valid])
                self.images += len(images)
                if number * _IMAGES_A_LIST >= self._most_images:
                    break
        except UsageError as error:
            self.problem = str(error)
