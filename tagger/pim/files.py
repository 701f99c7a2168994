"""Writes import files: rows with the same columns together, in parts below a target's limits."""

import csv
import io
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from tagger.errors import InputError
from tagger.exports.xlsx import write_xlsx
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.pim.forms.base import Document
from tagger.pim.forms.numbered import groups_named, is_numbered
from tagger.pim.forms.shopify_bulk import MUTATIONS
from tagger.schemas.documents.target import FileFormat, Target

_UNSAFE = re.compile(r"[^\w.+-]+")
_LONGEST_NAME = 60
_MOST_BYTES = 100_000_000
_SHEET_ROWS = 1_048_575


@dataclass(frozen=True)
class WrittenFile:
    """One file."""

    name: str
    rows: int
    columns: tuple[str, ...]
    """Of a table; empty for JSON Lines."""


@dataclass
class _Part:
    """Rows that wait to be written: as lines of text, or as they are for other forms."""

    head: int
    """Bytes of the heading."""
    lines: list[bytes] = field(default_factory=list)
    rows: list[Document] = field(default_factory=list)
    count: int = 0
    size: int = 0


class ImportFiles:
    """Files of one target in a folder.

    Args:
        out: The folder.
        name: How the names of the files begin.
        target: Its form and limits.
        file_format: One of the target's formats.
    """

    def __init__(self, out: Location, name: str, target: Target, file_format: FileFormat) -> None:
        self.written: list[WrittenFile] = []
        self._out, self._name, self._target, self._format = out, name, target, file_format
        self._parts: dict[tuple[str, tuple[str, ...]], _Part] = {}
        self._numbers: dict[str, int] = {}
        self._most_rows = target.most_rows or _SHEET_ROWS
        self._most_bytes = target.most_bytes or _MOST_BYTES

    def add(self, kind: str, document: Document) -> None:
        """Add a row to the file of its kind and columns. Raises InputError when it is longer than the target takes."""
        columns = () if self._format == "jsonl" else tuple(document)
        part = self._parts.get((kind, columns))
        if part is None:
            head = len(csv_line(list(columns), self._target.delimiter)) if columns else 0
            part = self._parts[kind, columns] = _Part(head)
        line = self._line(document, columns)
        if self._target.longest_line and len(line) > self._target.longest_line:
            raise InputError(
                f"{self._target.title} takes lines of {self._target.longest_line:,} characters, and that of "
                f"{next(iter(document.values()))} has {len(line):,}"
            )
        if part.count and (part.count >= self._most_rows or part.head + part.size + len(line) > self._most_bytes):
            self._write(kind, columns, part)
            part = self._parts[kind, columns] = _Part(part.head)
        if self._format in ("csv", "jsonl"):
            part.lines.append(line)
        else:
            part.rows.append(document)
        part.count += 1
        part.size += len(line)

    def close(self) -> list[WrittenFile]:
        """Write what waits, and return all files in the order of their names."""
        for (kind, columns), part in self._parts.items():
            if part.count:
                self._write(kind, columns, part)
        self._parts.clear()
        return sorted(self.written, key=lambda file: file.name)

    def _label(self, columns: tuple[str, ...]) -> str:
        """What a table sets, in short, so that a file with the same columns has the same name each night."""
        carried = {*columns[:1], *self._target.carry}
        form = self._target.numbered
        groups = groups_named(form, columns) if form else 0
        set_here = [name for name in columns if name not in carried and not (form and is_numbered(form, name))]
        return "+".join([*set_here, *([f"{groups}-attributes"] if groups else [])]) or "lines"

    def _line(self, document: Document, columns: tuple[str, ...]) -> bytes:
        if self._format == "jsonl":
            return (json.dumps(document, ensure_ascii=False) + "\n").encode()
        return csv_line([str(document[name]) for name in columns], self._target.delimiter)

    def _write(self, kind: str, columns: tuple[str, ...], part: _Part) -> None:
        stem = _UNSAFE.sub("_", f"{self._name}-{kind or self._label(columns)}")[:_LONGEST_NAME].strip("_-")
        number = self._numbers[stem] = self._numbers.get(stem, 0) + 1
        is_tsv = self._format == "csv" and self._target.delimiter == "\t"
        name = f"{stem}-{number:03d}.{'tsv' if is_tsv else self._format}"
        file = self._out / name
        match self._format:
            case "xlsx":
                _write_workbook(file, columns, part.rows)
            case "parquet":
                write_parquet(
                    file, pa.table({c: pa.array([str(r[c]) for r in part.rows], pa.string()) for c in columns})
                )
            case "csv":
                file.write_bytes(csv_line(list(columns), self._target.delimiter) + b"".join(part.lines))
            case _:
                file.write_bytes(b"".join(part.lines))
        if kind in MUTATIONS:
            (self._out / f"{stem}.graphql").write_text(MUTATIONS[kind])
        self.written.append(WrittenFile(name, part.count, columns))


def csv_line(cells: list[str], delimiter: str) -> bytes:
    """One line of CSV (RFC 4180) in UTF-8, ended by a line feed alone; a cell with a carriage return is quoted."""
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if any("\r" in cell for cell in cells) else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerow(cells)  # type: ignore[arg-type]
    return out.getvalue().encode()


def _write_workbook(file: Location, columns: tuple[str, ...], rows: list[Mapping[str, Any]]) -> None:
    """A workbook with one sheet, as importers read no other."""
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "book.xlsx"
        write_xlsx(local, "products", columns, rows)
        file.write_bytes(local.read_bytes())
