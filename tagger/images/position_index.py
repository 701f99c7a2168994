"""An index from ids to the rows of their images in Parquet files of id and image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.errors import InputError
from tagger.io.location import Location, first_line
from tagger.io.parquet import open_parquet
from tagger.manifest.tables.ids import as_ids
from tagger.manifest.tables.parquet import is_image_type
from tagger.schemas.tables.packed import IMAGE_NUMBER

if TYPE_CHECKING:
    import pandas as pd  # half a second of every worker's start

_ROW_BITS = 40
_IMAGE_NAMES = ("image", "bytes", "content", "data")


@dataclass(frozen=True)
class PositionIndex:
    """An index from ids to the rows of their images in Parquet files.

    The first row of an id is its image. Where files have the column `imageNumber`, as those of `tagger pack`, an item
    has an image for each number of its rows, in the order of the numbers.
    """

    files: tuple[Location, ...]
    column: str
    locations: "pd.Series[int]"
    """By id, of its first image: the file's index times 2**40, plus the row in the file."""
    further: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """By id of an item with several images, the locations of those after the first."""

    @classmethod
    def read(cls, files: Sequence[Location], most_images: int = 1) -> "PositionIndex":
        """Read the ids of all files. Raises InputError when a file has no id column or no image column.

        Args:
            files: The Parquet files.
            most_images: Most images of an item.
        """
        import pandas as pd

        locations: list[np.ndarray] = []
        numbers: list[np.ndarray] = []
        ids: list[str | None] = []
        column = ""
        for n, file in enumerate(files):
            source = open_parquet(file)
            column, earlier = _image_column(file, source.schema_arrow), column
            if earlier and column != earlier:
                raise InputError(
                    f"{file}: the images are in column {column!r}, but in {earlier!r} of the earlier files"
                )
            file_ids, file_numbers = _ids_and_numbers(file, source)
            ids += file_ids
            numbers.append(file_numbers)
            locations.append(np.arange(len(file_ids), dtype=np.int64) + (n << _ROW_BITS))
        series = pd.Series(np.concatenate(locations), index=pd.Index(ids, dtype=object))
        number = np.concatenate(numbers)
        if np.all(number == 1):
            return cls(tuple(files), column, series[~series.index.duplicated()])
        return cls(tuple(files), column, *_in_order_of_numbers(series, number, most_images))

    def refs(self, ids: Sequence[str]) -> list[str]:
        """A reference to the first image of each id; an unknown id gets a reference to no file."""
        import pandas as pd

        positions = self.locations.index.get_indexer(pd.Index(ids, dtype=object))
        locations = self.locations.to_numpy()
        folder = self.files[0].parent
        return [
            self._ref(int(locations[position])) if position >= 0 else f"{folder}#{item}"
            for item, position in zip(ids, positions.tolist(), strict=True)
        ]

    def further_refs(self, ids: Sequence[str]) -> list[list[str]]:
        """References to the images of each id after the first."""
        return [[self._ref(location) for location in self.further.get(item, ())] for item in ids]

    def _ref(self, location: int) -> str:
        return ref_of(self.files[location >> _ROW_BITS], location & ((1 << _ROW_BITS) - 1))


def ref_of(file: Location, row: int) -> str:
    """The reference of a row's image."""
    return f"{file}#{row}"


def _ids_and_numbers(file: Location, source: pq.ParquetFile) -> tuple[list[str | None], np.ndarray]:
    """The id and the image number of each row; the number is 1 in files without that column. Raises InputError."""
    has_numbers = IMAGE_NUMBER in source.schema_arrow.names
    try:
        table = source.read(columns=["id", IMAGE_NUMBER] if has_numbers else ["id"])
        numbers = table[IMAGE_NUMBER].cast(pa.int64()).to_numpy() if has_numbers else np.ones(len(table), np.int64)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: its ids cannot be read: {first_line(error)}") from error
    return as_ids(table["id"], file), numbers


def _in_order_of_numbers(
    locations: "pd.Series[int]", numbers: np.ndarray, most_images: int
) -> tuple["pd.Series[int]", dict[str, list[int]]]:
    """The location of each item's image with the lowest number, and of its other images by number."""
    rows = locations.rename("location").rename_axis("id").reset_index().assign(number=numbers).dropna()
    images = rows.drop_duplicates(["id", "number"]).sort_values("number", kind="stable")
    rank = images.groupby("id").cumcount()
    further = images[(rank > 0) & (rank < most_images)].groupby("id", sort=False)["location"].agg(list)
    return images[rank == 0].set_index("id")["location"], {str(item): others for item, others in further.items()}


def _image_column(file: Location, schema: pa.Schema) -> str:
    binary = [f.name for f in schema if is_image_type(f.type)]
    if "id" not in schema.names or not binary:
        raise InputError(f"{file}: an image Parquet needs a column id and one of image bytes; it has {schema.names}")
    return next((n for n in _IMAGE_NAMES if n in binary), binary[0])
