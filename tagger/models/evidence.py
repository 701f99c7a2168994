"""What an item shows beside its image, as evidence of its leaf: its title, and columns such as gender.

Each is a witness with probabilities of its own. They are combined by Bayes' rule, on the assumption that they are
independent given the leaf; fitted weights, for every kind of evidence that an item may have, correct for where they are
not. It is stored in the bundle's folder.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.models.columns import Column, ColumnsModel
from tagger.models.levels import softmax
from tagger.models.titles import TitleModel, TitleVectors
from tagger.schemas.tables.prediction import ALTERNATIVES, Evidence

FILE = "evidence.safetensors"
_EARLIER_FILE = "titles.safetensors"
_MIN_PROBABILITY = 1e-7
_MIN_DOUBT = 1e-3
RICHEST_FIRST = (
    Evidence.IMAGE_TITLE_AND_COLUMNS, Evidence.IMAGE_AND_TITLE, Evidence.IMAGE_AND_COLUMNS, Evidence.IMAGE,
    Evidence.TITLE_AND_COLUMNS, Evidence.TITLE,
)  # fmt: skip
"""Kinds of evidence in the order in which an item is predicted by the first that it has."""
WITNESSES = frozenset(("image", "title", "columns"))
Shown = Mapping[str, Sequence[str | None]]
"""What N items show beside their images: a cell an item, by column; columns may be absent."""


class Weights(NamedTuple):
    """Weights of what the witnesses of one kind of evidence say, and of the leaves' shares.

    Bayes' rule has 1 for each witness, and one less than there are witnesses for the shares.

    How much a witness is worth depends on how sure the title is: one that names its type needs no other.
    """

    witnesses: tuple[float, ...]
    """Of each witness's log probabilities, in the order of `Evidence.witnesses`."""
    prior: float
    """Of the log shares, which are subtracted."""
    when_sure: tuple[float, ...] = ()
    """What the witnesses' weights change by as the title goes from unsure to sure; empty where nothing does."""


@dataclass(frozen=True)
class Said:
    """What the witnesses say of N items, each by itself."""

    probabilities: Mapping[str, np.ndarray]
    """By witness, float32 [N, L]."""
    speaks: Mapping[str, np.ndarray]
    """Whether the witness says anything of an item, bool [N]."""
    titles: TitleVectors | None = None
    """The titles that were read."""

    def of(self, rows: np.ndarray, evidence: Evidence) -> list[np.ndarray]:
        """Probabilities of some items by each witness of a kind of evidence, float32 [n, L]."""
        return [self.probabilities[witness][rows] for witness in evidence.witnesses]

    def having(self, evidence: Evidence) -> np.ndarray:
        """Which items have all witnesses of a kind of evidence, bool [N]."""
        absent = [witness for witness in evidence.witnesses if witness not in self.speaks]
        if absent:
            return np.zeros(len(next(iter(self.speaks.values()))), bool)
        return np.asarray(np.all([self.speaks[witness] for witness in evidence.witnesses], axis=0))


class Fused(NamedTuple):
    """Probabilities of N items by all that each shows."""

    probabilities: np.ndarray
    """Float32 [N, L]; the prior for an item without evidence."""
    evidence: np.ndarray
    """Index into Evidence of what each is based on, int8 [N]; -1 for nothing."""


