"""Which members of tar files belong to an id."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from tagger.flow.prefetch import Reservation, map_in_order
from tagger.flow.spilled import SpilledRows
from tagger.images.position_index import MEMORY_BYTES, IdPiece, PositionIndex, places_of
from tagger.images.tar_members import SPAN, Members, read_members
from tagger.io.location import Location

_BLOCK = 512
_FILES_AT_ONCE, _FILES_AT_ONCE_IN_BUCKET = 1, 8
_REF = r"(?s)^(?P<file>.*?)#(?P<place>[0-9]{1,15})\+[0-9]{1,15}:"
_MEMBER = re.compile(r"(?s)(.*?)#([0-9]{1,15})\+([0-9]{1,15}):(.*)")


class Member(NamedTuple):
    """What a reference says: where an image lies, and whose it is."""

    file: str
    start: int
    """The first byte of its headers."""
    length: int
    """Up to the end of its data, bytes."""
    item: str


class TarIndex:
    """Joins images in tar files by id, in some bytes of memory per id: 16 more than a `PositionIndex`.

    The first image of an id, over all files, is its image; where images have numbers, those of the item's other numbers
    follow, see `MemberName`. References are `FILE#START+LENGTH:ID`.

    Args:
        files: The tar files.
        most_images: Most images of an item.

    Raises:
        InputError: when a file is no tar file, or is compressed.
    """

    def __init__(self, files: Sequence[Location], most_images: int = 1) -> None:
        self.files = tuple(files)
        self.damage: tuple[str, ...] = ()
        """For each damaged file, from where on it cannot be read, and why."""
        self.other = 0
        """Number of images whose names say more than an id and a number."""
        self.example = ""
        """The name of one of them."""
        self._spans = SpilledRows(SPAN, MEMORY_BYTES)
        first_rows, first_blocks = [0], [0]
        self._index = PositionIndex(self._pieces(first_rows, first_blocks), most_images)
        self._first_rows, self._first_blocks = np.array(first_rows), np.array(first_blocks)

    @property
    def rows(self) -> int:
        """Number of images."""
        return self._index.rows

    @property
    def blocks(self) -> int:
        """Number of tar's blocks of 512 bytes in all files, as far as they can be read."""
        return int(self._first_blocks[-1])

    def refs(self, ids: Sequence[str]) -> list[str]:
        """A reference to the first image of each id; an unknown id gets a reference to no member."""
        rows, folder = self._index.first(ids), self.files[0].parent
        refs = [f"{folder}#{item}" for item in ids]
        known = np.flatnonzero(rows >= 0)
        for n, ref in zip(known.tolist(), self._refs(rows[known], [ids[n] for n in known.tolist()]), strict=True):
            refs[n] = ref
        return refs

    def further_refs(self, ids: Sequence[str]) -> list[list[str]]:
        """References to the images of each id after the first."""
        return [
            self._refs(rows, [item] * len(rows)) if len(rows) else []
            for item, rows in zip(ids, self._index.further(ids), strict=True)
        ]

    def positions(self, refs: Sequence[str | None]) -> np.ndarray:
        """The block at which each reference begins, over all files, int64 [N]; -1 for one to no file."""
        of_file, starts = places_of(refs, _REF, self.files)
        return np.where(of_file >= 0, self._first_blocks[of_file] + starts // _BLOCK, -1)

    def _pieces(self, first_rows: list[int], first_blocks: list[int]) -> Iterator[IdPiece]:
        """The ids of all files; adds the row and the block at which each file ends."""
        limit = _FILES_AT_ONCE_IN_BUCKET if self.files[0].is_s3 else _FILES_AT_ONCE
        with ThreadPoolExecutor(limit, thread_name_prefix="tar") as pool:
            for members in map_in_order(_read, self.files, pool, limit, 0):
                self._note(members)
                for ids, numbers in zip(members.ids, members.numbers, strict=True):
                    yield IdPiece(ids.to_pylist(), None if np.all(numbers == 1) else numbers)
                for spans in members.spans:
                    self._spans.append(spans)
                first_rows.append(len(self._spans))
                ends = [int(spans["start"][-1] + spans["length"][-1]) for spans in members.spans[-1:]]
                first_blocks.append(first_blocks[-1] + -(-sum(ends) // _BLOCK))

    def _note(self, members: Members) -> None:
        self.damage += (members.damage,) if members.damage else ()
        self.other += members.other
        self.example = self.example or members.example

    def _refs(self, rows: np.ndarray, ids: Sequence[str]) -> list[str]:
        spans = self._spans.take(rows)
        files = np.searchsorted(self._first_rows, rows, "right") - 1
        return [
            f"{self.files[file]}#{start}+{length}:{item}"
            for file, (start, length), item in zip(files.tolist(), spans.tolist(), ids, strict=True)
        ]


def member_of(ref: str) -> Member | None:
    """What a reference to a member says; None for another text."""
    match = _MEMBER.fullmatch(ref)
    return Member(match[1], int(match[2]), int(match[3]), match[4]) if match else None


def _read(file: Location, reserve: Reservation) -> Members:
    return read_members(file)
