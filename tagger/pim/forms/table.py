"""Tables: one row for each product, one column for each field."""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.manifest.spelling import clean
from tagger.manifest.tables.opening import open_table
from tagger.manifest.tables.table import TableFile
from tagger.notices import Notices
from tagger.pim.fields import Field
from tagger.pim.forms.base import Document, Record
from tagger.pim.forms.numbered import cells_by_attribute, is_numbered, rewritten
from tagger.pim.values import Values, joined, split, written
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.documents.target import Target
from tagger.schemas.tables.item import Role
from tagger.schemas.wording import did_you_mean

_ROWS = 20_000
_MOST_BAD = 5
_PAIR = "="


class TableForm:
    """CSV, a workbook, JSON Lines or Parquet.

    Args:
        target: The target.
        key: The column by which an import finds a product, as the map has it.
        item: The column of the run's ids.
        fields: What is written.
        further: Columns that decide about values.
    """

    def __init__(self, target: Target, key: str, item: str, fields: Sequence[Field], further: Sequence[str]) -> None:
        self.key = key
        self.has_other_columns = False
        self._target, self._item, self._fields, self._further = target, item, fields, further
        self._headings = {field.heading: field.heading for field in fields}
        self._carried = {name: name for name in target.carry}

    def records(self, files: Sequence[Location], notices: Notices) -> Iterator[Record]:
        """The products of an export."""
        product: Record | None = None
        for file in files:
            options = ManifestFormat(
                delimiter="tab" if self._target.delimiter == "\t" else "auto"
            )  # shops change the others
            table = open_table(file, options, self._role_of, notices)
            names = self._names(file, table)
            bad = 0
            for chunk in table.chunks(_ROWS):
                bad += len(chunk.bad)
                for each in chunk.bad[: max(0, _MOST_BAD - bad + len(chunk.bad))]:
                    notices.add(f"{file}, line {each.line}: {each.message}; its product counts as gone")
                columns = {name: chunk.table[name].to_pylist() for name in names}
                for number in range(len(chunk.table)):
                    row = {name: str(cells[number] or "") for name, cells in columns.items()}
                    record = self._record(row)
                    if record is None:
                        continue
                    if self._target.key.several_rows and product is not None and product.key == record.key:
                        record = product._replace(id=record.id)
                    else:
                        product = record
                    yield record

    def documents(self, record: Record, values: Mapping[Field, Values]) -> Iterator[tuple[str, Document]]:
        """One row, and for what an import cannot take away, one for each value to take away by hand."""
        row: dict[str, object] = {self.key: record.key}
        row.update({name: record.rest[name] for name in self._target.carry if record.rest.get(name)})
        numbered = {}
        for field, all_values in values.items():
            if field.form.shape == "numbered":
                numbered[field] = all_values
                continue
            heading = self._headings.get(field.heading, field.heading)
            new = all_values
            if field.form.writing == "append":
                before = set(map(field.spelling.key, record.values.get(field.heading, ())))
                after = set(map(field.spelling.key, all_values))
                new = tuple(value for value in all_values if field.spelling.key(value) not in before)
                for old in record.values.get(field.heading, ()):
                    if field.spelling.key(old) not in after:
                        yield f"take-away-{heading}", {self.key: record.key, heading: old}
                if not new:
                    continue
            texts = [written(field.form, value) for value in new]
            row[heading] = joined(field.form, texts) if texts else field.form.erase
        if numbered and self._target.numbered:
            row.update(rewritten(self._target.numbered, record.rest, numbered))
        if len(row) > 1 + len(self._carried):
            yield "", row

    def _record(self, row: Mapping[str, str]) -> Record | None:
        """A row as a product; None where it is of something else, or has no key."""
        other = self._target.only_rows_without
        key, item = row[self.key], clean(row[self._item])
        if not key.strip() or (other and row.get(other, "").strip()):
            return None
        packed = _pairs(row.get(self._target.packed, "")) if self._target.packed else {}
        numbered = self._target.numbered
        attributes = cells_by_attribute(numbered, row) if numbered else {}
        values = {}
        for field in self._fields:
            match field.form.shape:
                case "numbered":
                    cell = attributes.get(field.heading, "")
                case "packed":
                    cell = row.get(field.heading) or packed.get(field.heading.lower(), "")
                case _:
                    cell = row.get(self._headings[field.heading], "")
            values[field.heading] = split(field.form, cell)
        kept = (*self._target.carry, *self._further)
        rest = {name: row[self._carried.get(name, name)] for name in kept if row.get(self._carried.get(name, name))}
        if numbered:
            rest.update({name: cell for name, cell in row.items() if cell and is_numbered(numbered, name)})
        return Record(item, key, values, rest)

    def _names(self, file: Location, table: TableFile) -> list[str]:
        """The columns that are read; the headings of what is written become those of the export.

        Raises InputError when one is missing.
        """
        columns = table.columns
        self.key = self._present(file, columns, (self.key, *self._target.key.headings), "--map: key", True)
        self._item = self._present(file, columns, (self._item, *self._target.key.headings), "--map: id", True)
        names = {self.key, self._item}
        for field in self._fields:
            if field.form.shape == "numbered":
                continue
            is_needed = field.form.shape == "cell" and not field.map.new
            headings = (field.heading, *(h for h in field.form.headings if "*" not in h))
            found = self._present(file, columns, headings, f"--map: {field.heading}", is_needed)
            if found in columns:
                self._headings[field.heading] = found
                names.add(found)
        for name in self._carried:
            self._carried[name] = self._present(file, columns, (name,), f"{self._target.title}", True)
        further = [self._present(file, columns, (name,), f"--map: of: {name}", True) for name in self._further]
        optional = (self._target.packed, self._target.only_rows_without)
        names |= {*self._carried.values(), *further, *(name for name in optional if name in columns)}
        numbered = self._target.numbered
        if numbered:
            names |= {name for name in columns if is_numbered(numbered, name)}
        self.has_other_columns |= not names.issuperset(columns)
        return [name for name in columns if name in names]

    def _present(self, file: Location, columns: Sequence[str], names: Sequence[str], where: str, needed: bool) -> str:
        """The first of several names that is a column; the first of all where none has to be."""
        found = next((name for name in names if name in columns), None)
        if found is None and needed:
            new = "; a column that the PIM does not have yet is marked with new: true" if "map: " in where else ""
            raise InputError(
                f"{file} has no column {names[0]!r}{did_you_mean(names[0], columns)}, which {where} needs{new}"
            )
        return found or names[0]

    def _role_of(self, name: str) -> Role | None:
        """A workbook's first sheet with a column of keys is read, and the last cell of a row of CSV is no free text."""
        keys = (self.key, self._item, *self._target.key.headings)
        return Role.ID if any(fnmatch.fnmatchcase(name, key) for key in keys if key != "*") else Role.IMAGE_URI


def _pairs(cell: str) -> dict[str, str]:
    """CODE=VALUE pairs with commas between them; a part without = goes on with the last value."""
    pairs: dict[str, str] = {}
    code = ""
    for part in cell.split(","):
        name, equals, value = part.partition(_PAIR)
        if equals:
            code = name.strip().lower()
            pairs[code] = value
        elif code:
            pairs[code] += f",{part}"
    return pairs
