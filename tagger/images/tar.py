"""Images in tar files (WebDataset shards), joined by id."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from tagger.errors import ImageError
from tagger.flow.prefetch import map_in_order
from tagger.images.tar_index import Member, TarIndex, member_of
from tagger.images.tar_members import image_of
from tagger.io.location import Location, first_line
from tagger.io.ranges import RangeReader
from tagger.manifest.batch import Batch
from tagger.schemas.tables.prediction import ErrorCode

_BUDGET_BYTES = 64 * 2**20
_BLOCK_BYTES = 8 * 2**20
_GAP_BYTES = 2**18
"""Rather than to begin another request, so many bytes between two images are read, too."""
_HEADER_BYTES = 2**16
"""More than the headers of a member take."""

_MOST_OPEN = 64

_Place = Member | ImageError


@dataclass
class _Block:
    """References in a row, whose images are read together."""

    file: str
    start: int
    end: int
    places: list[_Place]


class TarImages:
    """The images of tar files, as a `TarIndex` finds them. Workers need no index: a reference says where to read.

    Neighbouring images are read together, up to 8 MiB at a time, and the next blocks are fetched while the images of
    the present one are used; 64 MiB are ahead at most. An image is given only where the tar file, at that place, has a
    member of the item. Failed reads are repeated, in a bucket several times with backoff.

    Args:
        index: Joins images by id.
        max_bytes: Size of the largest image that is read.
        concurrency: Most reads in flight.
    """

    ordered_by_store = True
    locates_in_copies = False

    def __init__(self, index: TarIndex, max_bytes: int, concurrency: int) -> None:
        self._index: TarIndex | None = index
        self._damage = index.damage
        self._files = {str(f): f for f in index.files}
        self._max_bytes = max_bytes
        self._concurrency = concurrency

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_pool", "_reader")} | {"_index": None}

    @property
    def row_count(self) -> int:
        """Number of tar's blocks of 512 bytes, by which `positions` counts; 0 in a worker."""
        return self._index.blocks if self._index else 0

    def positions(self, refs: Sequence[str | None]) -> np.ndarray:
        """The block at which each reference begins, over all files, int64 [N]; -1 for one to no file."""
        return self._index.positions(refs) if self._index else np.full(len(refs), -1)

    def locate(self, batch: Batch) -> list[str | None]:
        """References to the first images of the items' ids."""
        return list(self._of_index.refs(batch.items["id"].to_pylist()))

    def locate_all(self, batch: Batch) -> list[list[str]]:
        """References to the images of each item; several only where their names have numbers."""
        ids = batch.items["id"].to_pylist()
        pairs = zip(self._of_index.refs(ids), self._of_index.further_refs(ids), strict=True)
        return [[ref, *others] for ref, others in pairs]

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Read the images; references to neighbours share a read, and blocks are read ahead."""
        blocks = _blocks([self._place(ref) for ref in refs])
        if len(blocks) == 1:
            yield from self._images(blocks[0], self._read(blocks[0], lambda _: None))
            return
        contents = map_in_order(self._read, blocks, self._pool, 2 * self._concurrency, _BUDGET_BYTES)
        for block, content in zip(blocks, contents, strict=True):
            yield from self._images(block, content)

    @property
    def _of_index(self) -> TarIndex:
        if self._index is None:
            raise RuntimeError("members are looked up where the manifest is read")
        return self._index

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._concurrency, thread_name_prefix="tar")

    @cached_property
    def _reader(self) -> Callable[[Location], RangeReader]:
        """The last files that were read stay open."""
        return lru_cache(_MOST_OPEN)(RangeReader)

    def _place(self, ref: str) -> _Place:
        member = member_of(ref)
        if member is None or member.file not in self._files:
            return self._unknown(ref.partition("#")[2])
        if member.length > self._max_bytes + _HEADER_BYTES:
            return self._too_large()
        return member

    def _unknown(self, item: str) -> ImageError:
        if not self._damage:
            return ImageError(ErrorCode.NOT_FOUND, f"no image of id {item!r} in the tar files")
        others = f"; {len(self._damage) - 1} more files are damaged" if len(self._damage) > 1 else ""
        message = f"no image of id {item!r} in what can be read of the tar files. {self._damage[0]}{others}"
        return ImageError(ErrorCode.STORE_ERROR, message)

    def _too_large(self) -> ImageError:
        return ImageError(ErrorCode.TOO_LARGE, f"the image is larger than {self._max_bytes:,} bytes")

    def _read(self, block: _Block, reserve: Callable[[int], None]) -> bytes | ImageError:
        """Read a block; empty for one without members."""
        if block.start == block.end:
            return b""
        reserve(block.end - block.start)
        try:
            return self._reader(self._files[block.file]).read(block.start, block.end - block.start)
        except OSError as error:
            message = f"{block.file}: bytes {block.start:,} to {block.end:,} cannot be read: {first_line(error)}"
            return ImageError(ErrorCode.STORE_ERROR, message)

    def _images(self, block: _Block, content: bytes | ImageError) -> Iterator[bytes | ImageError]:
        """The images of a block, one for each reference; where it cannot be read on a disk, each is tried by itself."""
        if isinstance(content, ImageError) and len(block.places) > 1 and not self._files[block.file].is_s3:
            for part in (_Block(block.file, *_span(place), [place]) for place in block.places):
                yield from self._images(part, self._read(part, lambda _: None))
            return
        for place in block.places:
            if isinstance(place, ImageError):
                yield place
            elif isinstance(content, ImageError):
                yield content
            else:
                first = place.start - block.start
                yield self._image(place, content[first : first + place.length])

    def _image(self, member: Member, data: bytes) -> bytes | ImageError:
        if len(data) < member.length:
            message = f"{member.file}: it ends before or within the image of {member.item!r}"
            return ImageError(ErrorCode.STORE_ERROR, message)
        image = image_of(data, member.item)
        if image is None:
            message = (
                f"{member.file}: at byte {member.start:,} there is no image of {member.item!r}; the file is damaged or "
                "has changed since it was indexed"
            )
            return ImageError(ErrorCode.STORE_ERROR, message)
        return self._too_large() if len(image) > self._max_bytes else image


def _blocks(places: Sequence[_Place]) -> list[_Block]:
    """Join neighbours; what is no member goes along with what comes before it."""
    blocks: list[_Block] = []
    for place in places:
        start, end = _span(place)
        last = blocks[-1] if blocks else None
        if last and (isinstance(place, ImageError) or _belongs(place, last)):
            last.places.append(place)
            last.end = max(last.end, end)
        else:
            blocks.append(_Block("" if isinstance(place, ImageError) else place.file, start, end, [place]))
    return blocks


def _belongs(member: Member, block: _Block) -> bool:
    """Whether a member lies so near behind a block that one read takes both."""
    gap, end = member.start - block.end, member.start + member.length
    return member.file == block.file and 0 <= gap <= _GAP_BYTES and end - block.start <= _BLOCK_BYTES


def _span(place: _Place) -> tuple[int, int]:
    return (0, 0) if isinstance(place, ImageError) else (place.start, place.start + place.length)
