"""A title model: it predicts an item's leaf from the words of its title, and the letters of these words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tagger.models.levels import softmax
from tagger.models.words import words_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

_MAX_WORDS = _MAX_LETTERS = 50_000
_LONGEST = 5
_LEAST_LONGEST = 2
"""One may be an ending: of unknown last words of titles, a model of 300 gets 83% right with two, and 58% with one."""


class TitleVectors(NamedTuple):
    """What N titles say, as TF-IDF."""

    words: "csr_matrix"
    """Float32 [N, W]."""
    letters: "csr_matrix"
    """Float32 [N, G]."""
    are_known: np.ndarray
    """Whether each title has a known word, or two known sequences of five letters of a word, bool [N]."""

    def logits(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Logits float32 [N, C] by weights of words, then of letters, float32 [C, W + G], and a bias [C]."""
        of_words, of_letters = np.split(weight, [self.words.shape[1]], axis=1)
        return np.asarray(self.words @ of_words.T + self.letters @ of_letters.T + bias, np.float32)

    def only(self, rows: np.ndarray) -> "TitleVectors":
        """Some of the titles, by their positions."""
        return TitleVectors(self.words[rows], self.letters[rows], self.are_known[rows])


@dataclass(frozen=True)
class TitleModel:
    """Probabilities of a bundle's leaves by the words of a title, and by the letters of its words."""

    names: tuple[str, ...]
    """Columns of the manifest that it was fitted to; an item's title is what they say, one after the other."""
    words: tuple[str, ...]
    """W words and word pairs; see `words_of`."""
    letters: tuple[str, ...]
    """G sequences of three to five letters of a word; they know a word by its parts, in any spelling or plural."""
    idf: np.ndarray
    """Inverse document frequencies of words, then of letters, float32 [W + G]."""
    weight: np.ndarray
    """float32 [L, W + G]."""
    bias: np.ndarray
    """float32 [L]."""
    prior: np.ndarray
    """Share of the training items that each leaf has, float32 [L]."""
    temperature: float = 1.0
    """Fitted on held-out items."""

    def texts(self, shown: Mapping[str, Sequence[str | None]], count: int) -> list[str]:
        """The titles of N items.

        Args:
            shown: A cell an item, by column; columns may be absent.
            count: N.
        """
        return joined_texts(shown, self.names, count)

    def vectors(self, titles: Sequence[str]) -> TitleVectors:
        """What N titles say, as TF-IDF of the words and letters that the model knows."""
        if not titles:
            return TitleVectors(_no_vectors(len(self.words)), _no_vectors(len(self.letters)), np.zeros(0, bool))
        words, letters = (vectoriser.transform(titles) for vectoriser in self._vectorisers)
        # a compound that is new, such as Herrenarmbanduhr, is known by a word within it
        within = letters[:, self._longest].getnnz(axis=1) >= _LEAST_LONGEST
        return TitleVectors(words, letters, (words.getnnz(axis=1) > 0) | within)

    def logits(self, titles: Sequence[str]) -> np.ndarray:
        """Logits of the leaves, float32 [N, L]."""
        return self.vectors(titles).logits(self.weight, self.bias)

    def read(self, titles: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of the leaves, float32 [N, L], and which titles are known, bool [N]; see `TitleVectors`.

        A title that is not known gets the prior.
        """
        return self.read_vectors(self.vectors(titles))

    def read_vectors(self, vectors: TitleVectors) -> tuple[np.ndarray, np.ndarray]:
        """As `read`, of titles as vectors."""
        probabilities = softmax(vectors.logits(self.weight, self.bias), self.temperature)
        probabilities[~vectors.are_known] = self.prior
        return probabilities, vectors.are_known

    @cached_property
    def _longest(self) -> np.ndarray:
        return np.flatnonzero([len(part) == _LONGEST and " " not in part for part in self.letters])

    @cached_property
    def _vectorisers(self) -> "tuple[TfidfVectorizer, TfidfVectorizer]":
        by_word, by_letter = new_vectoriser(self.words), new_letter_vectoriser(self.letters)
        by_word.idf_, by_letter.idf_ = np.split(self.idf, [len(self.words)])
        return by_word, by_letter


def joined_texts(shown: Mapping[str, Sequence[str | None]], names: Sequence[str], count: int) -> list[str]:
    """The texts of several columns of N items, one after the other; see `TitleModel.texts`."""
    columns = [shown[name] for name in names if name in shown]
    if not columns:
        return [""] * count
    return [" ".join(text for text in texts if text) for texts in zip(*columns, strict=True)]


def new_vectoriser(words: Sequence[str] | None = None) -> "TfidfVectorizer":
    """Make a TF-IDF vectoriser of titles; without a vocabulary, fitting it takes the words that two titles have."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # the import takes a second; most runs read no titles

    return TfidfVectorizer(
        vocabulary=words, ngram_range=(1, 2), min_df=2 if words is None else 1, sublinear_tf=True,
        max_features=_MAX_WORDS if words is None else None,
        strip_accents="unicode", tokenizer=words_of, token_pattern=None, dtype=np.float32,
    )  # fmt: skip


def new_letter_vectoriser(letters: Sequence[str] | None = None) -> "TfidfVectorizer":
    """Make a TF-IDF vectoriser of three to five letters within a word; fitting it takes those that two titles have."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        vocabulary=letters, analyzer="char_wb", ngram_range=(3, _LONGEST), min_df=2 if letters is None else 1,
        max_features=_MAX_LETTERS if letters is None else None,
        sublinear_tf=True, strip_accents="unicode", dtype=np.float32,
    )  # fmt: skip


def _no_vectors(size: int) -> "csr_matrix":
    from scipy.sparse import csr_matrix

    return csr_matrix((0, size), dtype=np.float32)
