"""Further tags of an item, such as gender or colour, from what its image, title, columns and article type say.

Each attribute has heads of its own on the features of the bundle's model: the image vector with the image's layout, and
the words of the title. The leaf of the item is a further witness, as few values go with every article type. All are
weighed as the witnesses of the leaf are. It is stored in the bundle's folder.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.models.columns import Column, ColumnsModel
from tagger.models.evidence import RICHEST_FIRST, EvidenceModel, Said, Weights, surety_in, weighted_logits
from tagger.models.levels import Levels, softmax
from tagger.schemas.tables.prediction import ALTERNATIVES, Evidence

FILE = "attributes.safetensors"
_LEAST = 1e-12


class Valued(NamedTuple):
    """An attribute's values of N items."""

    value: np.ndarray
    """Index of the most probable value, int [N]; -1 for an item without evidence."""
    confidence: np.ndarray
    """Its probability, float32 [N]."""
    evidence: np.ndarray
    """Index into Evidence of what each is based on, int8 [N]; -1 for nothing."""


class LeavesSaid(NamedTuple):
    """What N items are taken for."""

    leaves: np.ndarray
    """The K most probable leaves, int [N, K]; -1 for none."""
    confidences: np.ndarray
    """Their probabilities, [N, K]."""
    types: np.ndarray
    """Index of the predicted article type, int [N]."""

    @classmethod
    def of(cls, probabilities: np.ndarray, levels: Levels) -> "LeavesSaid":
        """Those of leaf probabilities float32 [N, L], as predictions store them."""
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :ALTERNATIVES]
        return cls(best, np.take_along_axis(probabilities, best, axis=1), levels.choose(probabilities)[2])


@dataclass(frozen=True)
class Attribute:
    """One attribute: its values, and what each witness says of them."""

    name: str
    values: tuple[str, ...]
    """V values, the most frequent first."""
    prior: np.ndarray
    """Share of the training items that each value has, float32 [V]."""
    by_leaf: np.ndarray
    """p(value | leaf), float32 [L, V]."""
    goes_with: np.ndarray
    """Whether items of an article type may have a value, bool [T, V]."""
    weight: np.ndarray
    """Of an image's features, float32 [V, F]."""
    bias: np.ndarray
    """float32 [V]."""
    title_weight: np.ndarray | None = None
    """Of the words and letters of the bundle's title model, float32 [V, W + G]."""
    title_bias: np.ndarray | None = None
    """float32 [V]."""
    columns: ColumnsModel | None = None
    weights: Mapping[Evidence, Weights] = field(default_factory=dict)
    """By kind of evidence, fitted on held-out items; the leaf is the last witness of each."""

    @property
    def kinds(self) -> list[Evidence]:
        """What its values may be based on, the richest first."""
        return [kind for kind in RICHEST_FIRST if kind in self.weights]

    def hear(self, said: Said, shown: Mapping[str, Sequence[str | None]], count: int) -> Said:
        """What title and columns say of N items' values.

        Args:
            said: What they say of the leaf, which has the titles.
            shown: A cell an item, by column.
            count: N.
        """
        probabilities, speaks = {}, {}
        if said.titles is not None and self.title_weight is not None and self.title_bias is not None:
            probabilities["title"] = softmax(said.titles.logits(self.title_weight, self.title_bias), 1.0)
            speaks["title"] = said.titles.are_known
        if self.columns:
            probabilities["columns"], speaks["columns"] = self.columns.read(shown, count)
        return Said(probabilities, speaks)

    def fuse(
        self,
        image: np.ndarray,
        has_image: np.ndarray,
        said: Said,
        leaves: LeavesSaid,
        kinds: Collection[Evidence] = tuple(Evidence),
    ) -> Valued:
        """Combine what the witnesses say; a value that does not go with the predicted article type is ruled out.

        Args:
            image: Probabilities by the image, [N, V].
            has_image: Which of them there are, bool [N].
            said: From `hear`.
            leaves: What the items are taken for.
            kinds: What values may be based on.
        """
        everything = Said({"image": image, **said.probabilities}, {"image": has_image, **said.speaks})
        evidence = np.full(len(image), -1, np.int8)
        value, confidence = np.full(len(image), -1), np.zeros(len(image), np.float32)
        for kind in self.kinds:
            if kind not in kinds:
                continue
            rows = np.flatnonzero((evidence < 0) & everything.having(kind))
            if not len(rows):
                continue
            of_rows = LeavesSaid(*(part[rows] for part in leaves))
            probabilities = self.probabilities(everything.of(rows, kind), kind, of_rows)
            evidence[rows], value[rows] = kind.code, probabilities.argmax(axis=1)
            confidence[rows] = probabilities.max(axis=1)
        return Valued(value, confidence, evidence)

    def probabilities(self, parts: Sequence[np.ndarray], kind: Evidence, leaves: LeavesSaid) -> np.ndarray:
        """Probabilities of N items' values by the witnesses of a kind of evidence, float32 [N, V].

        Args:
            parts: By each witness, [N, V].
            kind: What they are.
            leaves: What the items are taken for.
        """
        all_parts = [*parts, self.of_leaves(leaves)]
        logits = weighted_logits(all_parts, self.prior, self.weights[kind], surety_in(all_parts, kind))
        probabilities = np.maximum(softmax(logits, 1.0), _LEAST) * self.goes_with[leaves.types]
        return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True), np.float32)

    def of_leaves(self, leaves: LeavesSaid) -> np.ndarray:
        """Probabilities of N items' values by their leaves alone, float32 [N, V]; what no leaf claims has the prior."""
        sure = np.where(leaves.leaves >= 0, leaves.confidences, 0).astype(np.float32)
        rest = np.clip(1 - sure.sum(axis=1), 0, 1)
        together = rest[:, None] * self.prior
        for leaf, confidence in zip(leaves.leaves.T, sure.T, strict=True):
            together += confidence[:, None] * self.by_leaf[leaf]
        return np.asarray(together / together.sum(axis=1, keepdims=True), np.float32)


