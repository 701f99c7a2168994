"""What an item's title says of its class: a light model that lies beside a bundle's weights, as a second witness.

It is paired with an image's probabilities by Bayes' rule, as if the two knew nothing of each other but the class.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.models.levels import softmax

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

FILE = "titles.safetensors"
_LEAST = 1e-7
_MOST_WORDS = 50_000


@dataclass(frozen=True)
class TitleModel:
    """Probabilities of a bundle's leaves by the words of a title."""

    column: str
    """Column of the manifest that it was fitted to."""
    model_id: str
    """The bundle whose leaves these are."""
    words: tuple[str, ...]
    """Words and pairs of words, W."""
    idf: np.ndarray
    """Their inverse document frequencies, float32 [W]."""
    weight: np.ndarray
    """float32 [L, W]."""
    bias: np.ndarray
    """float32 [L]."""
    prior: np.ndarray
    """Share of the training items that each leaf has, float32 [L]."""
    temperature: float = 1.0
    """Of the title alone; fitted on held-out items."""
    temperature_of_both: float | None = None
    """Of image and title; fitted on held-out items, where a run over them was at hand."""

    def says_something(self, titles: Sequence[str]) -> np.ndarray:
        """Which titles have a word that is known, bool [N]."""
        return np.asarray(self._vectoriser.transform(titles).getnnz(axis=1) > 0) if titles else np.zeros(0, bool)

    def logits(self, titles: Sequence[str]) -> np.ndarray:
        """Logits of the leaves, float32 [N, L]."""
        if not titles:
            return np.zeros((0, len(self.bias)), np.float32)
        return np.asarray(self._vectoriser.transform(titles) @ self.weight.T + self.bias, np.float32)

    def probabilities(self, titles: Sequence[str]) -> np.ndarray:
        """Probabilities of the leaves, float32 [N, L]; a title without a known word says what is usual."""
        found = softmax(self.logits(titles), self.temperature)
        found[~self.says_something(titles)] = self.prior
        return found

    def logits_of_both(self, image: np.ndarray, titles: Sequence[str]) -> np.ndarray:
        """Logits of the leaves by image and title, float32 [N, L].

        Args:
            image: Probabilities by the image, float32 [N, L].
            titles: N of them.
        """
        return of_both(image, self.probabilities(titles), self.prior)

    def probabilities_of_both(self, image: np.ndarray, titles: Sequence[str]) -> np.ndarray:
        """Probabilities of the leaves by image and title, float32 [N, L]; those by the image where a title is mute."""
        both = softmax(self.logits_of_both(image, titles), self.temperature_of_both or 1.0)
        return np.where(self.says_something(titles)[:, None], both, image)

    @cached_property
    def _vectoriser(self) -> "TfidfVectorizer":
        vectoriser = vectoriser_of(self.words)
        vectoriser.idf_ = self.idf
        return vectoriser

    @property
    def digest(self) -> str:
        """Another one for another model."""
        return hashlib.sha256(self._packed()).hexdigest()[:16]

    def save(self, bundle: Location) -> None:
        """Write it into a bundle's folder."""
        (bundle / FILE).write_bytes(self._packed())

    @classmethod
    def load(cls, bundle: Location, model_id: str) -> "TitleModel":
        """Read it from a bundle's folder.

        Raises:
            UsageError: when there is none.
            InputError: when it cannot be read, or is another bundle's.
        """
        file = bundle / FILE
        if not file.exists():
            raise UsageError(f"--titles: {bundle} knows nothing of titles; tagger titles teaches it")
        try:
            tensors = safetensors.numpy.load(file.read_bytes())
            about = json.loads(tensors.pop("about").tobytes())
            idf, weight, bias, prior = (tensors[n].astype(np.float32) for n in ("idf", "weight", "bias", "prior"))
            found = cls(
                about["column"], about["model_id"], tuple(about["words"]), idf, weight, bias, prior,
                about["temperature"], about["temperature_of_both"],
            )  # fmt: skip
        except (SafetensorError, KeyError, ValueError) as error:
            raise InputError(f"{file}: not a model of titles: {error}") from error
        if found.model_id != model_id:
            raise InputError(f"{file}: it was made for {found.model_id}, and the bundle is {model_id}")
        return found

    def _packed(self) -> bytes:
        names = ("column", "model_id", "temperature", "temperature_of_both")
        about = {name: getattr(self, name) for name in names} | {"words": self.words}
        tensors = {
            "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
            "weight": self.weight.astype(np.float16),
            **{name: getattr(self, name).astype(np.float32) for name in ("idf", "bias", "prior")},
        }
        return safetensors.numpy.save(tensors)


def vectoriser_of(words: Sequence[str] | None = None) -> "TfidfVectorizer":
    """What turns titles into numbers; without words, those of the titles that it is fitted to, if two have them."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # it takes a second, and most runs ask no titles

    return TfidfVectorizer(
        vocabulary=words, ngram_range=(1, 2), min_df=2 if words is None else 1, sublinear_tf=True,
        max_features=_MOST_WORDS if words is None else None,
        strip_accents="unicode", dtype=np.float32,
    )  # fmt: skip


def prior_of(leaves: np.ndarray, count: int) -> np.ndarray:
    """Share of items that each leaf has, float32 [L]; at least as if it had one."""
    return (np.maximum(np.bincount(leaves, minlength=count), 1) / len(leaves)).astype(np.float32)


def of_both(image: np.ndarray, title: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Logits by image and title, float32 [N, L], of the probabilities by each: p(c | i) p(c | t) / p(c).

    Args:
        image: float32 [N, L].
        title: float32 [N, L].
        prior: How frequent the classes are, [L].
    """
    return np.asarray(_log(image) + _log(title) - np.log(prior), np.float32)


def spread(leaves: np.ndarray, confidences: np.ndarray, count: int) -> np.ndarray:
    """Probabilities of all leaves, float32 [N, L], of those of the most probable: the rest have equal shares.

    Args:
        leaves: Numbers of the most probable leaves, int [N, K]; -1 for none.
        confidences: Their probabilities, [N, K].
        count: L.
    """
    known = leaves >= 0
    rest = np.clip(1 - np.where(known, confidences, 0).sum(axis=1), 0, 1)
    found = np.repeat((rest / np.maximum(count - known.sum(axis=1), 1))[:, None], count, axis=1).astype(np.float32)
    rows = np.nonzero(known)[0]
    found[rows, leaves[known]] = confidences[known]
    return found


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(probabilities, _LEAST)))
