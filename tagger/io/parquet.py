"""Parquet files: opened with a word where they are none, and written complete or not at all."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.errors import InputError
from tagger.io.location import Location, first_line


def open_parquet(file: Location) -> pq.ParquetFile:
    """Open a Parquet file. Raises InputError when it is none."""
    try:
        return pq.ParquetFile(file.open_random())
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: not a readable Parquet file: {first_line(error)}") from error


def write_parquet(target: Location, table: pa.Table, plain: Sequence[str] = ()) -> None:
    """Write one Parquet file, complete or not at all.

    Args:
        target: Where.
        table: Its rows.
        plain: Columns that are noise to a compressor.
    """
    sink = pa.BufferOutputStream()
    packed = [name for name in table.schema.names if name not in plain]
    if plain:
        compression = dict.fromkeys(packed, "zstd") | {f"{name}.list.element": "none" for name in plain}
        pq.write_table(table, sink, compression=compression, use_dictionary=packed, write_statistics=packed)
    else:
        pq.write_table(table, sink, compression="zstd")
    target.write_bytes(sink.getvalue())
