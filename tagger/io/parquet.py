"""Parquet files: opened with a clear error, and written atomically."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.errors import InputError
from tagger.io.location import Location, first_line


def open_parquet(file: Location) -> pq.ParquetFile:
    """Open a Parquet file. Raises InputError when it is not one."""
    try:
        return pq.ParquetFile(file.open_random())
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
    compressed = [name for name in table.schema.names if name not in plain]
    if plain:
        compression = dict.fromkeys(compressed, "zstd") | {f"{name}.list.element": "none" for name in plain}
        pq.write_table(table, sink, compression=compression, use_dictionary=compressed, write_statistics=compressed)
    else:
        pq.write_table(table, sink, compression="zstd")
    target.write_bytes(sink.getvalue())