@dataclass(frozen=True)
class EvidenceModel:
    """Probabilities of a bundle's leaves by what items show beside their images, and with them."""

    model_id: str
    """Id of the bundle whose leaves it predicts."""
    prior: np.ndarray
    """Share of the training items that each leaf has, float32 [L]."""
    titles: TitleModel | None = None
    columns: ColumnsModel | None = None
    weights: Mapping[Evidence, Weights] = field(default_factory=dict)
    """By kind of evidence, fitted on held-out items; those with the image only where a run over them was given."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the manifest that are read."""
        return tuple(dict.fromkeys([*self.names_of("title"), *self.names_of("columns")]))

    def names_of(self, witness: str) -> tuple[str, ...]:
        """The columns of the manifest that `title` or `columns` reads."""
        model = self.titles if witness == "title" else self.columns
        return model.names if model else ()

    @property
    def kinds(self) -> tuple[Evidence, ...]:
        """Kinds of evidence other than the image alone that predictions may be based on."""
        return tuple(evidence for evidence in Evidence if evidence in self.weights)

    @property
    def joins_images(self) -> bool:
        """Whether it knows what the image and anything else say together."""
        return any("image" in evidence.witnesses for evidence in self.weights)

    def hear(self, shown: Shown, count: int) -> Said:
        """What title and columns say of N items.

        Args:
            shown: What the items show.
            count: N.
        """
        probabilities, speaks, vectors = {}, {}, self.title_vectors(shown, count)
        if self.titles and vectors:
            probabilities["title"], speaks["title"] = self.titles.read_vectors(vectors)
        if self.columns:
            probabilities["columns"], speaks["columns"] = self.columns.read(shown, count)
        return Said(probabilities, speaks, vectors)

    def title_vectors(self, shown: Shown, count: int) -> TitleVectors | None:
        """The titles of N items, as `hear` reads them; None where it reads none."""
        return self.titles.vectors(self.titles.texts(shown, count)) if self.titles else None

    def fuse(
        self,
        image: np.ndarray,
        has_image: np.ndarray,
        said: Said,
        witnesses: frozenset[str] = WITNESSES,
    ) -> Fused:
        """Combine what the witnesses say: of each item all that it shows.

        Args:
            image: Probabilities by the image, float32 [N, L].
            has_image: Which of them there are, bool [N].
            said: From `hear`.
            witnesses: Which may be heard.
        """
        everything = Said({"image": image, **said.probabilities}, {"image": has_image, **said.speaks})
        probabilities = image.copy()
        evidence = np.full(len(image), -1, np.int8)
        for kind in RICHEST_FIRST:
            if (kind is not Evidence.IMAGE and kind not in self.weights) or not witnesses.issuperset(kind.witnesses):
                continue
            rows = np.flatnonzero((evidence < 0) & everything.having(kind))
            evidence[rows] = kind.code
            if kind is not Evidence.IMAGE and len(rows):
                parts = everything.of(rows, kind)
                probabilities[rows] = softmax(
                    weighted_logits(parts, self.prior, self.weights[kind], surety_in(parts, kind)), 1.0
                )
        probabilities[evidence < 0] = self.prior
        return Fused(probabilities, evidence)

    @cached_property
    def digest(self) -> str:
        """A hash of the model, 16 hexadecimal digits."""
        return hashlib.sha256(self._packed()).hexdigest()[:16]

    def save(self, bundle: Location) -> None:
        """Write the model into a bundle's folder."""
        (bundle / FILE).write_bytes(self._packed())
        (bundle / _EARLIER_FILE).delete()

    @classmethod
    def load_if_any(cls, bundle: Location, model_id: str) -> "EvidenceModel | None":
        """Read the model from a bundle's folder; None where there is none. Raises InputError as `load` does."""
        exists = any((bundle / file).exists() for file in (FILE, _EARLIER_FILE))
        return cls.load(bundle, model_id) if exists else None

    @classmethod
    def load(cls, bundle: Location, model_id: str) -> "EvidenceModel":
        """Read the model from a bundle's folder.

        Raises:
            UsageError: when the bundle knows images alone.
            InputError: when the model cannot be read, or belongs to another bundle.
        """
        file = bundle / FILE
        if not file.exists():
            if (bundle / _EARLIER_FILE).exists():
                earlier = bundle / _EARLIER_FILE
                raise InputError(f"{earlier}: an earlier version wrote it; tagger evidence teaches it again")
            raise UsageError(f"--evidence: {bundle} knows images alone; tagger evidence teaches it titles and columns")
        try:
            tensors = safetensors.numpy.load(file.read_bytes())
            model = _unpacked(json.loads(tensors.pop("about").tobytes()), tensors)
        except (KeyError, TypeError) as error:
            raise InputError(f"{file}: another version wrote it; tagger evidence teaches it again") from error
        except (SafetensorError, ValueError) as error:
            raise InputError(f"{file}: not a model of titles and columns: {error}") from error
        if model.model_id != model_id:
            raise InputError(f"{file}: it was made for {model.model_id}, and the bundle is {model_id}")
        return model

    def _packed(self) -> bytes:
        about: dict[str, object] = {
            "model_id": self.model_id,
            "weights": {str(evidence): weights for evidence, weights in self.weights.items()},
        }
        tensors = {"prior": self.prior.astype(np.float32)}
        if self.titles:
            titles = self.titles
            about["titles"] = {
                "names": titles.names, "temperature": titles.temperature, "words": titles.words,
                "letters": titles.letters,
            }  # fmt: skip
            tensors |= {
                "titles.idf": titles.idf.astype(np.float32),
                "titles.weight": titles.weight.astype(np.float16),
                "titles.bias": titles.bias.astype(np.float32),
            }
        if self.columns:
            columns = self.columns.columns
            about["columns"] = [
                {"name": c.name, "values": c.values, "edges": c.edges, "no_values": c.no_values} for c in columns
            ]
            tensors |= {f"columns.{n}": c.log_ratio.astype(np.float32) for n, c in enumerate(columns)}
        tensors["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        return safetensors.numpy.save(tensors)


def weighted_logits(
    parts: Sequence[np.ndarray], prior: np.ndarray, weights: Weights, surety: np.ndarray | None = None
) -> np.ndarray:
    """Combine probabilities by several witnesses to logits, float64 [N, L]: their powers' product by the prior's power.

    Args:
        parts: Probabilities by each witness, float32 [N, L].
        prior: Shares of the leaves, [L].
        weights: The exponents.
        surety: Of the title, [N], for weights that depend on it.
    """
    # no matrix product, as the last digits of its rows depend on the other rows
    logits = np.repeat(-weights.prior * np.log(prior, dtype=np.float64)[None], len(parts[0]), axis=0)
    changes = weights.when_sure or (0.0,) * len(parts)
    for part, weight, change in zip(parts, weights.witnesses, changes, strict=True):
        factor = weight if surety is None else (weight + change * surety)[:, None]
        logits += factor * log_probabilities(part)
    return logits


def bayes(parts: Sequence[np.ndarray], prior: np.ndarray) -> np.ndarray:
    """Combine probabilities by independent witnesses to logits, float64 [N, L]; see `weighted_logits`."""
    return weighted_logits(parts, prior, Weights((1.0,) * len(parts), len(parts) - 1.0))


def surety_in(parts: Sequence[np.ndarray], evidence: Evidence) -> np.ndarray | None:
    """How sure the title among the witnesses is, 0 to 1, [N]; None where there is none.

    It is the logarithm of its doubt, 1 minus its highest probability, as a share of that of 1 in 1,000.

    Args:
        parts: Probabilities by each witness of the evidence, float32 [N, L].
        evidence: What they are.
    """
    if "title" not in evidence.witnesses:
        return None
    doubt = 1 - parts[evidence.witnesses.index("title")].max(axis=1).astype(np.float64)
    return np.asarray(np.log(np.maximum(doubt, _MIN_DOUBT)) / np.log(_MIN_DOUBT))


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


def stored_top_k(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities [N, L] as predictions store them, float32: of the most probable leaves, and the rest shared."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :ALTERNATIVES]
    return expand_top_k(best, np.take_along_axis(probabilities, best, axis=1), probabilities.shape[1])


def class_prior(leaves: np.ndarray, count: int) -> np.ndarray:
    """The share of items that each leaf has, float32 [L]; a leaf without items counts as one item."""
    return (np.maximum(np.bincount(leaves, minlength=count), 1) / len(leaves)).astype(np.float32)


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities, float64; none is taken for less than 1e-7."""
    return np.asarray(np.log(np.maximum(probabilities, _MIN_PROBABILITY), dtype=np.float64))


def _unpacked(about: dict[str, Any], tensors: dict[str, np.ndarray]) -> EvidenceModel:
    prior = tensors["prior"]
    titles = columns = None
    if "titles" in about:
        said = about["titles"]
        titles = TitleModel(
            tuple(said["names"]), tuple(said["words"]), tuple(said["letters"]), tensors["titles.idf"],
            tensors["titles.weight"].astype(np.float32), tensors["titles.bias"], prior, said["temperature"],
        )  # fmt: skip
    if "columns" in about:
        known = []
        for n, one in enumerate(about["columns"]):
            values, edges, no_values = (tuple(one[name]) for name in ("values", "edges", "no_values"))
            known.append(Column(one["name"], values, edges, tensors[f"columns.{n}"], no_values))
        columns = ColumnsModel(tuple(known), prior)
    weights = {
        Evidence(evidence): Weights(tuple(witnesses), of_prior, tuple(when_sure))
        for evidence, (witnesses, of_prior, when_sure) in about["weights"].items()
    }
    return EvidenceModel(about["model_id"], prior, titles, columns, weights)
