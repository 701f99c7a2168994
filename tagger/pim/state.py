"""What the PIM has now, by the run's ids; and why an id is not there."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.pim.fields import Field
from tagger.pim.forms.base import Record
from tagger.schemas.documents.target import KeyForm

ABSENT, AMBIGUOUS = -1, -2
_CHUNK = 20_000
_EXPONENT = re.compile(r"\d([.,]\d+)?E[+-]?\d+", re.IGNORECASE)
_ZEROS = re.compile(r"^0+(?=.)")


@dataclass
class Doubts:
    """What is odd about an export, each with the first few that show it."""

    exponents: list[str] = field(default_factory=list)
    """Ids that a spreadsheet has turned into numbers, such as 1.0E+12."""
    twice: list[str] = field(default_factory=list)
    """Ids of two products."""


class State:
    """Products by id, in Arrow columns: a million takes a few hundred megabytes.

    Args:
        records: The products; the first of several with one id counts, and its id is ambiguous.
        fields: What is written.
        key: How the target finds a product.
    """

    def __init__(self, records: Iterable[Record], fields: Sequence[Field], key: KeyForm) -> None:
        self.doubts = Doubts()
        self.products = 0
        """Number of distinct keys."""
        self._fields = list(fields)
        self._ignores_case, self._several_rows = key.ignores_case, key.several_rows
        self._rows: dict[str, int] = {}
        self._folded: dict[str, int] = {}
        self._ambiguous: set[str] = set()
        self._table = self._read(records)

    def __len__(self) -> int:
        return len(self._table)

    def find(self, item: str) -> int:
        """The row of an id; ABSENT without one, AMBIGUOUS where two products have it."""
        if item in self._ambiguous:
            return AMBIGUOUS
        row = self._rows.get(item)
        if self._ignores_case:
            folded = self._folded.get(item.casefold(), ABSENT)
            return folded if row is None or folded == AMBIGUOUS else row
        return ABSENT if row is None else row

    def record(self, row: int) -> Record:
        """The product of a row."""
        cells = {name: self._table[name][row].as_py() for name in self._table.schema.names}
        values = {f.heading: tuple(cells[f"value {f.heading}"]) for f in self._fields}
        return Record(cells["id"], cells["key"], values, json.loads(cells["rest"]))

    def records(self) -> Iterator[Record]:
        """All products."""
        return map(self.record, range(len(self)))

    @property
    def shares_products(self) -> bool:
        """Whether several ids may be of one product."""
        return self._ignores_case or self.products < len(self._rows)

    def seen(self, each: Field) -> list[str]:
        """All values of a field, as they are written; of paths, their beginnings, too."""
        column = self._table[f"value {each.heading}"].combine_chunks()
        values = pc.unique(pc.list_flatten(column)).to_pylist() if len(column) else []
        separator = each.form.level or ("/" if each.form.begins else None)
        if separator is None:
            return values
        return list(dict.fromkeys(beginning for value in values for beginning in _beginnings(value, separator)))

    def near(self, items: Sequence[str]) -> dict[str, str]:
        """Of ids that are not there, those that differ from one that is by case or by leading zeros alone."""
        wanted: dict[str, str] = {}
        for item in items:
            wanted.setdefault(_loose(item), item)
        return {wanted[loose]: there for there in self._rows if (loose := _loose(there)) in wanted}

    def live(self, each: Field) -> int:
        """Number of products that have a value of a field; of a list, one that names a class."""
        column = self._table[f"value {each.heading}"].combine_chunks()
        if not each.is_list:
            return int(np.count_nonzero(np.diff(np.asarray(column.offsets)))) if len(column) else 0
        keys = each.spelling.key
        return sum(any(keys(v) in each.managed for v in values) for values in column.to_pylist() if values)

    def _read(self, records: Iterable[Record]) -> pa.Table:
        schema = pa.schema(
            [("id", pa.string()), ("key", pa.string()), ("rest", pa.string())]
            + [(f"value {f.heading}", pa.list_(pa.string())) for f in self._fields]
        )
        chunks: list[pa.RecordBatch] = []
        waiting: list[dict[str, object]] = []
        count = 0
        last_key = None
        for record in records:
            is_same_product = self._several_rows and record.key == last_key
            if not is_same_product:
                self.products += 1
                last_key = record.key
            if _EXPONENT.fullmatch(record.id):
                self.doubts.exponents.append(record.id)
            if not record.id or not self._add(record, count, is_same_product):
                continue
            waiting.append(
                {"id": record.id, "key": record.key, "rest": json.dumps(record.rest)}
                | {f"value {name}": list(values) for name, values in record.values.items()}
            )
            count += 1
            if len(waiting) == _CHUNK:
                chunks.append(pa.RecordBatch.from_pylist(waiting, schema))
                waiting = []
        chunks.append(pa.RecordBatch.from_pylist(waiting, schema))
        return pa.Table.from_batches(chunks).combine_chunks()

    def _add(self, record: Record, row: int, is_same_product: bool) -> bool:
        """Take an id; False for one that is there already, which is ambiguous where another product has it."""
        if record.id in self._rows:
            if not is_same_product:
                self._ambiguous.add(record.id)
                self.doubts.twice.append(record.id)
            return False
        self._rows[record.id] = row
        if self._ignores_case:
            folded = record.id.casefold()
            self._folded[folded] = AMBIGUOUS if folded in self._folded else row
        return True


def _beginnings(path: str, separator: str) -> Iterator[str]:
    """A path's parents, and itself."""
    for at, character in enumerate(path):
        if character == separator and path[max(0, at - 1)] != "\\":
            yield path[:at].rstrip()
    yield path


def _loose(text: str) -> str:
    """A text without what a spreadsheet takes away, or a PIM does not look at."""
    return _ZEROS.sub("", text.strip().casefold())
