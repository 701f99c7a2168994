"""Takes back what exports wrote, and leaves alone what somebody has changed since."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tagger.pim.fields import Field
from tagger.pim.forms.base import Record
from tagger.pim.values import Values


@dataclass(frozen=True)
class Restored:
    """One product's values after an undo, and why others stay."""

    record: Record
    values: Mapping[Field, Values]
    taken_back: tuple[Mapping[str, Any], ...]
    """The changes that are undone, by CHANGE."""
    left_alone: tuple[Mapping[str, Any], ...]
    """Those whose value somebody has changed since."""


@dataclass
class UndoReport:
    """What an undo restores."""

    restored: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Products by field, the value that goes, and what is there again."""
    left_alone: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Key, field, what an export wrote, and what is there now."""
    gone: list[str] = field(default_factory=list)
    """Keys of products that are no longer there."""
    products: int = 0


def undo(record: Record, changes: Sequence[Mapping[str, Any]], fields: Mapping[str, Field]) -> Restored:
    """Restore one product.

    Args:
        record: What it has now.
        changes: What exports wrote, by CHANGE, the newest first.
        fields: Of the map, by heading.
    """
    now: dict[str, Values] = dict(record.values)
    done: list[Mapping[str, Any]] = []
    stays: list[Mapping[str, Any]] = []
    denied: set[str] = set()
    for change in changes:
        each = fields.get(change["heading"])
        if each is None:
            continue
        if each.heading in denied:  # a later one stays, and stands on this
            continue
        before = _undone(each, now.get(each.heading, ()), change)
        if before is None:
            denied.add(each.heading)
            stays.append(change)
            continue
        now[each.heading] = before
        done.append(change)
    changed = {change["heading"] for change in done}
    restored = {each: now[each.heading] for each in fields.values() if each.heading in changed}
    return Restored(record, restored, tuple(done), tuple(stays))


def _undone(each: Field, now: Values, change: Mapping[str, Any]) -> Values | None:
    """A field's values without a change; None where somebody has taken its value away or put another one there."""
    key = each.spelling.key
    value, before = key(change["value"]), tuple(change["before"])
    if value not in map(key, now):
        return None
    if not each.is_list or list(map(key, now)) == list(map(key, change["after"])):
        return before
    kept = [one for one in now if key(one) != value]
    there = set(map(key, kept))
    return (*kept, *(one for one in change["took"] if key(one) not in there))
