"""Tables that wait in a temporary file until they are read once more, in their order."""

import os
import tempfile
from collections.abc import Iterator
from typing import IO

import pyarrow as pa

from tagger.io.scratch import naming_full_folder

_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


class TableSpool:
    """Tables of any schemas, written to a temporary file, which is made with the first of them that has a row."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._schema: pa.Schema | None = None

    def append(self, table: pa.Table) -> None:
        """Append the rows of a table. Raises WriteError when the temporary folder has no room."""
        if not len(table):
            return
        with naming_full_folder():
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
            if self._writer is None or not table.schema.equals(self._schema, check_metadata=True):
                self._end_stream()
                self._writer = pa.ipc.new_stream(self._file, table.schema, options=_OPTIONS)
                self._schema = table.schema
            self._writer.write_table(table)

    def tables(self) -> Iterator[pa.Table]:
        """Yield the tables, in pieces, after the last of them was appended."""
        if self._file is None:
            return
        with naming_full_folder():
            self._end_stream()
            end = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        while self._file.tell() < end:
            for batch in pa.ipc.open_stream(self._file):
                yield pa.Table.from_batches([batch])

    def close(self) -> None:
        """Delete the file."""
        if self._file is not None:
            self._file.close()

    def _end_stream(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
