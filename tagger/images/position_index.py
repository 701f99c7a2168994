"""An index from ids to rows, for images that lie in a few large files."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.flow.id_rows import IdRows
from tagger.flow.spilled import SpilledRows
from tagger.io.location import Location

MEMORY_BYTES = 1 << 25
"""Of a column of an index before it is written to the disk."""
_NUMBERED = np.dtype([("item", np.int64), ("number", np.int32), ("row", np.int64)])


class IdPiece(NamedTuple):
    """The ids of consecutive rows."""

    ids: Sequence[str | None]
    """None for a row without an id."""
    numbers: np.ndarray | None
    """The number of each row's image among those of its item, int [N]; None where all are 1."""


class PositionIndex:
    """An index from ids to the rows of their images, in some bytes of memory per id; see `IdRows`.

    Where all numbers are 1, the first row of an id is its image. Otherwise an item has an image for each number of its
    rows, in the order of the numbers.

    Args:
        pieces: The ids of all rows, in order.
        most_images: Most images of an item.
    """

    def __init__(self, pieces: Iterable[IdPiece], most_images: int = 1) -> None:
        self.rows = 0
        """Number of rows."""
        self._ids = IdRows()
        self._first = SpilledRows(np.dtype(np.int64), MEMORY_BYTES)
        """By number of an id, the row of its first image."""
        numbered = list[np.ndarray]()
        for ids, numbers in pieces:
            rows = np.arange(len(ids), dtype=np.int64) + self.rows
            has_id = np.array([item is not None for item in ids], bool)
            items, is_new = self._ids.add([item for item in ids if item is not None])
            self._first.append(rows[has_id][is_new])
            if numbers is not None and not numbered:  # the rows before are one image an item
                firsts = np.arange(len(self._ids) - is_new.sum())
                numbered.append(_numbered(firsts, 1, self._first.take(firsts)))
            if numbered:
                numbered.append(_numbered(items, 1 if numbers is None else numbers[has_id], rows[has_id]))
            self.rows += len(ids)
        self._images = _in_order_of_numbers(numbered, most_images)
        """If an item has several: the rows of all images, by item and number."""

    def first(self, ids: Sequence[str]) -> np.ndarray:
        """The row of the first image of each id, int64 [N]; -1 for an unknown id."""
        items = self._ids.numbers(ids)
        rows = np.full(len(ids), -1, np.int64)
        rows[items >= 0] = self._first.take(items[items >= 0])
        begins, ends = self._of_items(items)
        rows[begins < ends] = self._images["row"][begins[begins < ends]]
        return rows

    def further(self, ids: Sequence[str]) -> list[np.ndarray]:
        """The rows of the images of each id after the first, int64 [N]."""
        begins, ends = self._of_items(self._ids.numbers(ids))
        return [self._images["row"][begin + 1 : end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]

    def _of_items(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the images of each item begin and end among `_images`."""
        of_rows = self._images["item"]
        return np.searchsorted(of_rows, items, "left"), np.searchsorted(of_rows, items, "right")


def places_of(refs: Sequence[str | None], pattern: str, files: Sequence[Location]) -> tuple[np.ndarray, np.ndarray]:
    """The file of each reference, and the number that stands for a place in it, both int64 [N]; -1 for others.

    Args:
        refs: References.
        pattern: A regular expression with the groups `file` and `place`, of 15 digits at most.
        files: The files.
    """
    parts = pc.extract_regex(pa.array(refs, pa.string()), pattern)
    names = parts.field("file").filter(parts.is_valid()).dictionary_encode()
    numbers = {str(file): number for number, file in enumerate(files)}
    known = np.array([numbers.get(name, -1) for name in names.dictionary.to_pylist()], np.int64)
    is_place = parts.is_valid().to_numpy(zero_copy_only=False)
    of_file, places = np.full(len(refs), -1, np.int64), np.full(len(refs), -1, np.int64)
    of_file[is_place] = known[names.indices.to_numpy()]
    places[is_place] = pc.cast(parts.field("place").filter(parts.is_valid()), pa.int64()).to_numpy()
    return of_file, np.where(of_file >= 0, places, -1)


def _numbered(items: np.ndarray, numbers: np.ndarray | int, rows: np.ndarray) -> np.ndarray:
    numbered = np.empty(len(items), _NUMBERED)
    numbered["item"], numbered["number"], numbered["row"] = items, numbers, rows
    return numbered


def _in_order_of_numbers(pieces: Iterable[np.ndarray], most_images: int) -> np.ndarray:
    """The rows of items with image numbers, by item and number: the first row of each number, `most_images` an item."""
    rows = np.concatenate([np.empty(0, _NUMBERED), *pieces])
    rows = rows[np.lexsort((rows["row"], rows["number"], rows["item"]))]
    is_new_item = np.ones(len(rows), bool)
    is_new_item[1:] = rows["item"][1:] != rows["item"][:-1]
    is_new_image = is_new_item.copy()
    is_new_image[1:] |= rows["number"][1:] != rows["number"][:-1]
    rows, is_new_item = rows[is_new_image], is_new_item[is_new_image]
    begins = np.flatnonzero(is_new_item)
    rank = np.arange(len(rows)) - begins[np.cumsum(is_new_item) - 1]
    return np.asarray(rows[rank < most_images])
