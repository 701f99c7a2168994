"""A title model: it predicts an item's leaf from its title, as a second witness beside the image.

It is stored in the bundle's folder. Its probabilities are combined with the image's by Bayes' rule, on the assumption
that image and title are independent given the class; fitted weights correct for where they are not.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.models.levels import softmax

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

FILE = "titles.safetensors"
_MIN_PROBABILITY = 1e-7
_MAX_WORDS = _MAX_LETTERS = 50_000


class Weights(NamedTuple):
    """Weights of the log probabilities by image and by title, and of the classes' shares; Bayes' rule has 1, 1, 1."""

    image: float = 1.0
    title: float = 1.0
    prior: float = 1.0


BAYES = Weights()


@dataclass(frozen=True)
class TitleModel:
    """Probabilities of a bundle's leaves by the words of a title, and by the letters of its words."""

    column: str
    """Column of the manifest that it was fitted to."""
    model_id: str
    """Id of the bundle whose leaves it predicts."""
    words: tuple[str, ...]
    """W words and word pairs."""
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
    """Temperature for the title alone, fitted on held-out items."""
    weights: Weights | None = None
    """For image and title together, fitted on held-out items; None where no run over them was given."""

    def has_known_word(self, titles: Sequence[str]) -> np.ndarray:
        """Which titles have a word of the vocabulary, bool [N]."""
        return _has_words(self._vectorisers[0].transform(titles)) if titles else np.zeros(0, bool)

    def logits(self, titles: Sequence[str]) -> np.ndarray:
        """Logits of the leaves, float32 [N, L]."""
        return self._read(titles)[0]

    def probabilities(self, titles: Sequence[str]) -> np.ndarray:
        """Probabilities of the leaves, float32 [N, L]; a title without a known word gets the prior."""
        return self._probabilities(*self._read(titles))

    def combined_probabilities(self, image: np.ndarray, titles: Sequence[str]) -> np.ndarray:
        """Probabilities of the leaves by image and title, float32 [N, L].

        A title without a known word leaves the probabilities by the image as they are.
        """
        logits, is_known = self._read(titles)
        by_title = self._probabilities(logits, is_known)
        both = softmax(combined_logits(image, by_title, self.prior, self.weights or BAYES), 1.0)
        return np.where(is_known[:, None], both, image)

    def _read(self, titles: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Logits of the leaves, float32 [N, L], and whether each title has a known word, bool [N]."""
        if not titles:
            return np.zeros((0, len(self.bias)), np.float32), np.zeros(0, bool)
        words, letters = (vectoriser.transform(titles) for vectoriser in self._vectorisers)
        of_words, of_letters = np.split(self.weight, [len(self.words)], axis=1)
        return np.asarray(words @ of_words.T + letters @ of_letters.T + self.bias, np.float32), _has_words(words)

    def _probabilities(self, logits: np.ndarray, is_known: np.ndarray) -> np.ndarray:
        probabilities = softmax(logits, self.temperature)
        probabilities[~is_known] = self.prior
        return probabilities

    @cached_property
    def _vectorisers(self) -> "tuple[TfidfVectorizer, TfidfVectorizer]":
        by_word, by_letter = new_vectoriser(self.words), new_letter_vectoriser(self.letters)
        by_word.idf_, by_letter.idf_ = np.split(self.idf, [len(self.words)])
        return by_word, by_letter

    @property
    def digest(self) -> str:
        """A hash of the model, 16 hexadecimal digits."""
        return hashlib.sha256(self._packed()).hexdigest()[:16]

    def save(self, bundle: Location) -> None:
        """Write the model into a bundle's folder."""
        (bundle / FILE).write_bytes(self._packed())

    @classmethod
    def load_if_any(cls, bundle: Location, model_id: str) -> "TitleModel | None":
        """Read the model from a bundle's folder; None where there is none. Raises InputError as `load` does."""
        return cls.load(bundle, model_id) if (bundle / FILE).exists() else None

    @classmethod
    def load(cls, bundle: Location, model_id: str) -> "TitleModel":
        """Read the model from a bundle's folder.

        Raises:
            UsageError: when the bundle has no title model.
            InputError: when it cannot be read, or belongs to another bundle.
        """
        file = bundle / FILE
        if not file.exists():
            raise UsageError(f"--titles: {bundle} has no title model; tagger titles fits one")
        try:
            tensors = safetensors.numpy.load(file.read_bytes())
            metadata = json.loads(tensors.pop("about").tobytes())
            idf, weight, bias, prior = (tensors[n].astype(np.float32) for n in ("idf", "weight", "bias", "prior"))
            model = cls(
                metadata["column"], metadata["model_id"], tuple(metadata["words"]), tuple(metadata["letters"]),
                idf, weight, bias, prior, metadata["temperature"],
                Weights(*metadata["weights"]) if metadata["weights"] else None,
            )  # fmt: skip
        except KeyError as error:
            raise InputError(f"{file}: another version wrote it; tagger titles fits it again") from error
        except (SafetensorError, ValueError) as error:
            raise InputError(f"{file}: not a title model: {error}") from error
        if model.model_id != model_id:
            raise InputError(f"{file}: it was made for {model.model_id}, and the bundle is {model_id}")
        return model

    def _packed(self) -> bytes:
        names = ("column", "model_id", "temperature", "weights")
        metadata = {name: getattr(self, name) for name in names} | {"words": self.words, "letters": self.letters}
        tensors = {
            "about": np.frombuffer(json.dumps(metadata).encode(), np.uint8),
            "weight": self.weight.astype(np.float16),
            **{name: getattr(self, name).astype(np.float32) for name in ("idf", "bias", "prior")},
        }
        return safetensors.numpy.save(tensors)


def new_vectoriser(words: Sequence[str] | None = None) -> "TfidfVectorizer":
    """Make a TF-IDF vectoriser of titles; without a vocabulary, fitting it takes the words that two titles have."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # the import takes a second; most runs read no titles

    return TfidfVectorizer(
        vocabulary=words, ngram_range=(1, 2), min_df=2 if words is None else 1, sublinear_tf=True,
        max_features=_MAX_WORDS if words is None else None,
        strip_accents="unicode", dtype=np.float32,
    )  # fmt: skip


def new_letter_vectoriser(letters: Sequence[str] | None = None) -> "TfidfVectorizer":
    """Make a TF-IDF vectoriser of three to five letters within a word; fitting it takes those that two titles have."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        vocabulary=letters, analyzer="char_wb", ngram_range=(3, 5), min_df=2 if letters is None else 1,
        max_features=_MAX_LETTERS if letters is None else None,
        sublinear_tf=True, strip_accents="unicode", dtype=np.float32,
    )  # fmt: skip


