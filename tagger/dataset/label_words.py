"""How much the text columns of a catalogue give the article type away: items whose text has the type's own words."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.manifest.batch import Batch
from tagger.manifest.selection import tagged
from tagger.models.words import SPACELESS, WITH_SIGNS, has_no_spaces
from tagger.schemas.documents.taxonomy import Level

_WORD = re.compile(f"(?:[^\\W_]|[{WITH_SIGNS}])+")
_ROLES = {"id", "imageRef", *map(str, Level)}
_FEWEST_SPACES = 0.75
"""Mean number of spaces in a cell from which a column counts as text."""
_LETTERS_A_SPACE = 12
"""Letters of a script without spaces that count as one space: names of types and colours have fewer, titles more."""
_PLURAL_FROM = 4
_ADD_ES = ("sses", "ches", "shes", "xes", "zes")


@dataclass(frozen=True)
class TextColumn:
    """A text column of the manifest; counts of items with both labels."""

    items: int = 0
    """Items with a text."""
    named: int = 0
    """Of these, items whose text has all words of their article type."""

    @property
    def share(self) -> float:
        """Share of the texts that name the type, 0 to 1."""
        return self.named / self.items if self.items else 0.0


class TextColumns:
    """Counts of a catalogue's text columns, batch by batch. The first batch with cells decides what is text."""

    def __init__(self) -> None:
        self._counts: dict[str, TextColumn | None] = {}
        """By the file's name of the column; None for what is no text."""

    @property
    def counts(self) -> dict[str, TextColumn]:
        """The text columns by name."""
        return {name: column for name, column in self._counts.items() if column is not None}

    def add(self, batch: Batch) -> None:
        """Count the items of a batch that have both labels."""
        if str(Level.ARTICLE_TYPE) not in batch.items.schema.names:
            return
        labelled = pa.array(tagged(batch))
        labels = batch.items[str(Level.ARTICLE_TYPE)].filter(labelled).to_pylist()
        for name, cells in _columns_of(batch).items():
            if name not in self._counts and (spaces := _mean_spaces(cells)) is not None:
                self._counts[name] = TextColumn() if spaces >= _FEWEST_SPACES else None
            before = self._counts.get(name)
            if before is not None:
                texts = zip(cells.filter(labelled).to_pylist(), labels, strict=True)
                pairs = [(text, label) for text, label in texts if text and text.strip()]
                named = mentions([text for text, _ in pairs], [label for _, label in pairs])
                self._counts[name] = TextColumn(before.items + len(pairs), before.named + int(named.sum()))


def _columns_of(batch: Batch) -> dict[str, pa.ChunkedArray]:
    """The columns of text that have no role, by the file's names."""
    file_names = {current: name for name, current in batch.names.items()}
    columns = {name: batch.items[name] for name in batch.items.schema.names if name not in _ROLES}
    return {file_names.get(n, n): c for n, c in columns.items() if pa.types.is_string(c.type) or _is_long(c.type)}


def _mean_spaces(cells: pa.ChunkedArray) -> float | None:
    """Mean number of spaces in a cell, with those that its script would have; None where all are null."""
    spaces = pc.mean(pc.count_substring(cells, " ")).as_py()
    letters = pc.mean(pc.count_substring_regex(cells, f"[{SPACELESS}]")).as_py()
    return None if spaces is None else spaces + letters / _LETTERS_A_SPACE


def _is_long(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def mentions(texts: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Whether each text has all words of its label, bool [N].

    Case, accents, an English plural and the way a word is written (T-Shirt, T Shirt, Tshirts) do not matter, nor does
    the order of the words. In a script without spaces, a word may be anywhere in the text.
    """
    return np.array([_has_label(text, label) for text, label in zip(texts, labels, strict=True)], bool)


def without_label(text: str, label: str) -> str:
    """A text without the words of its label, in any spelling that `mentions` knows.

    Where a word is taken out of a script without spaces, the rest is in lower case and without accents.
    """
    label_words = _label_words(label)
    if has_no_spaces(label):
        plain_text = _plain(text)
        for label_word in sorted(filter(has_no_spaces, label_words), key=len, reverse=True):
            if label_word in plain_text:
                text = plain_text = plain_text.replace(label_word, " ")
    words = text.split()
    plain = [_plain_words(word) for word in words]
    is_label = ["".join(parts) in label_words or not label_words.isdisjoint(parts) for parts in plain]
    for n, (first, second) in enumerate(pairwise(plain)):
        if "".join(first + second) in label_words:
            is_label[n] = is_label[n + 1] = True
    return " ".join(word for word, leave_out in zip(words, is_label, strict=True) if not leave_out)


def _has_label(text: str, label: str) -> bool:
    absent = _label_words(label) - _words(text)
    return not absent or (all(map(has_no_spaces, absent)) and all(word in _plain(text) for word in absent))


def _words(text: str) -> set[str]:
    """Words of a text, and each two neighbours written as one."""
    plain = _plain_words(text)
    return {*plain, *map("".join, pairwise(plain))}


@lru_cache(maxsize=4096)
def _label_words(label: str) -> frozenset[str]:
    return frozenset(_plain_words(label)) or frozenset([label])


def _plain_words(text: str) -> list[str]:
    return [_singular(word) for word in _WORD.findall(_plain(text))]


def _plain(text: str) -> str:
    """A text in lower case, without accents."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in letters if not unicodedata.combining(c))


def _singular(word: str) -> str:
    """A key that an English word shares with its plural: Tie and Ties, Accessory and Accessories."""
    if len(word) >= _PLURAL_FROM and word.endswith("s") and not word.endswith("ss"):
        word = word[:-2] if word.endswith(_ADD_ES) else word[:-1]
    return word[:-2] + "y" if word.endswith("ie") else word
