"""CSV and other delimited text as a table of strings."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tagger.io.location import Location
from tagger.manifest.tables.csv_rows import BadRow, CsvRows, Row
from tagger.manifest.tables.table import Chunk, RoleOf
from tagger.notices import Notices
from tagger.schemas.configs.options import ManifestFormat

_CHUNK_CHARACTERS = 64 << 20


class DelimitedFile:
    """A file of delimited text; the last column may hold the delimiter unless it has a role.

    Raises InputError when it has no header.
    """

    def __init__(self, file: Location, options: ManifestFormat, role_of: RoleOf, notices: Notices) -> None:
        self._file, self._options, self._role_of, self._notices = file, options, role_of, notices
        with file.open() as stream:
            self.columns = self._rows_of(stream).header

    def chunks(self, rows: int, only: str | None = None) -> Iterator[Chunk]:
        """Read the file; chunks with much text have fewer rows."""
        with self._file.open() as stream:
            source = self._rows_of(stream)
            records = source.rows(last_is_text=self._role_of(source.header[-1]) is None)
            while batch := _take(records, rows):
                good = [r for r in batch if isinstance(r, Row)]
                bad = [r for r in batch if isinstance(r, BadRow)]
                columns = zip(*(r.fields for r in good), strict=True) if good else [()] * len(source.header)
                table = pa.table([pa.array(c, pa.string()) for c in columns], names=source.header)
                yield Chunk(table, np.array([r.line for r in good], np.int64), bad, good)

    def _rows_of(self, stream: object) -> CsvRows:
        options = self._options
        return CsvRows(stream, str(self._file), options.delimiter, options.encoding, self._notices)  # type: ignore[arg-type]


def _take(records: Iterator[Row | BadRow], rows: int) -> list[Row | BadRow]:
    batch: list[Row | BadRow] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.text)
        if len(batch) == rows or size > _CHUNK_CHARACTERS:
            break
    return batch