def _has_words(vectors: "csr_matrix") -> np.ndarray:
    """Which vectors of titles are of a known word at least, bool [N]."""
    return np.asarray(vectors.getnnz(axis=1) > 0)


def class_prior(leaves: np.ndarray, count: int) -> np.ndarray:
    """The share of items that each leaf has, float32 [L]; a leaf without items counts as one item."""
    return (np.maximum(np.bincount(leaves, minlength=count), 1) / len(leaves)).astype(np.float32)


def combined_logits(image: np.ndarray, title: np.ndarray, prior: np.ndarray, weights: Weights = BAYES) -> np.ndarray:
    """Combine the probabilities by image and by title to logits, float32 [N, L]: p(c | i)^a p(c | t)^b / p(c)^c.

    Args:
        image: Probabilities by the image, float32 [N, L].
        title: Probabilities by the title, float32 [N, L].
        prior: Shares of the classes, [L].
        weights: The exponents.
    """
    by_image, by_title = log_probabilities(image), log_probabilities(title)
    logits = weights.image * by_image + weights.title * by_title - weights.prior * np.log(prior)
    return np.asarray(logits, np.float32)


def expand_top_k(leaves: np.ndarray, confidences: np.ndarray, count: int) -> np.ndarray:
    """Expand the probabilities of the K most probable leaves to all leaves, float32 [N, L]; the others share the rest.

    Args:
        leaves: Indices of the most probable leaves, int [N, K]; -1 for none.
        confidences: Their probabilities, [N, K].
        count: The number of leaves, L.
    """
    is_given = leaves >= 0
    rest = np.clip(1 - np.where(is_given, confidences, 0).sum(axis=1), 0, 1)
    probabilities = np.repeat((rest / np.maximum(count - is_given.sum(axis=1), 1))[:, None], count, axis=1).astype(
        np.float32
    )
    rows = np.nonzero(is_given)[0]
    probabilities[rows, leaves[is_given]] = confidences[is_given]
    return probabilities


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities; none is taken for less than 1e-7."""
    return np.asarray(np.log(np.maximum(probabilities, _MIN_PROBABILITY)))
