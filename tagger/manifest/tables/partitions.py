"""Columns in the path rather than in the file: `masterCategory=Apparel/part-0.parquet`.

The layout is Hive's, as Spark, pandas and Arrow write it: one folder per value, values URL-encoded.
"""

from collections.abc import Mapping
from urllib.parse import unquote

import pyarrow as pa

from tagger.io.location import Location

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def partition_values(file: Location) -> dict[str, str | None]:
    """The columns in a file's path: those of the folders right above it, as far as each is `NAME=VALUE`.

    None where the partition is that of rows without a value.
    """
    values: dict[str, str | None] = {}
    for part in reversed(file.path.split("/")[:-1]):
        name, equals, value = part.partition("=")
        if not equals or not name:
            break
        values[unquote(name)] = None if value in ("", _NO_VALUE) else unquote(value)
    return dict(reversed(values.items()))


def with_partitions(table: pa.Table, values: Mapping[str, str | None]) -> pa.Table:
    """A table with the path's columns, except for those that the file has itself."""
    for name, value in values.items():
        if name not in table.schema.names:
            column = pa.nulls(len(table), pa.string()) if value is None else pa.repeat(value, len(table))
            table = table.append_column(pa.field(name, pa.string()), column)
    return table
