"""Images inside Parquet files: a bytes column of the manifest, or separate files of id and image joined by id."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from schemas.prediction import ErrorCode
from tagger.catalog.manifest import Batch
from tagger.catalog.tables.ids import as_ids
from tagger.catalog.tables.kinds import is_parquet
from tagger.catalog.tables.parquet import is_image_type, open_parquet
from tagger.errors import ImageError, InputError
from tagger.storage import Location, first_line

if TYPE_CHECKING:
    import pandas as pd  # half a second of every worker's start

_BATCH_ROWS = 256
_IMAGE_NAMES = ("image", "bytes", "content", "data")


@dataclass(frozen=True)
class PositionIndex:
    """Where the image of each id lies: the files, the image column, and a table from id to (file, row)."""

    files: tuple[Location, ...]
    column: str
    places: "pd.Series[int]"
    """Indexed by id; file number times 2**40 plus the row in the file."""

    @classmethod
    def read(cls, files: Sequence[Location]) -> "PositionIndex":
        """Read the id column of all files. Raises InputError when one lacks an id or an image column."""
        places: list[np.ndarray] = []
        ids: list[str | None] = []
        column = ""
        for number, file in enumerate(files):
            source = open_parquet(file)
            column, first = _image_column(file, source.schema_arrow), column
            if first and column != first:
                raise InputError(f"{file}: the images are in column {column!r}, but in {first!r} of the files before")
            found = as_ids(source.read(columns=["id"])["id"], file)
            ids += found
            places.append(np.arange(len(found), dtype=np.int64) + (number << 40))
        import pandas as pd

        series = pd.Series(np.concatenate(places), index=pd.Index(ids, dtype=object))
        return cls(tuple(files), column, series[~series.index.duplicated()])

    def refs(self, ids: Sequence[str]) -> list[str]:
        """A reference for every id; one that no file has gets a reference that leads nowhere."""
        import pandas as pd

        found = self.places.index.get_indexer(pd.Index(ids, dtype=object))
        places = self.places.to_numpy()
        nowhere = self.files[0].parent
        return [
            _ref(self.files[int(places[f]) >> 40], int(places[f]) & ((1 << 40) - 1)) if f >= 0 else f"{nowhere}#{item}"
            for item, f in zip(ids, found.tolist(), strict=True)
        ]


class ParquetImages:
    """The image column of some Parquet files: a manifest's own, or with an index those of images joined by id.

    References are `FILE#ROW`. Files are read a batch of rows at a time, forwards, and the last ones stay open.
    """

    def __init__(
        self, files: Sequence[Location], column: str, max_bytes: int, index: PositionIndex | None = None
    ) -> None:
        self._files = {str(f): f for f in files}
        self._column = column
        self._max_bytes = max_bytes
        self._index = index
        self._open: OrderedDict[str, _Reader] = OrderedDict()
        self.ordered_by_store = index is not None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_index": None, "_open": OrderedDict()}

    @staticmethod
    def holds_bytes(file: Location, column: str) -> bool:
        """Whether a manifest file is Parquet with image bytes under that column."""
        return is_parquet(file) and is_image_type(open_parquet(file).schema_arrow.field(column).type)

    @staticmethod
    def sort_key(ref: str | None) -> tuple[str, int]:
        """What orders references as they lie in the files."""
        file, _, row = (ref or "#0").rpartition("#")
        return file, int(row) if row.isdecimal() else -1

    def locate(self, batch: Batch) -> list[str | None]:
        """Of the manifest's own column, every row; else what the index knows."""
        if self._index is not None:
            return list(self._index.refs(batch.items["id"].to_pylist()))
        return [_ref(batch.file, int(p)) for p in batch.positions]

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Read the references one after another; neighbours in a file share a read."""
        return map(self._read, refs)

    def _read(self, ref: str) -> bytes | ImageError:
        file, _, row = ref.rpartition("#")
        location = self._files.get(file)
        if location is None:
            return ImageError(ErrorCode.NOT_FOUND, f"no image of id {row!r} in the Parquet files")
        try:
            return self._reader(location).read(int(row), self._max_bytes)
        except (pa.ArrowException, OSError, InputError) as error:
            return ImageError(ErrorCode.STORE_ERROR, f"{file}: {first_line(error)}")

    def _reader(self, location: Location) -> "_Reader":
        key = str(location)
        if key not in self._open:
            self._open[key] = _Reader(location, self._column)
            if len(self._open) > 4:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return self._open[key]


class _Reader:
    """One Parquet file's image column, read forwards; going back starts its row group again."""

    def __init__(self, location: Location, column: str) -> None:
        self._file = open_parquet(location)
        if column not in self._file.schema_arrow.names:
            raise InputError(f"there is no column {column!r}")
        self._column = column
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._batches: Any = None
        self._group = -1
        self._first = self._end = 0
        self._batch: pa.Array = pa.array([], pa.binary())

    def read(self, row: int, max_bytes: int) -> bytes | ImageError:
        if row >= self._starts[-1]:
            return ImageError(ErrorCode.NOT_FOUND, f"the file has no row {row}")
        self._seek(row)
        value = self._batch[row - self._first]
        if isinstance(value, pa.StructScalar):
            value = value["bytes"] if value.is_valid else value
        if not value.is_valid:
            return ImageError(ErrorCode.NO_IMAGE, "the image is null")
        data: bytes = value.as_buffer().to_pybytes()
        if len(data) > max_bytes:
            return ImageError(ErrorCode.TOO_LARGE, f"the image is larger than {max_bytes:,} bytes")
        return data

    def _seek(self, row: int) -> None:
        if self._first <= row < self._end:
            return
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        if row < self._first or group != self._group:
            self._group = group
            self._batches = self._file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[self._column])
            self._end = int(self._starts[group])
        while row >= self._end:
            self._batch = next(self._batches).column(0)
            self._first, self._end = self._end, self._end + len(self._batch)


def _image_column(file: Location, schema: pa.Schema) -> str:
    binary = [f.name for f in schema if is_image_type(f.type)]
    if "id" not in schema.names or not binary:
        raise InputError(f"{file}: an image Parquet needs a column id and one of image bytes; it has {schema.names}")
    return next((n for n in _IMAGE_NAMES if n in binary), binary[0])


def _ref(file: Location, row: int) -> str:
    return f"{file}#{row}"
