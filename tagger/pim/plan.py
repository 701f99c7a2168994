"""Decides for every item what an export does with it, and which values change."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from tagger.pim.fields import ARTICLE, MASTER, Field, Missing
from tagger.pim.forms.base import Record
from tagger.pim.state import AMBIGUOUS, State
from tagger.pim.values import Values
from tagger.runs.exported import Exported
from tagger.schemas.tables.change import Outcome
from tagger.schemas.tables.final_tag import TagSource, TagState

Overwrite = Literal["none", "decided", "all"]
_WITHOUT_TAG = {TagState.FAILED: Outcome.FAILED, TagState.UNUSABLE: Outcome.UNUSABLE}
_SHOWN = 5


@dataclass(frozen=True)
class Wanted:
    """The value that a tag asks for."""

    value: str
    of: str
    """The classes and tags that it stands for."""
    source: str
    confidence: float | None
    is_rough: bool
    """Whether only the master category is known."""


@dataclass(frozen=True)
class Move:
    """One field's change of one product."""

    field: Field
    wanted: Wanted
    took: Values
    before: Values
    after: Values


@dataclass(frozen=True)
class Planned:
    """One item, and what becomes of it."""

    id: str
    run_id: str
    outcome: Outcome
    record: Record | None
    moves: tuple[Move, ...] = ()
    why: str = ""
    """What stands in the way of an item that is not set."""


@dataclass
class Findings:
    """What a person should know before an import, counted, with the first few of each."""

    unmapped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Items by fields, and by the class and tags that the map does not have for these."""
    kept: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Items by fields, the PIM's value, and the one that was not written."""
    held: Counter[str] = field(default_factory=Counter)
    """Items by reason."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The first ids by outcome, or by reason for what is held back."""

    def show(self, name: str, item: str) -> None:
        """Keep the id of an item, unless there are enough."""
        shown = self.examples.setdefault(name, [])
        if len(shown) < _SHOWN:
            shown.append(item)


