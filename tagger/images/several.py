"""Items with several images: in a cell, in further rows, or in numbered files such as `10001_2.jpg`."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from tagger.errors import ImageError
from tagger.images.patterns import fill_pattern
from tagger.manifest.batch import Batch

NUMBER = "{n}"
"""Stands in a pattern for the number of an image among those of its item."""
_MARK = "\0"
_MOST_NUMBERS = 100
_FIRST_GAP = 2  # an item may have no image 0 or 1, where the first has no number
_NUMBER_WITH_SEPARATOR = re.compile(r"[-_. ]\{n\}")


@runtime_checkable
class SeveralImages(Protocol):
    """A store that may find several images an item; `locate` gives the first of them."""

    def locate_all(self, batch: Batch) -> list[list[str]]:
        """References to the images of each item of the batch; empty when its row names none."""
        ...


class _Locates(Protocol):
    def locate(self, batch: Batch) -> list[str | None]: ...


class _FilesStore(Protocol):
    ordered_by_store: bool

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]: ...

    def refs_below(self, prefix: str) -> list[str]: ...


def locate_all(store: _Locates, batch: Batch) -> list[list[str]]:
    """References to the images of each item of the batch, in a store of any kind; empty when its rows name none."""
    images = _of_rows(store, batch)
    if batch.further is None:
        return images
    for item, refs in zip(batch.further.items.tolist(), _of_rows(store, batch.further.rows), strict=True):
        images[item] += refs
    return [list(dict.fromkeys(refs))[: batch.further.most_images] for refs in images]


def first_and_further(store: _Locates, batch: Batch) -> tuple[list[str | None], list[list[str] | None] | None]:
    """`locate_all` as two columns: the first image of each item, and the others; None where no item can have others."""
    if batch.further is None and not isinstance(store, SeveralImages):
        return store.locate(batch), None
    images = locate_all(store, batch)
    return [refs[0] if refs else None for refs in images], [refs[1:] or None for refs in images]


def _of_rows(store: _Locates, batch: Batch) -> list[list[str]]:
    if isinstance(store, SeveralImages):
        return store.locate_all(batch)
    return [[ref] if ref else [] for ref in store.locate(batch)]


class NumberedImages:
    """Files whose names have a number, by a pattern such as `DIR/{id}_{n}.jpg`.

    The first image may have no number, as in `10001.jpg`; numbers begin with 0 or 1, may be written `01`, and end at
    the first gap after them.

    Args:
        store: Reads the files.
        pattern: A path or address with columns in braces and `{n}`.
        exists: Whether there is a file of that path or address.
        most: Most images of an item.
    """

    def __init__(self, store: _FilesStore, pattern: str, exists: Callable[[str], bool], most: int) -> None:
        self.ordered_by_store = store.ordered_by_store
        self.locates_in_copies = False
        self._store = store
        self._pattern = pattern
        self._exists: Callable[[str], bool] | None = exists
        self._most = most

    def locate(self, batch: Batch) -> list[str | None]:
        """References to the first image of each item; if there is none, to the first that was looked for."""
        return [refs[0] if refs else None for refs in self.locate_all(batch)]

    def locate_all(self, batch: Batch) -> list[list[str]]:
        """References to the images of each item; if it has none, to the one that was looked for first."""
        marked = fill_pattern(self._pattern.replace(NUMBER, _MARK), batch).to_pylist()
        without = _NUMBER_WITH_SEPARATOR.sub("", self._pattern)
        plain = fill_pattern(without, batch).to_pylist() if without != self._pattern else [None] * len(marked)
        return [self._of_item(*names) if names[0] else [] for names in zip(marked, plain, strict=True)]

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Read files by their references."""
        return self._store.fetch(refs)

    def refs_below(self, prefix: str) -> list[str]:
        """References of files that begin with a prefix."""
        return self._store.refs_below(prefix)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_exists": None}  # workers get references

    def _of_item(self, marked: str | None, plain: str | None) -> list[str]:
        exists = self._exists
        if exists is None or marked is None:
            raise RuntimeError("files are looked for where the manifest is read")
        images = [plain] if plain and exists(plain) else []
        for number in range(_MOST_NUMBERS):
            forms = dict.fromkeys(marked.replace(_MARK, form) for form in (str(number), f"{number:02}"))
            name = next(filter(exists, forms), None)
            if name is not None:
                images.append(name)
            if (name is None and number >= _FIRST_GAP) or len(images) >= self._most:
                break
        return images[: self._most] or [plain or marked.replace(_MARK, "1")]
