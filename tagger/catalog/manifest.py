"""A shop's table of items, CSV or Parquet, as a stream of rows and rejects."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.catalog import REJECT, RejectReason, Role
from schemas.options import ManifestFormat
from schemas.taxonomy import Level
from tagger.catalog import headings, pixels
from tagger.catalog.csv_rows import BadRow, CsvRows, Row
from tagger.catalog.labels import LabelTally, Spellings, read_labels
from tagger.catalog.no_value import NoValue
from tagger.catalog.seen import SeenIds
from tagger.errors import InputError, UsageError
from tagger.storage import Location, first_line

BATCH_ROWS = 8192
PARQUET = (".parquet", ".pq")
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_TEXT_LIMIT = 2000
_LABELS = (Role.MASTER_CATEGORY, Role.ARTICLE_TYPE)
_TEXT_ROLES = (Role.ID, *_LABELS)


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one manifest file.

    `items` has the role columns under their role's name (`id` string, labels string or null) and every other
    column untouched, the image column's bytes left out. `rows` are 1-based numbers over the whole manifest,
    `positions` 0-based rows of the file; both int64, one an item.
    """

    file: Location
    items: pa.Table
    rows: np.ndarray
    positions: np.ndarray
    rejects: pa.Table
    names: dict[str, str]
    """From the file's own column names to those in `items`."""

    def column(self, name: str) -> pa.ChunkedArray | None:
        """A column by its own name or by its role's; None where the file has none."""
        current = name if name in self.items.schema.names else self.names.get(name)
        return None if current is None else self.items[current]


@dataclass
class Tally:
    """What has been read so far: rows = items + rejects; repairs are counted among the items."""

    rows: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    labels: LabelTally = field(default_factory=LabelTally)

    @property
    def repaired(self) -> int:
        """Items whose row was mended."""
        return sum(self.repairs.values())

    @property
    def rejected(self) -> int:
        """Rows that could not be read."""
        return sum(self.rejects.values())


class Labels(Protocol):
    """Labels from elsewhere, to be read in place of the manifest's own."""

    def over(self, batch: Batch) -> Batch:
        """A batch with these labels."""
        ...

    def fingerprint(self) -> str:
        """What changes when they do."""
        ...


@dataclass(frozen=True)
class _Chunk:
    """Rows of one file before ids are compared over the manifest: a table, where its rows lie, and bad rows."""

    table: pa.Table
    names: dict[str, str]
    places: np.ndarray
    rows: Sequence[Row] | None
    bad: list[BadRow]


