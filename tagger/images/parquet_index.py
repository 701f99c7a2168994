"""Which rows of Parquet files of id and image belong to an id."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.errors import InputError
from tagger.images.position_index import IdPiece, PositionIndex, places_of
from tagger.io.location import Location, first_line
from tagger.io.parquet import open_parquet
from tagger.manifest.tables.ids import as_ids
from tagger.manifest.tables.parquet import is_image_type
from tagger.schemas.tables.packed import IMAGE_NUMBER

_IMAGE_NAMES = ("image", "bytes", "content", "data")
_REF = r"(?s)^(?P<file>.*)#(?P<place>[0-9]{1,15})$"


class ParquetIndex:
    """Joins images in Parquet files by id; rows are counted over all files.

    The first row of an id is its image. Where files have the column `imageNumber`, as those of `tagger pack`, an item
    has an image for each number of its rows, in the order of the numbers.

    Args:
        files: The Parquet files.
        most_images: Most images of an item.

    Raises:
        InputError: when a file has no id column or no image column.
    """

    def __init__(self, files: Sequence[Location], most_images: int = 1) -> None:
        self.files = tuple(files)
        self.column = ""
        """Of the images."""
        starts = [0]
        self._index = PositionIndex(self._pieces(starts), most_images)
        self._starts = np.array(starts)

    @property
    def rows(self) -> int:
        """Number of rows of all files."""
        return self._index.rows

    def refs(self, ids: Sequence[str]) -> list[str]:
        """A reference to the first image of each id; an unknown id gets a reference to no file."""
        rows = self._index.first(ids)
        folder = self.files[0].parent
        return [
            ref if row >= 0 else f"{folder}#{item}"
            for item, ref, row in zip(ids, self._refs(rows), rows.tolist(), strict=True)
        ]

    def further_refs(self, ids: Sequence[str]) -> list[list[str]]:
        """References to the images of each id after the first."""
        return [self._refs(rows) if len(rows) else [] for rows in self._index.further(ids)]

    def positions(self, refs: Sequence[str | None]) -> np.ndarray:
        """The row of each reference, int64 [N]; -1 for one to no file."""
        of_file, rows = places_of(refs, _REF, self.files)
        return np.where(of_file >= 0, self._starts[of_file] + rows, -1)

    def _pieces(self, starts: list[int]) -> Iterator[IdPiece]:
        """The ids of all files; adds the row at which each ends to `starts`."""
        for file in self.files:
            source = open_parquet(file)
            column = _image_column(file, source.schema_arrow)
            if self.column not in ("", column):
                raise InputError(
                    f"{file}: the images are in column {column!r}, but in {self.column!r} of the earlier files"
                )
            self.column = column
            piece = _ids_and_numbers(file, source)
            starts.append(starts[-1] + len(piece.ids))
            yield piece

    def _refs(self, rows: np.ndarray) -> list[str]:
        files = np.searchsorted(self._starts, rows, "right") - 1
        return [
            ref_of(self.files[file], row) if row >= 0 else ""
            for file, row in zip(files.tolist(), (rows - self._starts[files]).tolist(), strict=True)
        ]


def ref_of(file: Location, row: int) -> str:
    """The reference of a row's image."""
    return f"{file}#{row}"


def _ids_and_numbers(file: Location, source: pq.ParquetFile) -> IdPiece:
    """The id of each row, and the number of its image, or None where all are 1. Raises InputError."""
    has_numbers = IMAGE_NUMBER in source.schema_arrow.names
    try:
        table = source.read(columns=["id", IMAGE_NUMBER] if has_numbers else ["id"])
        numbers = table[IMAGE_NUMBER].cast(pa.int64()).to_numpy() if has_numbers else None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: its ids cannot be read: {first_line(error)}") from error
    return IdPiece(as_ids(table["id"], file), None if numbers is None or np.all(numbers == 1) else numbers)


def _image_column(file: Location, schema: pa.Schema) -> str:
    binary = [f.name for f in schema if is_image_type(f.type)]
    if "id" not in schema.names or not binary:
        raise InputError(f"{file}: an image Parquet needs a column id and one of image bytes; it has {schema.names}")
    return next((n for n in _IMAGE_NAMES if n in binary), binary[0])
