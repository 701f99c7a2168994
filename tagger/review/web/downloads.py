"""Files to take away from a review: final tags, decisions, and duplicates, as Parquet, as CSV and as a workbook."""

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from tagger.decisions.final_tags import PREDICTED, final_tags, newest_by_id, refit_tags
from tagger.decisions.read import refit_rows, standing_rows
from tagger.exports.csv import csv_bytes
from tagger.exports.tag_files import TagFiles
from tagger.exports.xlsx import write_xlsx
from tagger.io.location import Location
from tagger.io.parquet import write_parquet, write_parquet_tables
from tagger.review.store.records import Group
from tagger.review.store.review import ReviewStore
from tagger.runs.directory import RunDirectory
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.duplicate import DUPLICATE_ANSWER
from tagger.schemas.tables.final_tag import FINAL_TAG

What = Literal["tags", "decisions", "duplicates"]
Suffix = Literal["parquet", "csv", "xlsx"]
_SCHEMAS: Mapping[What, pa.Schema] = {"tags": FINAL_TAG, "decisions": DECISION, "duplicates": DUPLICATE_ANSWER}


@dataclass(frozen=True)
class Downloads:
    """What a review's people take away.

    Tags as CSV are for a PIM's import: what is to be set and nothing else, since an empty cell would erase a tag there.
    Where that takes several files, as for items of which only the category is known, they come in one ZIP. All else
    has every row, and further tags as columns in the workbook.
    """

    store: ReviewStore
    run: RunDirectory
    attributes: Sequence[str] = ()
    """Names of the run's further tags."""

    def write(self, what: What, suffix: Suffix, folder: Path) -> Path:
        """Write one file into an empty folder; return it.

        Args:
            what: `tags` are a person's, else a refit's or the model's if it was accepted, for all items of the run;
                `decisions` are those of the people that stand; `duplicates` are answers about groups of items with one
                picture.
            suffix: The format.
            folder: Where to.
        """
        file = folder / f"{what}.{suffix}"
        if what == "duplicates":
            return self._duplicates(suffix, file)
        tables = self._tags() if what == "tags" else standing_rows(self.store)
        if suffix == "xlsx":
            columns = [name for name in _SCHEMAS[what].names if name != "attributes"]
            write_xlsx(file, what.capitalize(), [*columns, *self._further(columns)], self._flat(tables))
        elif suffix == "parquet":
            write_parquet_tables(Location(str(file)), _SCHEMAS[what], tables)
        elif what == "tags":
            return _pim_files(tables, folder)
        else:
            table = pa.concat_tables([DECISION.empty_table(), *tables])
            file.write_bytes(csv_bytes(pa.Table.from_pylist(list(self._flat([table])), self._csv_schema())))
        return file

    def _duplicates(self, suffix: Suffix, file: Path) -> Path:
        """Write what people said about groups of duplicates, a row an item."""
        rows = chain.from_iterable(map(_answer_rows, self.store.groups.answered()))
        if suffix == "parquet":
            write_parquet(Location(str(file)), pa.Table.from_pylist(list(rows), DUPLICATE_ANSWER))
            return file
        words = (row | {"samePicture": "yes" if row["samePicture"] else "no"} for row in rows)
        if suffix == "xlsx":
            write_xlsx(file, "Duplicates", DUPLICATE_ANSWER.names, words)
            return file
        position = DUPLICATE_ANSWER.get_field_index("samePicture")
        in_words = DUPLICATE_ANSWER.set(position, pa.field("samePicture", pa.string()))
        file.write_bytes(csv_bytes(pa.Table.from_pylist(list(words), in_words)))
        return file

    def _tags(self) -> Iterator[pa.Table]:
        return final_tags(
            self.run.batches(PREDICTED), newest_by_id(standing_rows(self.store)), refit_tags(refit_rows(self.store))
        )

    def _further(self, columns: Sequence[str]) -> list[str]:
        """Headings of the further tags; one that is called as another column is told apart from it."""
        return [f"{name} (further tag)" if name in columns else name for name in self.attributes]

    def _csv_schema(self) -> pa.Schema:
        fields = [f for f in DECISION if f.name != "attributes"]
        return pa.schema([*fields, *(pa.field(name, pa.string()) for name in self._further([f.name for f in fields]))])

    def _flat(self, tables: Iterable[pa.Table]) -> Iterator[dict[str, Any]]:
        """Rows with each further tag as a column of its own."""
        for row in chain.from_iterable(table.to_pylist() for table in tables):
            values = {each["name"]: each["value"] for each in row.pop("attributes") or ()}
            headings = self._further(list(row))
            yield row | {h: values.get(name) for h, name in zip(headings, self.attributes, strict=True)}


def _answer_rows(group: Group) -> Iterator[dict[str, Any]]:
    """Rows by DUPLICATE_ANSWER of a group that somebody has answered."""
    shared = {"group": group.found_as, "decidedBy": group.decided_by}
    for item in group.items:
        at = group.decided_at.replace(tzinfo=UTC) if group.decided_at else None
        yield {"id": item.id, "samePicture": group.same and item.id not in group.apart, "decidedAt": at, **shared}


def _pim_files(tables: Iterable[pa.Table], folder: Path) -> Path:
    """The files of `tagger apply` for a PIM: one CSV, or a ZIP of several."""
    files = TagFiles(Location(str(folder)), ("csv",), {})
    files.write(tables)
    with_rows = [name for name, rows in files.written.items() if rows]
    if len(with_rows) < 2:
        return (folder / next(iter(with_rows or files.written))).rename(folder / "tags.csv")
    packed = folder / "tags.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in with_rows:
            archive.write(folder / name, name)
    return packed
