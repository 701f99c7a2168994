"""The interface of all kinds of tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from tagger.manifest.tables.csv_rows import BadRow, Row
from tagger.schemas.tables.item import Role

RoleOf = Callable[[str], Role | None]
"""Maps a file's column to its role, if any."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of one file.

    `table` has the file's columns, `lines` int64 [N] the 1-based line or row of each, and `bad` the unreadable records
    between them.
    """

    table: pa.Table
    lines: np.ndarray
    bad: Sequence[BadRow] = ()
    rows: Sequence[Row] | None = field(default=None, repr=False)
    """For text files, the rows as written, with their repairs."""

    bytes_columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the file that hold bytes and are not read, with their types."""

    def text(self, row: int) -> str:
        """One row as written in the file, or its values."""
        return self.rows[row].text if self.rows is not None else str(self.table.slice(row, 1).to_pylist()[0])


class TableFile(Protocol):
    """One file of a manifest."""

    columns: list[str]
    """The names of its columns."""

    def chunks(self, rows: int, only: str | None = None) -> Iterator[Chunk]:
        """Read the file from its start.

        Args:
            rows: Most rows in a chunk.
            only: Read this column alone.
        """
        ...
