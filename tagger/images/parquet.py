"""Images in Parquet files: a bytes column of the manifest, or separate files of id and image, joined by id."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tagger.errors import ImageError, InputError
from tagger.flow.prefetch import map_in_order
from tagger.images.files import read_file
from tagger.images.parquet_index import ParquetIndex, ref_of
from tagger.images.parquet_reader import ColumnReader, first_unreadable
from tagger.images.patterns import resolve_below
from tagger.io.location import S3, Location, first_line
from tagger.io.parquet import open_parquet
from tagger.manifest.batch import Batch
from tagger.manifest.tables.kinds import is_parquet
from tagger.manifest.tables.parquet import is_image_type
from tagger.schemas.tables.prediction import ErrorCode

_ATTEMPTS, _ATTEMPTS_IN_BUCKET = 2, 6
_FIRST_PAUSE_S = 0.1
_LAST_ROW = 2**62
_GROUPS_AHEAD = 4
_BUDGET_BYTES = 64 * 2**20
_LARGEST_GROUP_BYTES = 32 * 2**20


class ParquetImages:
    """The image column of Parquet files: of the manifest itself or, with an index, of files that are joined by id.

    References are `FILE#ROW`. Files are read forwards, and the last few stay open. Row groups of up to 32 MiB are
    fetched ahead, four at a time and 64 MiB at most; larger ones are read one after another. After an error a file is
    opened again and retried, in a bucket several times with backoff. A damaged page loses its rows and the later rows
    of its row group, and no others.

    Args:
        files: The Parquet files.
        column: Column of image bytes, or of the datasets library's struct<bytes, path>.
        max_bytes: Size of the largest image that is read.
        index: Joins images by id; None for a column of the manifest.
        root: Folder of the paths that are given where bytes are null; None for the Parquet file's folder.
    """

    def __init__(
        self,
        files: Sequence[Location],
        column: str,
        max_bytes: int,
        index: ParquetIndex | None = None,
        root: str | None = None,
    ) -> None:
        self._files = {str(f): f for f in files}
        self._column = column
        self._max_bytes = max_bytes
        self._index = index
        self._root = root
        self._open: OrderedDict[str, ColumnReader] = OrderedDict()
        self._faults: dict[str, list[_Fault]] = {}
        self.ordered_by_store = index is not None
        self.locates_in_copies = index is None

    def __getstate__(self) -> dict[str, object]:
        kept = {k: v for k, v in self.__dict__.items() if k != "_pool"}
        return kept | {"_index": None, "_open": OrderedDict(), "_faults": {}}

    @staticmethod
    def holds_bytes(file: Location, column: str) -> bool:
        """Whether a manifest file is Parquet with image bytes under that column."""
        return is_parquet(file) and is_image_type(open_parquet(file).schema_arrow.field(column).type)

    @property
    def row_count(self) -> int:
        """Number of rows of files that are joined by id; 0 for a column of the manifest."""
        return self._index.rows if self._index else 0

    def positions(self, refs: Sequence[str | None]) -> np.ndarray:
        """The row of each reference over all files that are joined by id, int64 [N]; -1 for one to no file."""
        return self._index.positions(refs) if self._index else np.full(len(refs), -1)

    def locate(self, batch: Batch) -> list[str | None]:
        """References to the manifest's rows or, with an index, to the rows of the items' ids."""
        if self._index is not None:
            return list(self._index.refs(batch.items["id"].to_pylist()))
        return [ref_of(batch.file, int(p)) for p in batch.positions]

    def locate_all(self, batch: Batch) -> list[list[str]]:
        """References to the images of each item; several only where files that are joined by id number them."""
        refs = self.locate(batch)
        if self._index is None:
            return [[ref] if ref else [] for ref in refs]
        further = self._index.further_refs(batch.items["id"].to_pylist())
        return [[ref, *others] if ref else [] for ref, others in zip(refs, further, strict=True)]

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Read the references; neighbouring rows share a read, and the row groups of a file are read ahead."""
        for file, location in self._files.items():
            if location.is_s3:
                self._faults.pop(file, None)  # the bucket may have recovered
        for file, of_file in groupby(refs, lambda ref: ref.rpartition("#")[0]):
            yield from self._read_file(file, list(of_file))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_GROUPS_AHEAD, thread_name_prefix="parquet")

    def _read_file(self, file: str, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Read references of one file, with the row groups ahead of the present one."""
        groups = self._groups_of(file, refs)
        if len(groups) < 2:
            yield from map(self._read, refs)
            return
        ahead = map_in_order(_load, groups, self._pool, _GROUPS_AHEAD, _BUDGET_BYTES)
        for group, batches in zip(groups, ahead, strict=True):
            if batches and file in self._open:
                self._open[file].use(group.number, batches)
            yield from map(self._read, group.refs)

    def _groups_of(self, file: str, refs: Sequence[str]) -> list["_Group"]:
        """The row groups that references ask for, in their order; none for a file that cannot be opened now."""
        location = self._files.get(file)
        if location is None or len(refs) < 2:
            return []
        rows = [int(ref.rpartition("#")[2]) for ref in refs]
        try:
            reader = self._reader(location, rows[0])
        except (pa.ArrowException, OSError, InputError):
            return []
        pairs = groupby(zip(rows, refs, strict=True), lambda pair: reader.group_number(pair[0]))
        groups = [(number, list(of_group)) for number, of_group in pairs]
        return [
            _Group(reader, number, [ref for _, ref in of_group], n == 0 and reader.is_next(rows[0]))
            for n, (number, of_group) in enumerate(groups)
        ]

    def _read(self, ref: str) -> bytes | ImageError:
        file, _, row_text = ref.rpartition("#")
        location = self._files.get(file)
        if location is None:
            return ImageError(ErrorCode.NOT_FOUND, f"no image of id {row_text!r} in the Parquet files")
        row = int(row_text)
        fault = self._fault_of(file, row)
        if fault is not None:
            return ImageError(ErrorCode.STORE_ERROR, fault.message)
        try:
            value = self._value(location, row)
        except (pa.ArrowException, OSError, InputError) as error:
            self._record_fault(location, row, first_line(error))
            return self._read(ref)  # the row may be in the same batch, before the damaged page
        if value is None:
            return ImageError(ErrorCode.NOT_FOUND, f"the file has no row {row}")
        return self._bytes_of(value, location)

    def _value(self, location: Location, row: int) -> pa.Scalar | None:
        """Read a row, with retries. Raises the error of the last attempt."""
        attempts = _ATTEMPTS_IN_BUCKET if location.is_s3 else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                return self._reader(location, row).read(row)
            except (pa.ArrowException, OSError, InputError):
                self._open.pop(str(location), None)  # an open reader is unusable after an error
                if attempt == attempts:
                    raise
                if location.is_s3:
                    time.sleep(random.uniform(0, _FIRST_PAUSE_S * 2**attempt))
        raise AssertionError("at least one attempt is made")

    def _reader(self, location: Location, row: int) -> ColumnReader:
        key = str(location)
        if key not in self._open:
            is_faulty = any(fault.start <= row < fault.first for fault in self._faults.get(key, []))
            self._open[key] = ColumnReader(location, self._column, *([1] if is_faulty else []))
            if len(self._open) > 4:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return self._open[key]

    def _fault_of(self, file: str, row: int) -> "_Fault | None":
        return next((fault for fault in self._faults.get(file, []) if fault.first <= row < fault.end), None)

    def _record_fault(self, location: Location, row: int, reason: str) -> None:
        """Record which rows cannot be read, so that they are not tried again."""
        faults = self._faults.setdefault(str(location), [])
        try:
            start, end = ColumnReader(location, self._column).group_of(row)
            first = first_unreadable(location, self._column, row)
        except (pa.ArrowException, OSError, InputError):
            faults.append(_Fault(0, 0, _LAST_ROW, f"{location}: {reason}"))
            return
        if any((fault.start, fault.first) == (start, first) for fault in faults):
            start, first, end = row, row, row + 1  # an intermittent fault
        faults.append(_Fault(start, first, end, f"{location}: rows {first} to {end - 1} cannot be read: {reason}"))

    def _bytes_of(self, value: pa.Scalar, location: Location) -> bytes | ImageError:
        if isinstance(value, pa.StructScalar) and value.is_valid:
            path = value["path"].as_py() if "path" in value.type.names else None
            value = value["bytes"]
            if not value.is_valid and path:
                return self._bytes_at(str(path), self._root or str(location.parent))
        if not value.is_valid:
            return ImageError(ErrorCode.NO_IMAGE, "the image is null")
        data: bytes = value.as_buffer().to_pybytes()
        if len(data) > self._max_bytes:
            return ImageError(ErrorCode.TOO_LARGE, f"the image is larger than {self._max_bytes:,} bytes")
        return data

    def _bytes_at(self, path: str, root: str) -> bytes | ImageError:
        """Read the file that a path names below the root."""
        inside = path.removeprefix("file://").removeprefix(f"{root.rstrip('/')}/")
        if "://" in inside or root.startswith(S3):
            message = (
                f"there are no bytes, only the path {path!r}; name a column of addresses with --images column:NAME"
            )
            return ImageError(ErrorCode.UNSUPPORTED_URI, message)
        if inside.startswith("/"):
            message = f"{path!r} lies outside {root}; name the folder of the images with --images-root"
            return ImageError(ErrorCode.OUTSIDE_STORE, message)
        try:
            return read_file(resolve_below(root, inside), self._max_bytes)
        except ImageError as error:
            return error


class _Group(NamedTuple):
    """Consecutive references to one row group."""

    reader: ColumnReader
    number: int
    refs: list[str]
    is_read: bool
    """Whether it is being read, so that it need not be loaded."""


def _load(group: _Group, reserve: Callable[[int], None]) -> list[pa.RecordBatch]:
    """Read a row group; nothing where it is too large or an error arises, which reading its rows will meet again."""
    size = group.reader.group_bytes(group.number)
    if group.is_read or not 0 < size <= _LARGEST_GROUP_BYTES:
        return []
    reserve(size)
    try:
        return group.reader.load(group.number, _LARGEST_GROUP_BYTES)
    except (pa.ArrowException, OSError):
        return []


@dataclass(frozen=True)
class _Fault:
    """Rows of a row group that cannot be read."""

    start: int
    """The group's first row."""
    first: int
    """The first row that cannot be read."""
    end: int
    message: str
