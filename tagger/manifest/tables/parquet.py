"""Parquet files as tables."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from tagger.errors import InputError
from tagger.io.location import Location, first_line
from tagger.io.parquet import open_parquet
from tagger.manifest.tables.table import Chunk, RoleOf
from tagger.schemas.tables.item import Role

PARQUET = (".parquet", ".pq")
_TEXT_ROLES = (Role.ID, Role.MASTER_CATEGORY, Role.ARTICLE_TYPE, Role.IMAGE_URI)


class ParquetTable:
    """A Parquet file, without the bytes of its images.

    Raises InputError when it is not a readable Parquet file.
    """

    def __init__(self, file: Location, role_of: RoleOf) -> None:
        self._file, self._role_of = file, role_of
        source = open_parquet(file)
        schema = source.schema_arrow
        metadata = source.metadata
        self.group_rows = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        self.columns = list(schema.names)
        self.image_columns = {f.name for f in schema if is_image_type(f.type)}

    def chunks(self, rows: int, only: str | None = None) -> Iterator[Chunk]:
        """Read the file in chunks."""
        return self.group_chunks(range(len(self.group_rows)), rows, only)

    def group_chunks(self, groups: Sequence[int], rows: int, only: str | None = None) -> Iterator[Chunk]:
        """Read consecutive row groups in chunks."""
        source = open_parquet(self._file)
        columns = [f.name for f in source.schema_arrow if only in (None, f.name) and self._is_read(f)]
        unread = {f.name: str(f.type) for f in source.schema_arrow if f.name not in columns and is_image_type(f.type)}
        start = sum(self.group_rows[: groups[0]]) if groups else 0
        try:
            for batch in source.iter_batches(rows, row_groups=list(groups), columns=columns):
                table = pa.table(batch.columns, names=columns)
                yield Chunk(table, np.arange(start + 1, start + len(table) + 1), bytes_columns=unread)
                start += len(table)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._file}: cannot be read after row {start}: {first_line(error)}") from error

    def row_count(self) -> int:
        """Number of rows."""
        return sum(self.group_rows)

    def _is_read(self, column: pa.Field) -> bool:
        return not is_image_type(column.type) or self._role_of(column.name) in _TEXT_ROLES


def is_image_type(kind: pa.DataType) -> bool:
    """Whether a Parquet column holds image bytes: binary, or the datasets library's struct<bytes, path>."""
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and is_image_type(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
