"""Selects the rows of a manifest that a run processes, and gives the reason for each skipped one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

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
"""Prefix of the value of --since that compares as text."""


class Recall(NamedTuple):
    """What earlier runs know of some items; each field has one entry per item."""

    digests: list[str | None]
    """Digest of an image that need not be processed again."""
    outcomes: list[bytes | None]
    """The stored prediction where the present policy decides it differently."""
    images: list[list[str | None] | None]
    """Digests of an item's several images that need not be processed again; None in it for one without bytes."""


class KnownTags(Protocol):
    """Results of earlier runs, and decisions of people."""

    def recall(self, items: pa.Table) -> Recall:
        """Known results for the items of a shard."""
        ...

    def etags(self, items: pa.Table, digests: Sequence[str | None]) -> list[str | None]:
        """For each item the ETag that its server sent with the image of that digest, if any.

        Args:
            items: As for `recall`.
            digests: From `recall`; None for an item whose image must be processed in any case.
        """
        ...

    def is_unchanged(self, items: pa.Table, etags: Sequence[str | None]) -> np.ndarray:
        """Items whose image is known to have its known ETag still, bool [N].

        Args:
            items: As for `recall`.
            etags: From `etags`.
        """
        ...

    def knows(self, ids: Sequence[str]) -> list[bool]:
        """Whether an earlier run tagged each item, or a person decided it."""
        ...


@dataclass(frozen=True)
class Selection:
    """Rules that skip rows, and known results for the others."""

    rules: Sequence[tuple[str, Callable[[Batch], np.ndarray]]] = ()
    """Pairs of a reason and a function that returns the rows of a batch to skip for it, bool [N]."""
    known: KnownTags | None = field(default=None)

    def skipped(self, batch: Batch) -> list[str]:
        """For each item the first reason to skip it, or an empty text."""
        reasons = np.full(len(batch.items), "", object)
        for reason, rule in self.rules:
            reasons[rule(batch) & (reasons == "")] = reason
        return list(reasons)

    def remarks(self) -> list[str]:
        """Remarks for the user about the rows that were read."""
        return [
            f"{rule.flag}: {rule.without_value:,} items have no value in {rule.column}, and are taken"
            for rule in self._before
            if rule.without_value
        ]

    def without_value(self) -> list[int]:
        """For each rule of --since, the items that had no value."""
        return [rule.without_value for rule in self._before]

    def add_without_value(self, counts: Sequence[int]) -> None:
        """Add what copies of this selection have counted; see `without_value`."""
        for rule, count in zip(self._before, counts, strict=True):
            rule.without_value += count

    @property
    def _before(self) -> "list[Before]":
        return [rule for _, rule in self.rules if isinstance(rule, Before)]


EVERYTHING = Selection()


def tagged(batch: Batch) -> np.ndarray:
    """Items that have both labels, bool [N]."""
    if not {str(level) for level in Level} <= set(batch.items.schema.names):
        return np.zeros(len(batch.items), bool)
    both = pc.and_(*(pc.is_valid(batch.items[level]) for level in Level))
    return np.asarray(both.to_numpy(zero_copy_only=False), bool)


def already_labelled(manifest: Manifest) -> Callable[[Batch], np.ndarray]:
    """The rule of --untagged-only: skip items that have both labels.

    Raises UsageError where the manifest lacks a label column: the flag could skip nothing. The rule raises
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
    """The rule of --since: skip items whose column has an earlier value.

    The value decides how the column is read: as a number, as an ISO 8601 date or time, or as text where it begins with
    TEXT. An item whose cell has no value is kept, and counted: better tagged once more than never.

    Args:
        column: The column, by its name or its role's.
        value: The value of --since.
        columns: The manifest's columns.
        no_value: What counts as an empty cell.

    Raises:
        UsageError: when the column does not exist, or the value is none of these.
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
        """The items of a batch with an earlier value, in all rows that have one; bool [N].

        Raises InputError for a cell that cannot be read like the value.
        """
        is_before, is_empty = self._compare(batch)
        self.without_value += int(is_empty.sum())
        if batch.further is not None:  # an item with a new image is not old
            further_before, further_empty = self._compare(batch.further.rows)
            is_before[batch.further.items[~further_before & ~further_empty]] = False
        return is_before

    def _compare(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """For each row of a batch, whether it has an earlier value, and whether it has none; both bool [N]."""
        column = batch.column(self.column)
        if column is None:
            return np.zeros(len(batch.items), bool), np.ones(len(batch.items), bool)
        try:
            cells = pc.cast(column, pa.string())
        except pa.ArrowException as error:
            raise InputError(
                f"{batch.file}: {self.flag}: column {self.column!r} is {column.type}, which has no order: "
                f"{first_line(error)}"
            ) from error
        unique = pc.unique(cells)
        is_empty, is_before = [], []
        for cell in unique.to_pylist():
            is_empty.append(self._no_value.means_none(cell))
            read = None if is_empty[-1] else self._read(cell)
            if not is_empty[-1] and read is None:
                raise self._unread(batch, cells.to_pylist(), cell)
            is_before.append(read is not None and read < self._value)
        indices = np.asarray(pc.index_in(cells, value_set=unique).to_numpy(), np.int64)
        return np.array(is_before, bool)[indices], np.array(is_empty, bool)[indices]

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
    """A parser for the cells of --since, the name of their kind, and an example."""
    if value.startswith(TEXT):
        return str, "text", "a"
    if as_number(value) is not None:
        return as_number, "number", value.strip()
    return as_moment, "ISO date or time", "2026-11-27"