@dataclass(frozen=True)
class AttributesModel:
    """All attributes that a bundle knows."""

    model_id: str
    """Id of the bundle whose features it reads."""
    evidence_digest: str
    """Of the model of titles and columns whose words it reads; empty for none."""
    attributes: tuple[Attribute, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes' names."""
        return tuple(attribute.name for attribute in self.attributes)

    @property
    def values(self) -> dict[str, tuple[str, ...]]:
        """The values of each attribute."""
        return {attribute.name: attribute.values for attribute in self.attributes}

    @property
    def size(self) -> int:
        """Number of values of all attributes."""
        return sum(len(attribute.values) for attribute in self.attributes)

    @property
    def slices(self) -> Iterator[slice]:
        """The place of each attribute's values among all of them."""
        ends = np.cumsum([0, *(len(attribute.values) for attribute in self.attributes)]).tolist()
        return (slice(start, end) for start, end in pairwise(ends))

    def by_image(self, features: np.ndarray) -> np.ndarray:
        """Probabilities of the values by N images, one attribute after the other, float16 [N, all values].

        Args:
            features: From `features_of`, [N, F].
        """
        # one image at a time, as the last digits of a matrix product depend on the other rows
        logits = (
            np.array([self._weight @ one for one in features.astype(np.float32)]).reshape(-1, self.size) + self._bias
        )
        return np.concatenate([softmax(logits[:, part], 1.0) for part in self.slices], axis=1).astype(np.float16)

    @cached_property
    def _weight(self) -> np.ndarray:
        return np.concatenate([attribute.weight for attribute in self.attributes])

    @cached_property
    def _bias(self) -> np.ndarray:
        return np.concatenate([attribute.bias for attribute in self.attributes])

    @cached_property
    def digest(self) -> str:
        """A hash of the model, 16 hexadecimal digits."""
        return hashlib.sha256(self._packed()).hexdigest()[:16]

    def save(self, bundle: Location) -> None:
        """Write the model into a bundle's folder."""
        (bundle / FILE).write_bytes(self._packed())

    @classmethod
    def load_if_any(cls, bundle: Location, model_id: str) -> "AttributesModel | None":
        """Read the model from a bundle's folder; None where there is none.

        Raises:
            InputError: when the model cannot be read, or belongs to another bundle.
        """
        file = bundle / FILE
        if not file.exists():
            return None
        try:
            model = _unpacked(safetensors.numpy.load(file.read_bytes()))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{file}: not a model of attributes of this version: {error}") from error
        if model.model_id != model_id:
            raise InputError(f"{file}: it was made for {model.model_id}, and the bundle is {model_id}")
        return model

    def check_heard(self, evidence: EvidenceModel | None) -> None:
        """Raise InputError when titles and columns are not read by the model that the attributes were taught with."""
        if self.evidence_digest and (evidence is None or evidence.digest != self.evidence_digest):
            raise InputError(
                f"{FILE}: its attributes read titles and columns by a model that the bundle no longer has; tagger "
                "attributes teaches them again"
            )

    def _packed(self) -> bytes:
        tensors: dict[str, np.ndarray] = {}
        about = []
        for n, one in enumerate(self.attributes):
            columns = one.columns.columns if one.columns else ()
            about.append({
                "name": one.name, "values": one.values,
                "weights": {str(kind): weights for kind, weights in one.weights.items()},
                "columns": [{"name": c.name, "values": c.values, "edges": c.edges, "no_values": c.no_values}
                            for c in columns],
            })  # fmt: skip
            arrays = {"prior": one.prior, "by_leaf": one.by_leaf, "weight": one.weight, "bias": one.bias}
            tensors |= {f"{n}.{name}": array.astype(np.float32) for name, array in arrays.items()}
            tensors[f"{n}.goes_with"] = one.goes_with.astype(np.uint8)
            if one.title_weight is not None and one.title_bias is not None:
                tensors[f"{n}.title_weight"] = one.title_weight.astype(np.float16)
                tensors[f"{n}.title_bias"] = one.title_bias.astype(np.float32)
            tensors |= {f"{n}.columns.{k}": c.log_ratio.astype(np.float32) for k, c in enumerate(columns)}
        document = {"model_id": self.model_id, "evidence_digest": self.evidence_digest, "attributes": about}
        tensors["about"] = np.frombuffer(json.dumps(document).encode(), np.uint8)
        return safetensors.numpy.save(tensors)


def features_of(vectors: np.ndarray, descriptors: np.ndarray) -> np.ndarray:
    """What attributes read of N images, float16 [N, F]: vectors, and layouts, which have the colours.

    Args:
        vectors: Of length 1, [N, D].
        descriptors: Layouts (`tagger.imaging.layout`), [N, 216].
    """
    return np.concatenate([vectors.astype(np.float16), descriptors.astype(np.float16)], axis=1)


def _unpacked(tensors: dict[str, np.ndarray]) -> AttributesModel:
    document: dict[str, Any] = json.loads(tensors["about"].tobytes())
    attributes = []
    for n, one in enumerate(document["attributes"]):
        prior = tensors[f"{n}.prior"]
        columns = tuple(
            Column(c["name"], tuple(c["values"]), tuple(c["edges"]), tensors[f"{n}.columns.{k}"], tuple(c["no_values"]))
            for k, c in enumerate(one["columns"])
        )
        title_weight = tensors.get(f"{n}.title_weight")
        attributes.append(
            Attribute(
                one["name"],
                tuple(one["values"]),
                prior,
                tensors[f"{n}.by_leaf"],
                tensors[f"{n}.goes_with"].astype(bool),
                tensors[f"{n}.weight"],
                tensors[f"{n}.bias"],
                None if title_weight is None else title_weight.astype(np.float32),
                tensors.get(f"{n}.title_bias"),
                ColumnsModel(columns, prior) if columns else None,
                {
                    Evidence(kind): Weights(tuple(witnesses), of_prior, tuple(when_sure))
                    for kind, (witnesses, of_prior, when_sure) in one["weights"].items()
                },
            )
        )
    return AttributesModel(document["model_id"], document["evidence_digest"], tuple(attributes))
