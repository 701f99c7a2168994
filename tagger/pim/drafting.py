"""Drafts a map: what is called the same is filled in, the rest gets suggestions for a person."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from tagger.manifest.spelling import look_alike
from tagger.pim.taxonomy_files import Known, Taxonomy
from tagger.pim.values import what_is_wrong
from tagger.schemas.documents.export_map import Entry, ExportMap, FieldMap
from tagger.schemas.documents.target import RoleForm, Target, UsualField
from tagger.schemas.documents.taxonomy import Level

Leaf = tuple[str, str]
_SUGGESTIONS = 3
_LEAST_LIKE = 0.35
_BESIDE = 0.15
_TYPES = ("articletype", "producttype", "type")
_WEARERS = {
    "men": {"men", "mens", "man", "male", "herren", "homme"},
    "women": {"women", "womens", "woman", "female", "ladies", "damen", "femme"},
    "boys": {"boy", "boys", "jungen"},
    "girls": {"girl", "girls", "maedchen", "mädchen"},
    "unisex": {"unisex", "adult", "adults"},
    "baby": {"baby", "babies", "infant", "toddler"},
}
"""Words for a wearer, which are compared with those of paths."""


@dataclass(frozen=True)
class Drafted:
    """A map that a person checks, and how much of it is sure."""

    map: ExportMap
    notes: Mapping[tuple[str, ...], str]
    """Remarks by the path of their key."""
    sure: Mapping[str, int]
    """Classes that are filled in, by field."""
    sure_items: Mapping[str, int]
    """Items of these classes, by field."""
    classes: int
    items: int


@dataclass(frozen=True)
class Notes:
    """What is noted while a map is drafted."""

    texts: dict[tuple[str, ...], str] = field(default_factory=dict)
    sure: dict[str, int] = field(default_factory=dict)
    sure_items: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Classes:
    """What a map is drafted for."""

    leaves: Mapping[Leaf, int]
    """The classes of the bundle or the run, with the number of the run's items of each."""
    by: str | None = None
    """A further tag that decides, too."""
    tags: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Items by article type and by that tag."""
    is_new: bool = False
    """Whether the classes are created where nothing says what the PIM has."""

    @cached_property
    def items(self) -> Counter[str]:
        """Items by article type."""
        counts: Counter[str] = Counter()
        for (_, article), items in self.leaves.items():
            counts[article] += items
        return counts

    @cached_property
    def masters(self) -> dict[str, str]:
        """The master category of each article type."""
        return {article: master for master, article in reversed(list(self.leaves))}

    def tags_of(self, article: str) -> list[str]:
        """The further tags that items of an article type have."""
        return sorted({tag for name, tag in self.tags if name == article and tag})


def draft_map(name: str, target: Target, classes: Classes, taxonomy: Taxonomy, key: str | None = None) -> Drafted:
    """Draft a map of the usual fields of a target.

    Args:
        name: The target's.
        target: Its description.
        classes: What the map is for.
        taxonomy: What the PIM or the market knows.
        key: The column of keys, where the PIM's export has another than the usual one.
    """
    notes = Notes()
    fields = {}
    for usual, each in target.usual.items():
        heading = _attribute(taxonomy, usual) if each.role == "attribute" else usual
        fields[heading] = _field(heading, each, target, taxonomy, classes, notes)
    drafted = ExportMap(target=name, key=key, fields=fields, taxonomy=", ".join(taxonomy.versions) or None)
    return Drafted(drafted, notes.texts, notes.sure, notes.sure_items, len(classes.items), classes.items.total())


def _attribute(taxonomy: Taxonomy, usual: str) -> str:
    """The attribute that the PIM has for article types: the one that is called so, else the only one."""
    codes = list(taxonomy.options)
    named = [code for code in codes if look_alike(code) in _TYPES]
    return (named or codes or [usual])[0]


def _field(
    heading: str, usual: UsualField, target: Target, taxonomy: Taxonomy, classes: Classes, notes: Notes
) -> FieldMap:
    """The draft of one field; what is open is noted."""
    form = target.roles[usual.role]
    known = taxonomy.of(usual.role, heading, form.taxonomy is not None)
    matcher = Matcher(known) if known else None
    all_masters = sorted(set(classes.masters.values()))
    is_of_master = usual.of == str(Level.MASTER_CATEGORY)
    values: dict[str, Entry] = {}
    notes.sure[heading] = notes.sure_items[heading] = 0
    for name in all_masters if is_of_master else sorted(classes.items):
        values[name], note = _entry(name, classes, form, matcher)
        if note:
            notes.texts[("fields", heading, "values", name)] = note
        sure, items = _sure(name, values[name], classes)
        notes.sure[heading] += sure
        notes.sure_items[heading] += items
    rough: dict[str, Entry] = {}
    if usual.role == "category" and not form.taxonomy:
        for master in all_masters:
            rough[master], note = _entry(master, classes, form, matcher)
            if note:
                notes.texts[("fields", heading, "master", master)] = note
    is_split = any(isinstance(entry, dict) for entry in values.values())
    of = [usual.of, classes.by] if is_split else [usual.of]
    return FieldMap.model_validate({"as": usual.role, "of": of, "values": values, "master": rough})


def _sure(name: str, entry: Entry, classes: Classes) -> tuple[bool, int]:
    """Whether a class is filled in, and how many items have a value then."""
    if isinstance(entry, dict):
        items = sum(count for (article, tag), count in classes.tags.items() if article == name and entry.get(tag))
        return all(entry.values()), items
    return entry is not None, classes.items[name] if entry is not None else 0


def _entry(name: str, classes: Classes, form: RoleForm, matcher: "Matcher | None") -> tuple[Entry, str]:
    """The value of a class, or None with what a person may choose from."""
    master = classes.masters.get(name, name)
    if matcher is None:
        text = _own_name(form, name, master)
        if text and (classes.is_new or not (form.creates or form.taxonomy or form.is_code)):
            return text, ""
        return None, f"unsure: {text}, if the PIM has it" if text else "unsure: what does the PIM call it?"
    same = matcher.same_name(name)
    if len(same) > 1:
        beside = [k for k in same if any(look_alike(part) == look_alike(master) for part in k.path)]
        same = beside if len(beside) == 1 else same
    if len(same) == 1:
        return same[0].text, ""
    chosen = {tag: _of_wearer(same, tag) for tag in classes.tags_of(name)} if len(same) > 1 else {}
    if any(chosen.values()):
        note = "" if all(chosen.values()) else _choices(same)
        return {tag: known.text if known else None for tag, known in chosen.items()}, note
    return None, _choices(same or matcher.alike(name, master))


def _choices(found: Sequence[Known]) -> str:
    return "unsure: " + "; ".join(known.text for known in found[:_SUGGESTIONS]) if found else "unsure: nothing alike"


def _own_name(form: RoleForm, name: str, master: str) -> str:
    """The class's own name, as the target can hold it; empty where it cannot."""
    wrong = what_is_wrong(form)
    path = [master, name] if master != name else [name]
    tries = [name]
    if form.begins:
        tries = ["/".join([form.begins, *(part.replace("/", "\\/") for part in path)])]
    elif form.level:
        tries = [f" {form.level} ".join(path), f" {form.level} ".join(part.replace(",", "") for part in path)]
    elif form.is_code:
        tries = [code_of(name)]
    return next((text for text in tries if wrong(text) is None), "")