class Manifest:
    """A file, a folder or a glob of CSV, Parquet or IDX labels, local or in a bucket.

    Raises UsageError when nothing is there or a mapped column is missing, InputError when it is not a table or has no
    id column.
    """

    def __init__(self, location: Location, table_format: ManifestFormat, flag: str = "--manifest") -> None:
        self.files = _find(location, flag)
        self.folder = _folder(location, self.files)
        self.tally = Tally()
        self._pixels: dict[str, bool] = {}
        self._format = table_format
        self._labels: Labels | None = None
        self._no_value = NoValue(table_format.no_value)
        self._spellings: Spellings | None = None
        self._columns = {Role(role): column for role, column in table_format.column.items()}
        self.columns = self._first_columns()

    def batches(self) -> Iterator[Batch]:
        """Read the manifest from its start, at most BATCH_ROWS rows at a time; `tally` counts along."""
        spellings = self.spellings()
        self.tally = Tally()
        with closing(SeenIds()) as seen:
            for file in self.files:
                for chunk in self._chunks(file):
                    batch = self._batch(file, chunk, seen)
                    batch = self._labels.over(batch) if self._labels else batch
                    yield dataclasses.replace(batch, items=spellings.over(batch.items)) if spellings else batch

    def spellings(self) -> Spellings | None:
        """Which spelling of each label is taken, where they are merged; the manifest is read once more for it."""
        if self._format.merge_spellings and self._spellings is None:
            counts: dict[Level, Counter[str]] = {level: Counter() for level in Level}
            for file in self.files:
                for chunk in self._chunks(file):
                    table = self._with_labels(chunk.table, file, LabelTally())
                    for level in set(Level) & set(table.schema.names):
                        counts[level].update(table[level].drop_null().to_pylist())
            self._spellings = Spellings.of(counts)
        return self._spellings

    def fingerprint(self) -> str:
        """What changes when the manifest does: its files with their sizes and times."""
        stamps = [f"{f}:{f.stamp()}" for f in self.files]
        return ";".join([*stamps, self._labels.fingerprint()] if self._labels else stamps)

    def relabel(self, labels: "Labels") -> None:
        """Read with other labels from now on."""
        self._labels = labels

    def why_unlabelled(self) -> str | None:
        """Say which label columns are missing, and which flags name them; None where both are there."""
        absent = [role for role in _LABELS if str(role) not in self.role_columns()]
        return headings.missing(absent, self.columns, self._columns.values()) if absent else None

    def role_columns(self) -> set[str]:
        """The roles that the manifest has a column for."""
        return {str(role) for role in Role if role in self._columns or str(role) in self.columns}

    def bytes_column(self) -> str | None:
        """The column that holds image bytes, where the manifest is Parquet and has one under the image role."""
        if not self.files[0].name.lower().endswith(PARQUET):
            return None
        name = self._columns.get(Role.IMAGE, Role.IMAGE)
        schema = open_parquet(self.files[0]).schema_arrow
        index = schema.get_field_index(name)
        return name if index >= 0 and is_image_type(schema.field(index).type) else None

    def holds_pixels(self, file: Location) -> bool:
        """Whether a file holds labels and raw pixels, as Fashion-MNIST does."""
        if not file.name.lower().endswith(CSV):
            return pixels.is_idx_labels(file)
        if str(file) not in self._pixels:
            with file.open() as stream:
                self._pixels[str(file)] = pixels.is_pixel_header(self._csv(stream, file).header)
        return self._pixels[str(file)]

    def _first_columns(self) -> list[str]:
        file = self.files[0]
        if file.name.lower().endswith(PARQUET):
            columns = list(open_parquet(file).schema_arrow.names)
        elif self.holds_pixels(file):
            columns = list(pixels.COLUMNS)
        else:
            with file.open() as stream:
                columns = self._csv(stream, file).header
        self._check_columns(file, columns)
        return columns

    def _chunks(self, file: Location) -> Iterator[_Chunk]:
        if file.name.lower().endswith(PARQUET):
            return self._parquet_chunks(file)
        return self._pixel_chunks(file) if self.holds_pixels(file) else self._csv_chunks(file)

    def _csv(self, stream: object, file: Location) -> CsvRows:
        return CsvRows(stream, str(file), self._format.delimiter, self._format.encoding)  # type: ignore[arg-type]

    def _csv_chunks(self, file: Location) -> Iterator[_Chunk]:
        with file.open() as stream:
            source = self._csv(stream, file)
            self._check_columns(file, source.header)
            rows = source.rows(last_is_text=self._role_of(source.header[-1]) is None)
            names = self._renamed(source.header)
            while found := list(islice(rows, BATCH_ROWS)):
                good = [r for r in found if isinstance(r, Row)]
                bad = [r for r in found if isinstance(r, BadRow)]
                columns = zip(*(r.fields for r in good), strict=True) if good else [()] * len(names)
                table = pa.table([pa.array(c, pa.string()) for c in columns], names=names)
                yield _Chunk(
                    table,
                    dict(zip(source.header, names, strict=True)),
                    np.array([r.line for r in good], np.int64),
                    good,
                    bad,
                )

    def _parquet_chunks(self, file: Location) -> Iterator[_Chunk]:
        source = open_parquet(file)
        schema = source.schema_arrow
        self._check_columns(file, schema.names)
        kept = [f.name for f in schema if not is_image_type(f.type) or self._role_of(f.name) in _TEXT_ROLES]
        start = 0
        try:
            for found in source.iter_batches(batch_size=BATCH_ROWS, columns=kept):
                names = self._renamed(kept)
                table = pa.table(found.columns, names=names)
                yield _Chunk(
                    table, dict(zip(kept, names, strict=True)), np.arange(start + 1, start + len(table) + 1), None, []
                )
                start += len(table)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{file}: cannot be read after row {start}: {first_line(error)}") from error

    def _pixel_chunks(self, file: Location) -> Iterator[_Chunk]:
        items = pixels.PixelTable.read(file).items(pixels.prefix_of(file))
        self._check_columns(file, items.schema.names)
        names = self._renamed(items.schema.names)
        table = items.rename_columns(names)
        for start in range(0, len(table), BATCH_ROWS):
            found = table.slice(start, BATCH_ROWS)
            places = np.arange(start + 1, start + len(found) + 1)
            yield _Chunk(found, dict(zip(items.schema.names, names, strict=True)), places, None, [])

    def _batch(self, file: Location, chunk: _Chunk, seen: SeenIds[int]) -> Batch:
        size = len(chunk.table)
        row_numbers = self.tally.rows + np.arange(1, size + 1, dtype=np.int64)
        ids = [None if self._no_value.means_no_id(item) else item for item in as_ids(chunk.table[Role.ID], file)]
        named = [(i, item) for i, item in enumerate(ids) if item]
        repeated = seen.add([item for _, item in named], [int(row_numbers[i]) for i, _ in named])
        bad = list(chunk.bad)
        drop = np.zeros(size, bool)
        for i, item in enumerate(ids):
            if not item:
                drop[i] = True
                bad.append(self._bad(chunk, i, RejectReason.BLANK_ID, "the id is blank, or says that there is none"))
        for position, first in repeated.items():
            i, _ = named[position]
            drop[i] = True
            message = f"id {ids[i]!r} was read before, at row {first}"
            bad.append(self._bad(chunk, i, RejectReason.DUPLICATE_ID, message))
        self.tally.rows += size + len(chunk.bad)
        self.tally.rejects.update(b.reason for b in bad)
        self.tally.repairs.update(r.repair for i, r in enumerate(chunk.rows or ()) if r.repair and not drop[i])
        items = chunk.table.set_column(chunk.table.schema.get_field_index(Role.ID), "id", pa.array(ids, pa.string()))
        keep = ~drop
        return Batch(
            file,
            self._with_labels(items.filter(pa.array(keep)), file, self.tally.labels),
            row_numbers[keep],
            chunk.places[keep] - 1,
            _reject_table(file, bad),
            chunk.names,
        )

    def _with_labels(self, items: pa.Table, file: Location, tally: LabelTally) -> pa.Table:
        for label in set(_LABELS) & set(items.schema.names):
            labels = read_labels(_as_text(items[label], file, label), label, self._no_value, tally)
            items = items.set_column(items.schema.get_field_index(label), str(label), labels)
        return items

    @staticmethod
    def _bad(chunk: _Chunk, i: int, reason: RejectReason, message: str) -> BadRow:
        text = chunk.rows[i].text if chunk.rows is not None else str(chunk.table.slice(i, 1).to_pylist()[0])
        return BadRow(int(chunk.places[i]), reason, message, text)

    def _check_columns(self, file: Location, columns: Sequence[str]) -> None:
        for role, column in self._columns.items():
            if column not in columns:
                hint = headings.did_you_mean(role, column, columns)
                raise UsageError(f"--column {role}={column}: {file} has {hint}")
        if Role.ID not in self._columns and Role.ID not in columns:
            raise InputError(f"{file}: {headings.missing([Role.ID], columns, self._columns.values())}")

    def _role_of(self, column: str) -> Role | None:
        for role, mapped in self._columns.items():
            if mapped == column:
                return role
        return Role(column) if column in list(Role) and Role(column) not in self._columns else None

    def _renamed(self, columns: Sequence[str]) -> list[str]:
        """Names with roles applied; a column that only looks like a mapped role is set apart as NAME_original."""
        return [
            str(role) if (role := self._role_of(c)) else f"{c}_original" if c in self._columns else c for c in columns
        ]


