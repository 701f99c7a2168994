"""Reads label columns: trims them, finds the cells without a value, and takes one spelling of each label."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tagger.manifest.no_value import NoValue
from tagger.manifest.spelling import Names, clean, mended, most_frequent
from tagger.schemas.documents.taxonomy import Level, Taxonomy


def own_label(level: Level) -> str:
    """Column of the label that a manifest has itself, beside what was decided in its place."""
    return f"tagger:{level}"


@dataclass
class LabelTally:
    """What was read besides labels, in cells, by the column's role."""

    no_values: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Spellings of no value, as they stand; empty cells are not counted."""
    mended: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """What was done to labels to read them."""


def read_labels(column: pa.ChunkedArray, role: str, no_value: NoValue, tally: LabelTally) -> pa.ChunkedArray:
    """The labels of a column of text, null where there is none.

    Outer white space and invisible characters are trimmed, and the Unicode form is NFC. Each spelling is looked at
    once, so that the cost does not grow with the rows.
    """
    counts = pc.value_counts(column)
    spellings: list[str | None] = counts.field("values").to_pylist()
    labels: list[str | None] = []
    for text, count in zip(spellings, counts.field("counts").to_pylist(), strict=True):
        label = None if text is None or no_value.means_none(text) else clean(text)
        labels.append(label)
        if text is not None and label is None and clean(text):
            tally.no_values[role][clean(text)] += count
        elif text is not None and label is not None:
            tally.mended[role].update(dict.fromkeys(mended(text), count))
    if labels == spellings:
        return column
    indices = pc.index_in(column, value_set=counts.field("values"))
    return pc.take(pa.array(labels, pa.string()), indices)


@dataclass(frozen=True)
class Spellings:
    """The one spelling to take for each label, where labels of a catalogue differ by their spelling alone."""

    chosen: Mapping[Level, Mapping[str, str]]
    """For every spelling that has others beside it the one to take."""

    @classmethod
    def of(cls, counts: Mapping[Level, Mapping[str, int]]) -> "Spellings":
        """The most frequent spellings, by how often each label occurs."""
        return cls({level: most_frequent(labels) for level, labels in counts.items()})

    def over(self, items: pa.Table) -> pa.Table:
        """The items of a manifest with the spellings to take, also in the labels beside those that were decided."""
        for level in Level:
            for name in {str(level), own_label(level)} & set(items.schema.names):
                items = items.set_column(items.schema.get_field_index(name), name, self.apply(items[name], level))
        return items

    def apply(self, labels: pa.ChunkedArray, level: Level) -> pa.ChunkedArray:
        """The labels of a column in the spelling to take; one that was not counted takes that of its letters."""
        chosen = self.chosen.get(level, {})
        names = Names(set(chosen.values()), by_letters=True)
        unique = pc.unique(labels)
        before: list[str | None] = unique.to_pylist()
        after = [None if text is None else chosen.get(text) or names.of(text) or text for text in before]
        if after == before:
            return labels
        return pc.take(pa.array(after, pa.string()), pc.index_in(labels, value_set=unique))

    def of_names(self, taxonomy: Taxonomy) -> dict[Level, dict[str, str]]:
        """The spellings that are given up for a name of a taxonomy."""
        names = {level: {*taxonomy.classes(level)} for level in Level}
        names[Level.MASTER_CATEGORY] |= set(taxonomy.merge)
        merged = self.merged()
        return {level: {t: name for t, name in merged[level].items() if name in names[level]} for level in merged}

    def merged(self) -> dict[Level, dict[str, str]]:
        """The spellings that are given up, each with the one taken for it."""
        return {
            level: {text: name for text, name in sorted(chosen.items()) if text != name}
            for level, chosen in self.chosen.items()
        }


class KnownLabels:
    """A catalogue's labels as a model's taxonomy has them.

    Args:
        taxonomy: The model's. One that was learnt from merged spellings takes every spelling of its names.
        merge_spellings: Take them in any case.
    """

    def __init__(self, taxonomy: Taxonomy, merge_spellings: bool = False) -> None:
        by_letters = merge_spellings or taxonomy.spellings is not None
        self._merge = dict(taxonomy.merge)
        self._masters = Names([*taxonomy.classes(Level.MASTER_CATEGORY), *self._merge], by_letters)
        self._articles = Names(taxonomy.classes(Level.ARTICLE_TYPE), by_letters)

    def master(self, label: str | None) -> str | None:
        """The master category that a label counts as; the label itself where the taxonomy has none such."""
        if label is None:
            return None
        name = self._masters.of(label) or label
        return self._merge.get(name, name)

    def article(self, label: str | None) -> str | None:
        """The article type that a label counts as; the label itself where the taxonomy has none such."""
        return None if label is None else self._articles.of(label) or label

    def pair(self, master: str, article: str) -> tuple[str, str]:
        """Both labels of an item as the taxonomy has them."""
        return self.master(master) or master, self.article(article) or article

    def pairs(
        self, masters: Iterable[str | None], articles: Iterable[str | None]
    ) -> list[tuple[str | None, str | None]]:
        """Both labels of items as the taxonomy has them."""
        return [(self.master(m), self.article(a)) for m, a in zip(masters, articles, strict=True)]
