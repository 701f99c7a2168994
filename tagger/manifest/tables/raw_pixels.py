"""Labels of raw pixels (Fashion-MNIST's IDX files and CSV) as a table."""

from collections.abc import Iterator

import numpy as np

from tagger.io.location import Location
from tagger.manifest.tables import pixels
from tagger.manifest.tables.table import Chunk


class PixelLabels:
    """The labels of one file of raw pixels, which is read at once."""

    def __init__(self, file: Location) -> None:
        self._file = file
        self.columns = list(pixels.COLUMNS)

    def chunks(self, rows: int, only: str | None = None) -> Iterator[Chunk]:
        """Read the file."""
        table = pixels.PixelTable.read(self._file).items(pixels.prefix_of(self._file))
        for start in range(0, len(table), rows):
            part = table.slice(start, rows)
            yield Chunk(part, np.arange(start + 1, start + len(part) + 1))
