"""The fields of a map, checked against their target: what is written where, and what a class becomes."""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property
from typing import Any

from tagger.errors import InputError
from tagger.pim.values import Spelling, what_is_wrong
from tagger.schemas.documents.export_map import ANY, SAME, ExportMap, FieldMap
from tagger.schemas.documents.target import RoleForm, Target
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.wording import did_you_mean, listed

MASTER, ARTICLE = str(Level.MASTER_CATEGORY), str(Level.ARTICLE_TYPE)
_SHOWN = 10


class Missing(Enum):
    """Why a field has no value for an item."""

    NOTHING_TO_SAY = auto()
    """Nobody is sure of what decides about it."""
    UNMAPPED = auto()
    LEFT_OUT = auto()


@dataclass(frozen=True, eq=False)
class Field:
    """One column or attribute of the PIM."""

    heading: str
    role: str
    form: RoleForm
    map: FieldMap
    siblings: frozenset[str] = frozenset()
    """Keys of further values that stand beside the map's, such as classes that the model does not know."""

    @property
    def is_list(self) -> bool:
        """Whether a product has several values."""
        return self.form.several is not None

    @cached_property
    def spelling(self) -> Spelling:
        """Which spellings are one value."""
        return Spelling(self.form, self.texts())

    @cached_property
    def managed(self) -> frozenset[str]:
        """Keys (`Spelling.key`) of all values that name a class of the shop; others are none of the map's business."""
        return self.siblings.union(map(self.spelling.key, self.texts()))

    @cached_property
    def exact(self) -> frozenset[str]:
        """Keys of the values for items of which more than the master category is known."""
        return self.siblings.union(self.spelling.key(text) for _, text in _leaves(self.map.values))

    def texts(self) -> list[str]:
        """All values of the map."""
        return [text for entries in (self.map.values, self.map.master) for _, text in _leaves(entries)]

    def exact_texts(self) -> list[str]:
        """The values for items of which more than the master category is known."""
        return [text for _, text in _leaves(self.map.values)]

    def places(self) -> Iterator[tuple[str, str]]:
        """All values of the map, each after the classes and tags that it stands for, in words."""
        for entries in (self.map.values, self.map.master):
            yield from ((", ".join(path), text) for path, text in _leaves(entries))

    def master_places(self) -> Iterator[tuple[str, str]]:
        """The values for items of which the master category alone is sure, each after the category."""
        yield from ((", ".join(path), text) for path, text in _leaves(self.map.master))

    def value_of(self, tags: Mapping[str, str | None]) -> tuple[str | Missing, str]:
        """What the map says for an item's tags, after why there is nothing; and the classes and tags that decided.

        Args:
            tags: masterCategory, articleType, further tags and columns of --current; None where nobody is sure.
        """
        master = tags.get(MASTER)
        if ARTICLE in self.map.of and tags.get(ARTICLE) is None:
            if not self.map.master or master is None:
                return Missing.NOTHING_TO_SAY, ""
            return self._found(self.map.master, [master])
        names = self.map.of
        first = tags.get(names[0])
        if first is None:
            return Missing.NOTHING_TO_SAY, ""
        return self._found(self.map.values, [first, *(tags.get(name) or "" for name in names[1:])])

    def _found(self, entries: str | Mapping[str, Any], tags: list[str]) -> tuple[str | Missing, str]:
        if isinstance(entries, str):
            return (tags[-1], ", ".join(tags)) if tags[-1] else (Missing.UNMAPPED, ", ".join(tags))
        entry: Any = entries
        used: list[str] = []
        for tag in tags:
            if not isinstance(entry, Mapping):
                break
            used.append(tag or "(none)")
            entry = entry[tag] if tag in entry else entry.get(ANY)
        about = ", ".join(used)
        if entry is False:
            return Missing.LEFT_OUT, about
        return (entry, about) if isinstance(entry, str) else (Missing.UNMAPPED, about)


def _leaves(entries: str | Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The values of a map, each with its path."""
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        if isinstance(entry, dict):
            yield from _leaves(entry, (*path, name))
        elif isinstance(entry, str):
            yield (*path, name), entry


def fields_of(export_map: ExportMap, target: Target, flag: str) -> list[Field]:
    """The fields of a map. Raises InputError, which names the field, where the target has no such thing."""
    fields = [_field(heading, each, target, flag) for heading, each in export_map.fields.items()]
    wrong = [
        f"{field.heading}: {place}: {text!r}: {reason}"
        for field in fields
        for check in [what_is_wrong(field.form)]
        for place, text in field.places()
        if (reason := check(text))
    ]
    if wrong:
        more = f"\nand {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise InputError(f"{flag}: values that {target.title} cannot hold\n" + "\n".join(wrong[:_SHOWN]) + more)
    return fields


def _field(heading: str, each: FieldMap, target: Target, flag: str) -> Field:
    where = f"{flag}: {heading}"
    if each.role not in target.roles:
        raise InputError(
            f"{where}: as: {target.title} has no {each.role!r}{did_you_mean(each.role, target.roles)}; "
            f"it has {listed(target.roles)}"
        )
    form = target.roles[each.role]
    if not any(fnmatch.fnmatchcase(heading, pattern) for pattern in form.headings):
        raise InputError(f"{where}: as {each.role} it is called {' or '.join(form.headings)}")
    if each.several:
        form = form.model_copy(update={"several": each.several})
    if each.master and ARTICLE not in each.of:
        raise InputError(f"{where}: master is for a field that is of {ARTICLE}; its values are of {listed(each.of)}")
    if each.values == SAME and form.taxonomy:
        raise InputError(f"{where}: values: same: {target.title} has categories of its own")
    depth = max((len(path) for path, _ in _leaves(each.values)), default=1)
    if depth > len(each.of):
        raise InputError(f"{where}: values go {depth} levels deep, but are of {listed(each.of)}")
    return Field(heading, each.role, form, each)


def as_proposals(fields: list[Field], target: Target, flag: str) -> list[Field]:
    """The fields of proposals: those that an import can propose, else the columns that a map has for suggestions.

    Raises InputError where nothing can be proposed.
    """
    if target.proposals:
        proposed = [field for field in fields if field.role in target.proposals]
    else:
        proposed = [_suggesting(field, field.map.suggest, target, flag) for field in fields if field.map.suggest]
    if not proposed:
        way = "a field as attribute or text" if target.proposals else "suggest: COLUMN with a field"
        raise InputError(f"{flag}: nothing in it can be proposed; name {way}")
    return proposed


def _suggesting(field: Field, heading: str, target: Target, flag: str) -> Field:
    """A field that goes to another column, as a text. Raises InputError where the target has no such column."""
    fitting = [
        (name, form)
        for name, form in target.roles.items()
        if not form.taxonomy and any(fnmatch.fnmatchcase(heading, pattern) for pattern in form.headings)
    ]
    if not fitting:
        raise InputError(f"{flag}: {field.heading}: suggest: {target.title} has no column {heading!r} for texts")
    role, form = fitting[0]
    return replace(field, heading=heading, role=role, form=form, map=field.map.model_copy(update={"new": True}))


def confidence_field(export_map: ExportMap, target: Target, flag: str) -> Field | None:
    """The column that takes the confidence of what is proposed, if the map names one."""
    if export_map.confidence is None:
        return None
    empty = FieldMap.model_validate({"as": "confidence", "values": {}})
    role = next(iter(target.roles))
    plain = Field("confidence", role, target.roles[role], empty)
    return _suggesting(plain, export_map.confidence, target, flag)
