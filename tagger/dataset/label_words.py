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
from tagger.schemas.documents.taxonomy import Level

_WORD = re.compile(r"[^\W_]+")
_ROLES = {"id", "imageRef", *map(str, Level)}
_FEWEST_SPACES = 0.75
"""Mean number of spaces in a cell from which a column counts as text."""
_PLURAL_FROM = 4
_ADD_ES = ("sses", "ches", "shes", "xes", "zes")


@dataclass(frozen=True)
class TextColumn:
    """A text column of the manifest; counts of items with both labels."""

    items: int = 0
    """Items with a text."""
    named: int = 0
    """Of these, items whose text has all words of their article type."""

    def __add__(self, other: "TextColumn") -> "TextColumn":
        return TextColumn(self.items + other.items, self.named + other.named)

    @property
    def share(self) -> float:
        """Share of the texts that name the type, 0 to 1."""
        return self.named / self.items if self.items else 0.0


def text_columns(batch: Batch) -> dict[str, TextColumn]:
    """The text columns of a batch, under the file's names, with the items of the batch that have both labels."""
    types = batch.items.schema.names
    if str(Level.ARTICLE_TYPE) not in types:
        return {}
    labelled = pa.array(tagged(batch))
    labels = batch.items[str(Level.ARTICLE_TYPE)].filter(labelled).to_pylist()
    file_names = {current: name for name, current in batch.names.items()}
    counts = {}
    for current in types:
        cells = batch.items[current]
        if current in _ROLES or not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
            continue
        spaces = pc.mean(pc.count_substring(cells, " ")).as_py()
        if spaces is None or spaces < _FEWEST_SPACES:
            continue
        texts = cells.filter(labelled).to_pylist()
        given = [(text, label) for text, label in zip(texts, labels, strict=True) if text and text.strip()]
        named = mentions([text for text, _ in given], [label for _, label in given])
        counts[file_names.get(current, current)] = TextColumn(len(given), int(named.sum()))
    return counts


def mentions(texts: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Whether each text has all words of its label, bool [N].

    Case, accents, an English plural and the way a word is written (T-Shirt, T Shirt, Tshirts) do not matter, nor does
    the order of the words.
    """
    return np.array([_label_words(label) <= _words(text) for text, label in zip(texts, labels, strict=True)], bool)


def without_label(text: str, label: str) -> str:
    """A text without the words of its label, in any spelling."""
    label_words = _label_words(label)
    kept = []
    for word in text.split():
        plain = _plain_words(word)
        if "".join(plain) not in label_words and not label_words.intersection(plain):
            kept.append(word)
    return " ".join(kept)


def _words(text: str) -> set[str]:
    """Words of a text, and each two neighbours written as one."""
    plain = _plain_words(text)
    return {*plain, *map("".join, pairwise(plain))}


@lru_cache(maxsize=4096)
def _label_words(label: str) -> frozenset[str]:
    return frozenset(_plain_words(label)) or frozenset([label])


def _plain_words(text: str) -> list[str]:
    letters = unicodedata.normalize("NFKD", text.casefold())
    return [_singular(word) for word in _WORD.findall("".join(c for c in letters if not unicodedata.combining(c)))]


def _singular(word: str) -> str:
    """A key that an English word shares with its plural: Tie and Ties, Accessory and Accessories."""
    if len(word) >= _PLURAL_FROM and word.endswith("s") and not word.endswith("ss"):
        word = word[:-2] if word.endswith(_ADD_ES) else word[:-1]
    return word[:-2] + "y" if word.endswith("ie") else word
