"""Excel workbooks (.xlsx) as tables of strings."""

import datetime as dt
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tagger.errors import InputError, UsageError
from tagger.io.location import Location, first_line
from tagger.manifest.tables.csv_rows import unique_names
from tagger.manifest.tables.table import Chunk, RoleOf
from tagger.notices import Notices
from tagger.schemas.tables.item import Role

if TYPE_CHECKING:
    from openpyxl import Workbook  # 100 ms, for the few manifests that need it

_HEADER_WITHIN = 1000
_EXACT = 2.0**53
_LEADING_ZEROS = re.compile("0{2,}")
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, SyntaxError, KeyError, ValueError, TypeError, AttributeError,
    IndexError, NotImplementedError,
)  # fmt: skip
"""What openpyxl raises on damaged workbooks; expat's errors are SyntaxErrors."""


class WorkbookTable:
    """One sheet of a workbook: the first row that is not blank is its header.

    Without a name, it is the first sheet with an id column, otherwise the first with any content; hidden sheets
    count only if named. Formulas have their saved values, error cells no value, and dates become ISO text.

    Raises:
        UsageError: when no sheet has that name.
        InputError: when the workbook cannot be read or is blank.
    """

    def __init__(self, file: Location, sheet: str | None, role_of: RoleOf, notices: Notices) -> None:
        self._file, self._notices = file, notices
        with self._open() as book:
            headers = {s.title: _header(s) for s in book.worksheets if s.sheet_state == "visible" or s.title == sheet}
        filled = {title: header for title, header in headers.items() if header is not None}
        if sheet is not None and sheet not in filled:
            raise UsageError(f"--sheet {sheet}: {file} has no such sheet with rows; it has {', '.join(filled)}")
        if not filled:
            raise InputError(f"{file}: the workbook is blank; its first sheet needs a header row")
        with_ids = [title for title, (_, names) in filled.items() if any(role_of(n) is Role.ID for n in names)]
        self._sheet = sheet or next(iter([*with_ids, *filled]))
        self._header_row, self.columns = filled[self._sheet]
        others = [title for title in filled if title != self._sheet]
        if others and sheet is None:
            notices.add(
                f"{file} has several sheets; {self._sheet!r} is read, and {', '.join(map(repr, others))} "
                f"{'are' if len(others) > 1 else 'is'} not. Name another one with --sheet"
            )

    def chunks(self, rows: int, only: str | None = None) -> Iterator[Chunk]:
        """Read the sheet without its blank rows; lines are the sheet's row numbers."""
        with self._open() as book:
            records = self._records(book)
            while batch := list(islice(records, rows)):
                columns = zip(*(values for _, values in batch), strict=True)
                table = pa.table([pa.array(c, pa.string()) for c in columns], names=self.columns)
                yield Chunk(table, np.array([line for line, _ in batch], np.int64))

    def _records(self, book: "Workbook") -> Iterator[tuple[int, list[str | None]]]:
        width = len(self.columns)
        sheet: Any = book[self._sheet]
        for line, cells in enumerate(sheet.iter_rows(), 1):
            if line <= self._header_row:
                continue
            values = [_text(cell) for cell in cells]
            if any(values[width:]):
                self._notices.add(
                    f"{self._file}, row {line}: cells right of the last heading are left out", key=f"right:{self._file}"
                )
            values = (values + [None] * width)[:width]
            if any(v is not None and v.strip() for v in values):
                yield line, values

    @contextmanager
    def _open(self) -> Iterator["Workbook"]:
        import openpyxl

        try:
            with self._file.open_random() as stream:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # about styles and extensions that do not matter
                    book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
                try:
                    for sheet in book.worksheets:
                        sheet.reset_dimensions()  # some programs write a size that is not the sheet's
                    yield book
                finally:
                    book.close()
        except _UNREADABLE as error:
            raise InputError(
                f"{self._file} is an Excel workbook that cannot be read ({first_line(error)}); save it again as .xlsx "
                "or CSV"
            ) from error


def _header(sheet: Any) -> tuple[int, list[str]] | None:
    """The number and the names of the first row that is not blank; None for a blank sheet."""
    for line, cells in enumerate(islice(sheet.iter_rows(), _HEADER_WITHIN), 1):
        names = [(_text(cell) or "").strip() for cell in cells]
        while names and not names[-1]:
            names.pop()
        if names:
            return line, unique_names(names)
    return None


def _text(cell: Any) -> str | None:
    """A cell as shown in a spreadsheet: 15970 and not 15970.0, dates as ISO text, None for errors such as #N/A."""
    value = cell.value
    if value is None or isinstance(value, str):
        return None if cell.data_type == "e" else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if isinstance(value, int) and _LEADING_ZEROS.fullmatch(cell.number_format):
        return str(value).zfill(len(cell.number_format))
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat()
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