class Planner:
    """Compares final tags with what the PIM has.

    Args:
        fields: What is written.
        state: What the PIM has; None where that is not known.
        exported: What earlier exports wrote.
        overwrite: Which other values may be replaced.
        refused: Says of a field's value why it is refused; None for most.
        held_by_proposal: Says of an item what becomes of it, where its move is not accepted; None for most.
        carry: Cells that each row needs.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        state: State | None,
        exported: Exported,
        overwrite: Overwrite,
        refused: Callable[[Field, str], str | None] = lambda each, value: None,
        held_by_proposal: Callable[[str], Outcome | None] = lambda item: None,
        carry: Sequence[str] = (),
    ) -> None:
        self.findings = Findings()
        self._fields, self._state, self._exported, self._overwrite = fields, state, exported, overwrite
        self._refused, self._held_by_proposal, self._carry = refused, held_by_proposal, carry
        self._disagreeing: set[str] = set()
        self._done: set[str] = set()

    def plan(self, tags: Iterable[pa.Table]) -> Iterator[Planned]:
        """One result for every item of final tags, by FINAL_TAG, in order."""
        tables = tags
        if self._state is not None and self._state.shares_products:
            tables = list(tags)
            self._disagreeing = self._find_disagreeing(tables)
        for table in tables:
            rows = table.to_pylist()
            found = [self._found(row["id"]) for row in rows]
            ours = self._ours([record.key for _, record in found if record is not None])
            for row, (held, record) in zip(rows, found, strict=True):
                planned = self._planned(row, held, record, ours)
                if planned.outcome is not Outcome.SET:
                    self.findings.show(planned.outcome, planned.id)
                yield planned

    def _found(self, item: str) -> tuple[str, Record | None]:
        """Why an item is held back, or nothing; and its product, None where the PIM does not have it."""
        if self._state is None:
            return "", Record(item, item, {}, {})
        row = self._state.find(item)
        if row == AMBIGUOUS:
            return "two products of --current have the id", None
        return "", self._state.record(row) if row >= 0 else None

    def _ours(self, keys: Sequence[str]) -> dict[str, dict[str, str | None]]:
        """What exports wrote into each field of products, by heading and key."""
        if not self._exported:
            return {}
        return {f.heading: dict(zip(keys, self._exported.values(f.heading, keys), strict=True)) for f in self._fields}

    def _planned(
        self, row: Mapping[str, Any], held: str, record: Record | None, ours: Mapping[str, Mapping[str, str | None]]
    ) -> Planned:
        item, run_id = row["id"], row["runId"]
        wanted, missing = self._wanted(row, record)
        if not wanted and not missing:
            return Planned(item, run_id, _WITHOUT_TAG.get(row["state"], Outcome.WAITING), record)
        if held:
            return self._held(item, run_id, held)
        if record is None:
            return Planned(item, run_id, Outcome.GONE, None)
        if (outcome := self._held_by_proposal(item)) is not None:
            return Planned(item, run_id, outcome, record)
        if lacks := [name for name in self._carry if self._state is not None and name not in record.rest]:
            return self._held(item, run_id, f"--current has no {lacks[0]} for it, which each row needs")
        if any(why is Missing.UNMAPPED for _, why, _ in missing):
            self._count_unmapped(missing)
            of = dict.fromkeys(of for _, why, of in missing if why is Missing.UNMAPPED)
            return Planned(item, run_id, Outcome.UNMAPPED, record, why="; ".join(of))
        for each, asked in wanted.items():
            if reason := self._refused(each, asked.value):
                return self._held(item, run_id, f"{each.heading}: {asked.value!r}: {reason}")
        if record.key in self._disagreeing:
            return self._held(item, run_id, "items of one product have different tags")
        if not wanted:
            return Planned(item, run_id, Outcome.LEFT_OUT, record)
        return self._compared(row, record, wanted, ours)

    def _has_a_type(self, record: Record, wanted: Mapping[Field, Wanted]) -> bool:
        """Whether a product has an article type that would stay as it is."""
        types = (each for each in self._fields if ARTICLE in each.map.of and each not in wanted)
        return any(record.values.get(each.heading) for each in types)

    def _count_unmapped(self, missing: Sequence[tuple[Field, Missing, str]]) -> None:
        headings: dict[str, list[str]] = {}
        for each, why, of in missing:
            if why is Missing.UNMAPPED:
                headings.setdefault(of, []).append(each.heading)
        self.findings.unmapped.update((", ".join(names), of) for of, names in headings.items())

    def _compared(
        self,
        row: Mapping[str, Any],
        record: Record,
        wanted: Mapping[Field, Wanted],
        ours: Mapping[str, Mapping[str, str | None]],
    ) -> Planned:
        item, run_id = row["id"], row["runId"]
        moves: list[Move] = []
        kept_fields: dict[tuple[str, str], list[str]] = {}
        for each, asked in wanted.items():
            written = ours.get(each.heading, {}).get(record.key)
            move, kept = self._move(each, asked, record.values.get(each.heading, ()), written)
            if move is not None:
                moves.append(move)
            elif kept is not None:
                kept_fields.setdefault((kept, asked.value), []).append(each.heading)
        self.findings.kept.update((", ".join(names), *values) for values, names in kept_fields.items())
        if kept_fields:  # what a person said of the class in one field, the others must not deny
            moves = [move for move in moves if not {MASTER, ARTICLE} & {*move.field.map.of}]
        if row[ARTICLE] is None and self._has_a_type(record, wanted):  # which may not be of the new master category
            settled = [move for move in moves if MASTER not in move.field.map.of]
            if len(settled) < len(moves) and not settled:
                return Planned(item, run_id, Outcome.WAITING, record)
            moves = settled
        if not moves:
            kept = "; ".join(f"{has}, not {wanted}" for has, wanted in kept_fields)
            return Planned(item, run_id, Outcome.KEPT if kept_fields else Outcome.UNCHANGED, record, why=kept)
        if self._state is not None and self._state.shares_products:
            if record.key in self._done:  # another item of the product has brought its row
                return Planned(item, run_id, Outcome.SET, record)
            self._done.add(record.key)
        return Planned(item, run_id, Outcome.SET, record, tuple(moves))

    def _held(self, item: str, run_id: str, reason: str) -> Planned:
        self.findings.held[reason] += 1
        self.findings.show(reason, item)
        return Planned(item, run_id, Outcome.HELD, None, why=reason)

    def _move(self, each: Field, asked: Wanted, before: Values, ours: str | None) -> tuple[Move | None, str | None]:
        """A field's change, if there is one; else the PIM's value that is kept, if that is why."""
        key = each.spelling.key
        goal = key(asked.value)
        if goal in map(key, before):
            return None, None
        mine = {key(ours)} if ours is not None else set()
        others = [value for value in before if not each.is_list or key(value) in each.managed | mine]
        if asked.is_rough and any(key(value) in each.exact for value in others):
            return None, None  # what is there says more
        may_replace = self._overwrite == "all" or (self._overwrite == "decided" and asked.source == TagSource.PERSON)
        foreign = [value for value in others if key(value) not in mine]
        if foreign and not may_replace:
            return None, foreign[0]
        after = (*(value for value in before if value not in others), asked.value)
        return Move(each, asked, tuple(others), before, after), None

    def _wanted(
        self, row: Mapping[str, Any], record: Record | None
    ) -> tuple[dict[Field, Wanted], list[tuple[Field, Missing, str]]]:
        """The values that an item's tags ask for, and the fields for which the map has none."""
        wanted: dict[Field, Wanted] = {}
        missing: list[tuple[Field, Missing, str]] = []
        further = {each["name"]: each for each in row["attributes"] or ()}
        tags = {**(record.rest if record else {})}
        tags |= {name: each["value"] for name, each in further.items() if not tags.get(name)}
        tags |= {MASTER: row[MASTER], ARTICLE: row[ARTICLE]}
        for each in self._fields:
            value, of = each.value_of(tags)
            if isinstance(value, str):
                source, confidence = _origin(each, row, further)
                is_rough = ARTICLE in each.map.of and row[ARTICLE] is None
                wanted[each] = Wanted(value, of, source, confidence, is_rough)
            elif value is not Missing.NOTHING_TO_SAY:
                missing.append((each, value, of))
        return wanted, missing

    def _find_disagreeing(self, tables: Iterable[pa.Table]) -> set[str]:
        """Products of which two items ask for different values."""
        asked: dict[str, dict[str, str]] = {}
        disagreeing = set()
        for table in tables:
            for row in table.to_pylist():
                _, record = self._found(row["id"])
                if record is None:
                    continue
                wanted, _ = self._wanted(row, record)
                values = {f.heading: w.value for f, w in wanted.items()}
                before = asked.setdefault(record.key, values)
                if any(before.get(name, value) != value for name, value in values.items()):
                    disagreeing.add(record.key)
        return disagreeing


def _origin(each: Field, row: Mapping[str, Any], further: Mapping[str, Mapping[str, Any]]) -> tuple[str, float | None]:
    """Where the tag of a field is from, and the model's confidence in it."""
    first = each.map.of[0]
    if first in further:
        return str(further[first]["source"]), further[first]["confidence"]
    level = ARTICLE if ARTICLE in each.map.of and row[ARTICLE] is not None else MASTER
    return str(row["source"] or ""), row[f"{level}Confidence"]
