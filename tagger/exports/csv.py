"""CSV that a spreadsheet can open without running what is in it."""

import csv
import io
import re
from typing import Any

import pyarrow as pa

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*")
MAX_ROWS = 1_048_575
"""Rows below the header that a spreadsheet takes."""


def csv_bytes(table: pa.Table) -> bytes:
    """A table as CSV (RFC 4180) in UTF-8 with its mark, by which spreadsheets know it; null is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.schema.names)
    for batch in table.to_batches(max_chunksize=65_536):
        writer.writerows(zip(*([_cell(v) for v in column.to_pylist()] for column in batch.columns), strict=True))
    return out.getvalue().encode("utf-8-sig")


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe goes before one that begins as such (OWASP).

    Plain numbers stay, so that an id such as -5 still names its item.
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def as_written(text: str) -> str:
    """A text before `harmless` was applied to it."""
    return text[1:] if text.startswith("'") and harmless(text[1:]) == text else text


def _cell(value: Any) -> object:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return value.isoformat() if hasattr(value, "isoformat") else value