def code_of(name: str) -> str:
    """A class's name as a code: letters, digits and underscores."""
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.casefold())
    return "_".join(part for part in letters.split("_") if part)


def _of_wearer(same: Sequence[Known], tag: str) -> Known | None:
    """The one of several values whose path names a wearer; None where there is none, or several."""
    words = next((spellings for name, spellings in _WEARERS.items() if look_alike(tag) in {name, *spellings}), None)
    if words is None:
        words = {look_alike(tag)}
    fitting = [known for known in same if words & {look_alike(w) for part in known.path for w in part.split()}]
    return fitting[0] if len(fitting) == 1 else None


class Matcher:
    """Finds what a PIM calls a class.

    Args:
        known: What it knows.
    """

    def __init__(self, known: Sequence[Known]) -> None:
        self._known = list(known)
        self._by_name: dict[str, list[Known]] = defaultdict(list)
        for each in known:
            for name in {each.name, each.text} if not each.text.startswith("gid:") else {each.name}:
                key = _stem(name)
                if each not in self._by_name[key]:
                    self._by_name[key].append(each)
        self._vectoriser = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), lowercase=True)
        self._vectors = self._vectoriser.fit_transform([each.name for each in known])
        self._words = [set(map(_stem, each.name.split())) for each in known]
        self._path_words = [{_stem(word) for part in each.path for word in part.split()} for each in known]

    def same_name(self, name: str) -> list[Known]:
        """Those with the same name, but for case, spaces, hyphens, accents and a plural's s."""
        return list(self._by_name.get(_stem(name), ()))

    def alike(self, name: str, master: str) -> list[Known]:
        """The most similar ones, the nearest first.

        They are compared by the letters of their names (TF-IDF of groups of two to four); those below the master
        category, and those whose words the class has, too, come before others.
        """
        scores = (self._vectoriser.transform([name]) @ self._vectors.T).toarray()[0]
        words, above = set(map(_stem, name.split())), set(map(_stem, master.split()))
        scores += [_BESIDE * (bool(own) and own <= words) for own in self._words]
        scores += [_BESIDE * (scores[i] > 0 and bool(above & path)) for i, path in enumerate(self._path_words)]
        order = np.argsort(-scores, kind="stable")[:_SUGGESTIONS]
        return [self._known[i] for i in order if scores[i] >= _LEAST_LIKE]


def _stem(name: str) -> str:
    letters = look_alike(name)
    if letters.endswith(("shes", "ches", "xes", "sses")):
        return letters[:-2]
    return letters[:-1] if len(letters) > 3 and letters.endswith("s") and not letters.endswith("ss") else letters


def summary(drafted: Drafted) -> Iterable[tuple[str, int, int]]:
    """Each field with its sure classes, and their items."""
    for heading, sure in drafted.sure.items():
        yield heading, sure, drafted.sure_items[heading]
