"""Parquet files: opened with a clear error, and written atomically."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.errors import InputError
from tagger.io.location import Location, first_line


def open_parquet(file: Location, source: pa.NativeFile | None = None) -> pq.ParquetFile:
    """Open a Parquet file. Raises InputError when it is not one.

    Args:
        file: The file.
        source: The file, if it is open already.
    """
    try:
        return pq.ParquetFile(source or file.open_random())
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: not a readable Parquet file: {first_line(error)}") from error


def write_parquet(target: Location, table: pa.Table, plain: Sequence[str] = ()) -> None:
    """Write one Parquet file atomically.

    Args:
        target: Where.
        table: Its rows.
        plain: Columns that do not compress.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **_options(table.schema, plain))
    target.write_bytes(sink.getvalue())


def write_parquet_tables(
    target: Location, schema: pa.Schema, tables: Iterable[pa.Table], plain: Sequence[str] = ()
) -> None:
    """The same for tables that come one after another, each of which becomes a row group; the file is in memory."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, **_options(schema, plain)) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, len(table)))
    target.write_bytes(sink.getvalue())


def _options(schema: pa.Schema, plain: Sequence[str]) -> dict[str, Any]:
    if not plain:
        return {"compression": "zstd"}
    compressed = [name for name in schema.names if name not in plain]
    compression = dict.fromkeys(compressed, "zstd") | {f"{name}.list.element": "none" for name in plain}
    return {"compression": compression, "use_dictionary": compressed, "write_statistics": compressed}
