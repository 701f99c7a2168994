"""Reads label columns: trims labels, recognises cells without a value, and merges spellings of one label."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tagger.manifest.no_value import NoValue
from tagger.manifest.spelling import Names, clean, mended, most_frequent
from tagger.schemas.documents.taxonomy import Level, Taxonomy


def manifest_label(level: Level) -> str:
    """Name of the column with the manifest's own label, where a review decision replaces it."""
    return f"tagger:{level}"


@dataclass
class LabelTally:
    """Counts of cells without a value and of corrected labels, by the column's role."""

    no_values: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Spellings of no value as written; empty cells are not counted."""
    mended: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Corrections that were made to labels."""


def read_labels(column: pa.ChunkedArray, role: str, no_value: NoValue, tally: LabelTally) -> pa.ChunkedArray:
    """The labels of a text column; null where a cell has no value.

    Outer white space and invisible characters are trimmed, and the Unicode form is NFC. Each distinct spelling is
    processed once, so the cost does not grow with the rows.
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
    """The spelling to use for each label, where labels of a catalogue differ in spelling alone."""

    chosen: Mapping[Level, Mapping[str, str]]
    """By level: from each spelling of a label with several spellings to the one to use."""

    @classmethod
    def of(cls, counts: Mapping[Level, Mapping[str, int]]) -> "Spellings":
        """The most frequent spellings, from counts of labels."""
        return cls({level: most_frequent(labels) for level, labels in counts.items()})

    def over(self, items: pa.Table) -> pa.Table:
        """The items of a manifest with merged spellings, also in columns of `manifest_label`."""
        for level in Level:
            for name in {str(level), manifest_label(level)} & set(items.schema.names):
                items = items.set_column(items.schema.get_field_index(name), name, self.apply(items[name], level))
        return items

    def apply(self, labels: pa.ChunkedArray, level: Level) -> pa.ChunkedArray:
        """A column's labels in the spelling to use; an uncounted spelling is matched by its letters."""
        chosen = self.chosen.get(level, {})
        names = Names(set(chosen.values()), by_letters=True)
        unique = pc.unique(labels)
        before: list[str | None] = unique.to_pylist()
        after = [None if text is None else chosen.get(text) or names.of(text) or text for text in before]
        if after == before:
            return labels
        return pc.take(pa.array(after, pa.string()), pc.index_in(labels, value_set=unique))

    def of_names(self, taxonomy: Taxonomy) -> dict[Level, dict[str, str]]:
        """The merged spellings of a taxonomy's names, each with the name."""
        names = {level: {*taxonomy.classes(level)} for level in Level}
        names[Level.MASTER_CATEGORY] |= set(taxonomy.merge)
        merged = self.merged()
        return {level: {t: name for t, name in merged[level].items() if name in names[level]} for level in merged}

    def merged(self) -> dict[Level, dict[str, str]]:
        """The spellings that were merged, each with the one that replaces it."""
        return {
            level: {text: name for text, name in sorted(chosen.items()) if text != name}
            for level, chosen in self.chosen.items()
        }


class KnownLabels:
    """Maps a catalogue's labels to the names of a model's taxonomy.

    Args:
        taxonomy: The model's. One that was learnt from merged spellings accepts every spelling of its names.
        merge_spellings: Accept every spelling in any case.
    """

    def __init__(self, taxonomy: Taxonomy, merge_spellings: bool = False) -> None:
        by_letters = merge_spellings or taxonomy.spellings is not None
        self._merge = dict(taxonomy.merge)
        self._masters = Names([*taxonomy.classes(Level.MASTER_CATEGORY), *self._merge], by_letters)
        self._articles = Names(taxonomy.classes(Level.ARTICLE_TYPE), by_letters)

    def master(self, label: str | None) -> str | None:
        """The master category that a label counts as; the label itself where the taxonomy lacks it."""
        if label is None:
            return None
        name = self._masters.of(label) or label
        return self._merge.get(name, name)

    def article(self, label: str | None) -> str | None:
        """The article type that a label counts as; the label itself where the taxonomy lacks it."""
        return None if label is None else self._articles.of(label) or label

    def pair(self, master: str, article: str) -> tuple[str, str]:
        """Both labels of an item, with the taxonomy's names."""
        return self.master(master) or master, self.article(article) or article

    def pairs(
        self, masters: Iterable[str | None], articles: Iterable[str | None]
    ) -> list[tuple[str | None, str | None]]:
        """Both labels of items, with the taxonomy's names."""
        return [(self.master(m), self.article(a)) for m, a in zip(masters, articles, strict=True)]
