"""The images in a tar file, by WebDataset's rules: the standard library reads the format."""

import io
import re
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tagger.errors import InputError
from tagger.imaging.suffixes import IMAGE_SUFFIXES
from tagger.io.location import Location, first_line
from tagger.io.ranges import open_ahead

TAR = ".tar"
COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_BLOCK = tarfile.BLOCKSIZE
_BYTES_AT_ONCE, _BYTES_AT_ONCE_IN_BUCKET = 16 * 2**10, 8 * 2**20
_ROWS_AT_ONCE = 8192
_NUMBERED = re.compile(r"(?:([0-9]{1,4})\.)?([^.]+)")
_UNREADABLE = (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError)
"""What the standard library raises for damaged headers."""

SPAN = np.dtype([("start", np.int64), ("length", np.int64)])
"""Where a member lies: from the first of its headers to the end of its data, bytes."""


class MemberName(NamedTuple):
    """What the name of a member says: `a/10001.jpg` is image 1 of 10001, and `a/10001.0.jpg` image 2."""

    id: str
    number: int
    """Its place among the images of its item, from 1; it need not be the next after another image's."""


class Members(NamedTuple):
    """The images of a tar file, as far as it can be read."""

    ids: list[pa.Array]
    numbers: list[np.ndarray]
    spans: list[np.ndarray]
    """SPAN [N] each. All three in pieces."""
    damage: str
    """Why the rest of the file cannot be read; empty if the end was reached."""
    other: int
    """Number of images whose names say more than an id and a number, such as `10001.front.jpg`."""
    example: str
    """One of them."""


class _Image(NamedTuple):
    name: MemberName
    start: int
    length: int


def member_name(path: str) -> MemberName | None:
    """The id and number in the path of a member; None for one that is not an image.

    The id is the last part of the path up to its first dot, as WebDataset's keys are. Behind it is a suffix of images,
    or a number of up to four digits and a suffix; an image without number is its item's first.
    """
    item, _, extension = path.rpartition("/")[2].partition(".")
    match = _NUMBERED.fullmatch(extension)
    if not item or match is None or not _is_image(extension) or not _is_text(item):
        return None
    return MemberName(item, 1 if match[1] is None else int(match[1]) + 2)


def read_members(file: Location) -> Members:
    """List the images of a tar file. Only headers are read; in a bucket, in large blocks.

    Damage ends the list. Raises InputError when the file is compressed or no tar file at all, or when its bucket fails.
    """
    scan = _Scan(file)
    ids, numbers, spans = list[pa.Array](), list[np.ndarray](), list[np.ndarray]()
    piece = list[_Image]()
    for image in scan.images():
        piece.append(image)
        if len(piece) == _ROWS_AT_ONCE:
            _append(piece, ids, numbers, spans)
            piece = []
    _append(piece, ids, numbers, spans)
    return Members(ids, numbers, spans, scan.damage, scan.other, scan.example)


def image_of(data: bytes, item: str) -> bytes | None:
    """The image in the bytes of a member; None unless they are all of a member of that item.

    Args:
        data: From the first header of the member to the end of its data.
        item: The id.
    """
    try:
        with _open(io.BytesIO(data)) as tar:
            member = tar.next()
    except _UNREADABLE:
        return None
    name = member_name(member.name) if member and member.isreg() else None
    if member is None or name is None or name.id != item or member.offset_data + member.size != len(data):
        return None
    return data[member.offset_data :]


class _Scan:
    """One pass over the headers of a tar file."""

    def __init__(self, file: Location) -> None:
        self._file = file
        self.damage = ""
        self.other = 0
        self.example = ""

    def images(self) -> Iterator[_Image]:
        """Yield the images; afterwards, the attributes say what else there was."""
        file = self._file
        with open_ahead(file, _BYTES_AT_ONCE_IN_BUCKET if file.is_s3 else _BYTES_AT_ONCE) as source:
            end = 0
            try:
                self._refuse_compressed(source)
                with _open(source) as tar:
                    member = tar.next()
                    while member:
                        if tar.offset <= end:
                            raise tarfile.ReadError("bad header")
                        end = tar.offset
                        name = self._name_of(member)
                        if name is not None:
                            yield _Image(name, member.offset, member.offset_data + member.size - member.offset)
                        member = _next(tar, source)
                source.seek(end)
                block = source.read(_BLOCK)
            except _UNREADABLE as error:
                reason = first_line(error)
                if not end or (file.is_s3 and isinstance(error, OSError)):
                    raise InputError(f"{file}: not a readable tar file: {reason}") from error
            else:
                if len(block) == _BLOCK and not any(block):
                    return
                reason = "bad header" if block else "the mark of its end is missing; it may be cut off"
            self.damage = f"{file}: from byte {end:,} on it cannot be read: {reason}"

    def _name_of(self, member: tarfile.TarInfo) -> MemberName | None:
        if not member.isreg() or member.issparse():
            return None
        name = member_name(member.name)
        item, _, extension = member.name.rpartition("/")[2].partition(".")
        if name is None and item and _is_image(extension):
            self.other += 1
            self.example = self.example or member.name
        return name

    def _refuse_compressed(self, source: io.BufferedReader) -> None:
        if source.read(len(max(_COMPRESSED, key=len))).startswith(_COMPRESSED):
            raise InputError(compressed(self._file))
        source.seek(0)


def compressed(file: Location) -> str:
    """A message about a compressed tar file."""
    return f"{file}: it is compressed, so that no image in it can be read without all before it; unpack it to a .tar"


def _open(source: io.BufferedReader | io.BytesIO) -> tarfile.TarFile:
    return tarfile.TarFile(fileobj=source, encoding="utf-8", errors="surrogateescape")


def _next(tar: tarfile.TarFile, source: io.BufferedReader) -> tarfile.TarInfo | None:
    """The member after the last one; None where there is none. `TarFile.next` would keep all of them in memory."""
    source.seek(tar.offset)
    try:
        return tarfile.TarInfo.fromtarfile(tar)
    except tarfile.HeaderError:
        return None


def _append(piece: list[_Image], ids: list[pa.Array], numbers: list[np.ndarray], spans: list[np.ndarray]) -> None:
    if piece:
        ids.append(pa.array([image.name.id for image in piece], pa.string()))
        numbers.append(np.array([image.name.number for image in piece], np.int32))
        spans.append(np.array([(image.start, image.length) for image in piece], SPAN))


def _is_image(extension: str) -> bool:
    return f".{extension.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES


def _is_text(name: str) -> bool:
    """Whether a name is in UTF-8; other bytes have become lone surrogates."""
    return not any("\udc80" <= c <= "\udcff" for c in name)
