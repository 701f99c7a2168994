"""Drafts a map: what is called the same is filled in, the rest gets suggestions for a person."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from tagger.manifest.spelling import look_alike
from tagger.pim.taxonomy_files import Known, Taxonomy
from tagger.pim.values import what_is_wrong
from tagger.schemas.documents.export_map import Entry, ExportMap, FieldMap
from tagger.schemas.documents.target import RoleForm, Target

Leaf = tuple[str, str]
_SUGGESTIONS = 3
_LEAST_LIKE = 0.35
_BESIDE = 0.15
_WEARERS = {
    "men": {"men", "mens", "man", "male", "herren", "homme"},
    "women": {"women", "womens", "woman", "female", "ladies", "damen", "femme"},
    "boys": {"boy", "boys", "jungen"},
    "girls": {"girl", "girls", "maedchen", "mädchen"},
    "unisex": {"unisex", "adult", "adults"},
    "baby": {"baby", "babies", "infant", "toddler"},
}
"""Words for a wearer, which are compared with those of paths."""


@dataclass
class Drafted:
    """A map that a person checks, and how much of it is sure."""

    map: ExportMap
    notes: dict[tuple[str, ...], str] = field(default_factory=dict)
    sure: dict[str, int] = field(default_factory=dict)
    """Classes that are filled in, by field."""
    sure_items: dict[str, int] = field(default_factory=dict)
    """Items of these classes, by field."""
    classes: int = 0
    items: int = 0


def draft_map(
    target_name: str,
    target: Target,
    leaves: Mapping[Leaf, int],
    taxonomy: Taxonomy,
    by: str | None,
    tags: Mapping[tuple[str, str], int],
    key: str | None,
    is_new: bool,
) -> Drafted:
    """Draft a map of the usual fields of a target.

    Args:
        target_name: Its name.
        target: Its description.
        leaves: The classes of the bundle or the run, with the number of the run's items of each.
        taxonomy: What the PIM or the market knows.
        by: A further tag that decides, too.
        tags: Items by article type and by that tag.
        key: The column of keys, where the PIM's export has another than the usual one.
        is_new: Whether the classes are created where nothing says what the PIM has.
    """
    drafted = Drafted(ExportMap(target=target_name, fields={"-": FieldMap.model_validate({"as": "-", "values": {}})}))
    articles: Counter[str] = Counter()
    masters: dict[str, str] = {}
    for (master, article), items in leaves.items():
        articles[article] += items
        masters.setdefault(article, master)
    drafted.classes, drafted.items = len(articles), sum(articles.values())
    fields = {}
    for heading, role in _usual_fields(target_name, target, taxonomy):
        fields[heading] = _field(heading, role, target, taxonomy, articles, masters, by, tags, drafted, is_new)
    drafted.map = ExportMap(target=target_name, key=key, fields=fields, taxonomy=", ".join(taxonomy.versions) or None)
    return drafted


def _usual_fields(name: str, target: Target, taxonomy: Taxonomy) -> list[tuple[str, str]]:
    match name:
        case "akeneo" | "akeneo-api":
            codes = list(taxonomy.options) or ["article_type"]
            named = [code for code in codes if look_alike(code) in ("articletype", "producttype", "type")]
            return [("categories", "category"), ((named or codes)[0], "attribute")]
        case "shopify-csv":
            return [("Product category", "category"), ("Type", "type")]
        case "shopify-bulk":
            return [("category", "category"), ("productType", "type")]
        case "woocommerce":
            return [("Categories", "category"), ("Article type", "attribute")]
        case "magento":
            return [("categories", "category"), ("article_type", "attribute")]
        case "google":
            return [("google_product_category", "category"), ("product_type", "type")]
        case _:
            return [("Category", "column"), ("Article type", "column")]


def _field(
    heading: str,
    role: str,
    target: Target,
    taxonomy: Taxonomy,
    articles: Mapping[str, int],
    masters: Mapping[str, str],
    by: str | None,
    tags: Mapping[tuple[str, str], int],
    drafted: Drafted,
    is_new: bool,
) -> FieldMap:
    form = target.roles[role]
    known = taxonomy.of(role, heading, form.taxonomy is not None)
    values: dict[str, Entry] = {}
    rough: dict[str, Entry] = {}
    path = ("fields", heading, "values")
    matcher = Matcher(known) if known else None
    takes_master = heading == "Category" and role == "column"
    names = sorted(set(masters.values())) if takes_master else sorted(articles)
    sure_items = sure = 0
    is_split = False
    for name in names:
        entry, note = _entry(name, masters.get(name, name), form, matcher, by, tags, is_new)
        is_split |= isinstance(entry, dict)
        values[name] = entry
        if note:
            drafted.notes[(*path, name)] = note
        if isinstance(entry, dict):
            items = sum(count for (article, tag), count in tags.items() if article == name and entry.get(tag))
            sure += all(entry.values())
            sure_items += items
        elif entry is not None:
            sure += 1
            sure_items += articles.get(name, 0)
    if role == "category" and not form.taxonomy and not takes_master:
        for master in sorted(set(masters.values())):
            rough[master], note = _entry(master, master, form, matcher, None, {}, is_new)
            if note:
                drafted.notes[("fields", heading, "master", master)] = note
    drafted.sure[heading], drafted.sure_items[heading] = sure, sure_items
    of = ("masterCategory",) if takes_master else ("articleType", by) if by and is_split else ("articleType",)
    return FieldMap.model_validate({"as": role, "of": of, "values": values, "master": rough})


def _entry(
    name: str,
    master: str,
    form: RoleForm,
    matcher: "Matcher | None",
    by: str | None,
    tags: Mapping[tuple[str, str], int],
    is_new: bool,
) -> tuple[Entry, str]:
    """The value of a class, or None with what a person may choose from."""
    if matcher is None:
        text = _own_name(form, name, master)
        if text and (is_new or not _is_listed(form)):
            return text, ""
        return None, f"unsure: {text}, if the PIM has it" if text else "unsure: what does the PIM call it?"
    same = matcher.same_name(name)
    if len(same) > 1:
        beside = [k for k in same if any(look_alike(part) == look_alike(master) for part in k.path)]
        same = beside if len(beside) == 1 else same
    if len(same) == 1:
        return same[0].text, ""
    wearers = sorted({tag for article, tag in tags if article == name and tag})
    if len(same) > 1 and by and wearers:
        chosen = {tag: _of_wearer(same, tag) for tag in wearers}
        if any(chosen.values()):
            note = "" if all(chosen.values()) else _choices(same)
            return {tag: known.text if known else None for tag, known in chosen.items()}, note
    found = same or matcher.alike(name, master)
    return None, _choices(found)


def _choices(found: Sequence[Known]) -> str:
    return "unsure: " + "; ".join(known.text for known in found[:_SUGGESTIONS]) if found else "unsure: nothing alike"


def _is_listed(form: RoleForm) -> bool:
    """Whether the PIM has a list of the values, so that a name alone is a guess."""
    return form.creates or form.taxonomy is not None or "0-9_" in (form.cannot_hold or "")


def _own_name(form: RoleForm, name: str, master: str) -> str:
    """The class's own name, as the target can hold it; empty where it cannot."""
    wrong = what_is_wrong(form)
    path = [master, name] if master != name else [name]
    tries = [name]
    if form.begins:
        tries = ["/".join([form.begins, *(part.replace("/", "\\/") for part in path)])]
    elif form.level:
        tries = [f" {form.level} ".join(path), f" {form.level} ".join(part.replace(",", "") for part in path)]
    elif "0-9_" in (form.cannot_hold or ""):
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