def is_image_type(kind: pa.DataType) -> bool:
    """Whether a Parquet column holds image bytes: binary, or the datasets library's struct<bytes, path>."""
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and is_image_type(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _folder(location: Location, files: Sequence[Location]) -> Location:
    """The folder that a manifest lies in, or is."""
    if location.is_dir():
        return location
    return files[0].parent


def _find(location: Location, flag: str) -> list[Location]:
    if location.is_glob:
        files = [f for f in location.glob() if f.name.lower().endswith(PARQUET + CSV + pixels.IDX_LABELS)]
    elif location.is_dir():
        files = location.files(PARQUET + CSV + pixels.IDX_LABELS)
    elif location.exists():
        return [location]
    else:
        raise UsageError(f"{flag}: there is no file, folder or glob {location}")
    idx = [pixels.is_idx_labels(f) for f in files]
    if any(idx) and not all(idx):
        raise UsageError(f"{flag}: {location} holds tables and IDX labels, perhaps of the same items; name one of them")
    if not files:
        raise UsageError(f"{flag}: there is no file of {', '.join(PARQUET + CSV)} in {location}")
    return files


def open_parquet(file: Location) -> pq.ParquetFile:
    """Open a Parquet file. Raises InputError when it is none."""
    try:
        return pq.ParquetFile(file.open_random())
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: not a readable Parquet file: {first_line(error)}") from error


def as_ids(column: pa.ChunkedArray, file: Location) -> list[str | None]:
    """Ids as stripped text; 15970.0, which a table with gaps makes of 15970, becomes 15970 again."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        whole = pc.equal(pc.floor(column), column)
        if pc.all(whole, min_count=0).as_py():
            column = pc.cast(column, pa.int64())
    text: list[str | None] = pc.utf8_trim_whitespace(_as_text(column, file, Role.ID)).to_pylist()
    return text


def _as_text(column: pa.ChunkedArray, file: Location, role: Role) -> pa.ChunkedArray:
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowException as error:
        raise InputError(
            f"{file}: the column of {role} is {column.type}, which is no text: {first_line(error)}"
        ) from error


def _reject_table(file: Location, bad: list[BadRow]) -> pa.Table:
    rows = [{"file": str(file), **dataclasses.asdict(b), "text": b.text[:_TEXT_LIMIT]} for b in bad]
    return pa.Table.from_pylist(sorted(rows, key=lambda r: r["line"]), schema=REJECT)
