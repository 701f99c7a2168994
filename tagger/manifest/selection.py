"""Which rows of a manifest a run takes, and why it leaves the others alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError, UsageError
from tagger.io.location import first_line
from tagger.manifest.batch import Batch
from tagger.manifest.headings import listed, nearest
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.manifest.ordered_cells import as_moment, as_number
from tagger.schemas.documents.taxonomy import Level

TEXT = "text:"
"""Before the value of --since: compare as text."""


class KnownTags(Protocol):
    """What earlier runs and people said of items."""

    def recall(self, items: pa.Table) -> tuple[list[str | None], list[bytes | None]]:
        """What is known of the items of a shard, by ITEM and the columns that it keeps besides.

        Returns:
            For every item the digest of the image that need not be looked at again, and where its stored prediction is
            decided otherwise now, that prediction.
        """
        ...

    def etags(self, items: pa.Table, digests: Sequence[str | None]) -> list[str | None]:
        """For every item the ETag under which its server gave the image of that digest, if it did.

        Args:
            items: As for `recall`.
            digests: What `recall` gave; None for an item whose image must be looked at, whatever it is.
        """
        ...

    def knows(self, ids: Sequence[str]) -> list[bool]:
        """Whether an earlier run tagged the item, or a person decided about it."""
        ...


@dataclass(frozen=True)
class Selection:
    """Rules that leave rows alone, and what is known of the others."""

    rules: Sequence[tuple[str, Callable[[Batch], np.ndarray]]] = ()
    """Reason, and which rows of a batch to leave alone for it, bool [N]."""
    known: KnownTags | None = field(default=None)

    def skipped(self, batch: Batch) -> list[str]:
        """For every item the first reason to leave it alone, or an empty text."""
        reasons = np.full(len(batch.items), "", object)
        for reason, rule in self.rules:
            reasons[rule(batch) & (reasons == "")] = reason
        return list(reasons)

    def remarks(self) -> list[str]:
        """What people should know of the rows that were read."""
        rules = [rule for _, rule in self.rules if isinstance(rule, Before) and rule.without_value]
        return [
            f"{rule.flag}: {rule.without_value:,} items have no value in {rule.column}, and are taken" for rule in rules
        ]


EVERYTHING = Selection()


def tagged(batch: Batch) -> np.ndarray:
    """Items that have both labels, bool [N]."""
    if not {str(level) for level in Level} <= set(batch.items.schema.names):
        return np.zeros(len(batch.items), bool)
    both = pc.and_(*(pc.is_valid(batch.items[level]) for level in Level))
    return np.asarray(both.to_numpy(zero_copy_only=False), bool)


def already_labelled(manifest: Manifest) -> Callable[[Batch], np.ndarray]:
    """The rule of --untagged-only: which items have both labels.

    Raises UsageError where the manifest lacks a label column: the flag could leave nothing alone. The rule raises
    InputError for a file of the manifest that lacks one.
    """
    missing = manifest.why_unlabelled()
    if missing:
        raise UsageError(f"--untagged-only: the manifest has {missing}")

    def rule(batch: Batch) -> np.ndarray:
        absent = [str(level) for level in Level if str(level) not in batch.items.schema.names]
        if absent:
            raise InputError(f"{batch.file}: --untagged-only: this file has no column {absent[0]!r}, which others have")
        return tagged(batch)

    return rule


class Before:
    """Items whose column has a value before a given one.

    The value says how the column is read: as a number, as an ISO 8601 date or time, or as text where it begins with
    TEXT. An item whose cell has no value is not before it, and is counted: better tagged once more than never.

    Args:
        column: The column, by its own name or its role's.
        value: What --since gives.
        columns: Those of the manifest.
        no_value: What counts as an empty cell.

    Raises:
        UsageError: when there is no such column, or the value is none of these.
    """

    def __init__(self, column: str, value: str, columns: Sequence[str], no_value: NoValue | None = None) -> None:
        self.flag = f"--since {column}={value}"
        if column not in columns:
            near = nearest(column, columns)
            hint = f", perhaps {near!r}" if near else ""
            raise UsageError(f"{self.flag}: the manifest has no column {column!r}{hint}; it has {listed(columns)}")
        self.column = column
        self.without_value = 0
        """Items whose cell had no value."""
        self._no_value = no_value or NoValue()
        self._read, self._kind, self._example = _reader(value)
        self._value = self._read(value.removeprefix(TEXT) if self._kind == "text" else value)
        if self._value is None or not value.removeprefix(TEXT).strip():
            text = f"{column}={TEXT}{value.removeprefix(TEXT) or 'VALUE'}"
            raise UsageError(
                f"{self.flag}: {value!r} is neither a number nor an ISO date or time, such as 2026-11-27 or "
                f"2026-11-27T03:00; to compare as text, say --since {text}"
            )

    def __call__(self, batch: Batch) -> np.ndarray:
        """Which rows of a batch lie before the value, bool [N].

        Raises InputError for a cell that cannot be read as the value is.
        """
        column = batch.column(self.column)
        if column is None:
            self.without_value += len(batch.items)
            return np.zeros(len(batch.items), bool)
        try:
            cells = pc.cast(column, pa.string())
        except pa.ArrowException as error:
            raise InputError(
                f"{batch.file}: {self.flag}: column {self.column!r} is {column.type}, which has no order: "
                f"{first_line(error)}"
            ) from error
        unique = pc.unique(cells)
        empty, before = [], []
        for cell in unique.to_pylist():
            empty.append(self._no_value.means_none(cell))
            read = None if empty[-1] else self._read(cell)
            if not empty[-1] and read is None:
                raise self._unread(batch, cells.to_pylist(), cell)
            before.append(read is not None and read < self._value)
        which = np.asarray(pc.index_in(cells, value_set=unique).to_numpy(), np.int64)
        self.without_value += int(np.array(empty, bool)[which].sum()) if len(which) else 0
        return np.array(before, bool)[which] if len(which) else np.zeros(0, bool)

    def _unread(self, batch: Batch, cells: Sequence[str | None], cell: str) -> InputError:
        row = cells.index(cell)
        other = "a date" if as_moment(cell) is not None else "a number" if as_number(cell) is not None else None
        return InputError(
            f"{batch.file}, line {batch.positions[row] + 1}: {self.flag}: {cell!r} in column {self.column!r} of "
            f"{batch.items['id'][row]} is no {self._kind}, such as {self._example}; nothing was tagged. "
            + (f"Give --since {other}" if other else "Write the cells so")
            + f", or compare as text with --since {self.column}={TEXT}VALUE"
        )


_Read = Callable[[str], Any]


def _reader(value: str) -> tuple[_Read, str, str]:
    """How the cells of --since are read, what they then are, and an example of one."""
    if value.startswith(TEXT):
        return str, "text", "a"
    if as_number(value) is not None:
        return as_number, "number", value.strip()
    return as_moment, "ISO date or time", "2026-11-27"
