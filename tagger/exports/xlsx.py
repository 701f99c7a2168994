"""Workbooks (XLSX): texts stay texts, so no spreadsheet runs what is in them or rounds an id."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tagger.exports.csv import MAX_ROWS

_LONGEST_CELL = 32_767
"""Characters that a cell takes."""


def write_xlsx(
    file: Path, title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], most_rows: int = MAX_ROWS
) -> int:
    """Write rows to a workbook, with a heading that stays in place; return the number of rows.

    Args:
        file: Where to.
        title: Name of the sheet; further sheets, where there are more rows than one takes, are numbered.
        columns: The headings, and the keys of each row, in order.
        rows: Texts, numbers, and times in UTC; None is an empty cell.
        most_rows: Rows of a sheet below its heading.
    """
    from openpyxl import Workbook  # 100 ms, for the few who want a workbook

    book = Workbook(write_only=True)
    count = 0
    sheet = _sheet(book, title, columns)
    for row in rows:
        if count and count % most_rows == 0:
            sheet = _sheet(book, f"{title} {count // most_rows + 1}", columns)
        sheet.append(list(_cells(sheet, (row[name] for name in columns))))
        count += 1
    book.save(file)
    return count


def _sheet(book: Any, title: str, columns: Sequence[str]) -> Any:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    sheet.append(list(_cells(sheet, columns)))
    return sheet


def _cells(sheet: Any, values: Iterable[Any]) -> Iterator[Any]:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    for value in values:
        if isinstance(value, datetime):
            yield value.replace(tzinfo=None)  # a workbook knows no time zones
        elif isinstance(value, str):
            cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", value)[:_LONGEST_CELL])
            cell.data_type = "s"  # else a text that begins with = is a formula
            yield cell
        else:
            yield value
