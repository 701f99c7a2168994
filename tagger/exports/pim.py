"""CSV for a PIM system: nothing but rows to set, ids to the letter, no empty cell, no byte order mark.

An empty cell erases what the PIM has (Akeneo, Shopify), so an item whose article type nobody is sure of has a row in a
file without that column, and each further tag (attribute) has files of its own. A PIM matches by id, so a cell is what
it is, also where a spreadsheet would take it for a formula: these files are for importers, and `formula_like` counts
what to mind when a spreadsheet opens one.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tagger.exports.csv import harmless
from tagger.schemas.tables.final_tag import TagState


@dataclass(frozen=True)
class PimFile:
    """One kind of file: which items it has, and which columns of theirs."""

    name: str
    state: TagState
    columns: tuple[str, ...]

    def rows(self, tags: pa.Table) -> pa.Table:
        """Of tags by FINAL_TAG those that the file sets, with its columns."""
        return tags.filter(pc.equal(tags["state"], str(self.state))).select(list(self.columns))


PIM_FILES = (
    PimFile("tags", TagState.COMPLETE, ("id", "masterCategory", "articleType")),
    PimFile("tags-master-only", TagState.MASTER_ONLY, ("id", "masterCategory")),
)


def rows_by_attribute(tags: pa.Table) -> dict[str, pa.Table]:
    """The further tags of tags by FINAL_TAG, by name: one row per item that has it, with id and, as NAME, the value."""
    lists = tags["attributes"].combine_chunks()
    ids = tags["id"].combine_chunks().take(pc.list_parent_indices(lists))
    each = pc.list_flatten(lists)
    names, values = pc.struct_field(each, "name"), pc.struct_field(each, "value")
    of = {name: pc.equal(names, name) for name in pc.unique(names).to_pylist()}
    return {name: pa.table([ids.filter(rows), values.filter(rows)], ["id", name]) for name, rows in of.items()}


def pim_csv(rows: pa.Table, names: Mapping[str, str]) -> bytes:
    """Rows as CSV (RFC 4180, but lines end in a line feed alone) in UTF-8.

    Args:
        rows: Texts, none of them null or empty.
        names: What columns are called in the PIM, where it is not as here.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([names.get(name, name) for name in rows.schema.names])
    quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)  # the other leaves a carriage return bare
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        (quoting if any("\r" in cell for cell in row) else writer).writerow(row)
    return out.getvalue().encode()


def formula_like(rows: pa.Table) -> int:
    """How many cells a spreadsheet would take for a formula."""
    return sum(harmless(text) != text for column in rows.columns for text in column.to_pylist())
