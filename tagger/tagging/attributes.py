"""Further tags of the items of a shard: their values, and which of them are accepted."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.confidence.thresholds import USUAL
from tagger.models.attributes import Attribute, AttributesModel, LeavesSaid, Valued
from tagger.models.evidence import Said, Shown
from tagger.schemas.documents.bundle import AttributePolicy
from tagger.schemas.tables.prediction import ATTRIBUTE, Decision, Evidence

_EVIDENCE = pa.array(list(Evidence), pa.string())
_DECISIONS = pa.array([str(Decision.REVIEW), str(Decision.ACCEPT)], pa.string())
VALUED = np.dtype([("value", np.int16), ("confidence", np.float32), ("evidence", np.int8)])
"""One attribute of one item: indices, and the confidence."""


class AttributeRows:
    """Predicts the attributes of items, and applies their policies.

    Args:
        model: What the bundle knows of attributes.
        policies: By attribute; without one, what is surer than 0.9 is accepted.
    """

    def __init__(self, model: AttributesModel, policies: Mapping[str, AttributePolicy]) -> None:
        self.model = model
        self._needed = [_needed(one, policies.get(one.name)) for one in model.attributes]
        self._names = pa.array(model.names, pa.string())
        self._first_value = np.cumsum([0, *(len(one.values) for one in model.attributes)])[:-1]
        self._values = pa.array([value for one in model.attributes for value in one.values], pa.string())

    def predict(
        self,
        by_image: np.ndarray,
        has_image: np.ndarray,
        said: Said,
        shown: Shown,
        leaves: LeavesSaid,
        kinds: Collection[Evidence],
    ) -> np.ndarray:
        """Predict the attributes of N items; return them with value -1 for none.

        Args:
            by_image: Probabilities by the images, [N, all values].
            has_image: Which of them there are, bool [N].
            said: What titles and columns say of the leaves.
            shown: The cells of these columns.
            leaves: What the items are taken for.
            kinds: What the leaves may be based on, and so the attributes.

        Returns:
            value, confidence and evidence of each attribute, as indices, a structured array [N, attributes].
        """
        predicted = np.zeros((len(by_image), len(self.model.attributes)), VALUED)
        for n, (one, part) in enumerate(zip(self.model.attributes, self.model.slices, strict=True)):
            of_one = one.hear(said, shown, len(by_image)) if said.speaks else Said({}, {})
            valued: Valued = one.fuse(by_image[:, part], has_image, of_one, leaves, kinds)
            for name in VALUED.names or ():
                predicted[name][:, n] = getattr(valued, name)
        return predicted

    def accepted(self, predicted: np.ndarray) -> np.ndarray:
        """Which attributes of N items are accepted, bool [N, attributes].

        Args:
            predicted: From `predict`, [N, attributes].
        """
        needed = [of[predicted["evidence"][:, n], predicted["value"][:, n]] for n, of in enumerate(self._needed)]
        return np.asarray((predicted["confidence"] >= np.stack(needed, axis=1)) & (predicted["value"] >= 0))

    def column(self, predicted: np.ndarray, tagged: np.ndarray) -> pa.Array:
        """The column `attributes` of PREDICTION for N items; null for those that are not tagged, bool [N]."""
        has_value = (predicted["value"] >= 0) & tagged[:, None]
        items, numbers = np.nonzero(has_value)
        chosen = predicted[items, numbers]
        flat = pa.StructArray.from_arrays(
            [
                self._names.take(pa.array(numbers)),
                self._values.take(pa.array(self._first_value[numbers] + chosen["value"])),
                pa.array(chosen["confidence"], pa.float32()),
                _DECISIONS.take(pa.array(self.accepted(predicted)[items, numbers].astype(np.int64))),
                _EVIDENCE.take(pa.array(chosen["evidence"])),
            ],
            fields=list(ATTRIBUTE),
        )
        offsets = pa.array(np.concatenate([[0], np.cumsum(has_value.sum(axis=1))]), pa.int32())
        return pa.ListArray.from_arrays(offsets, flat, mask=pa.array(~tagged))

    def stored(self, column: pa.ListArray) -> np.ndarray:
        """The inverse of `column`, without the decisions, [N, attributes]; see also `are_accepted_in`."""
        predicted = np.zeros((len(column), len(self.model.attributes)), VALUED)
        predicted["value"] = -1
        items, numbers, flat = self._flat(column)
        for n, one in enumerate(self.model.attributes):
            of_one = numbers == n
            some = flat.filter(pa.array(of_one))
            entries = (items[of_one], n)
            predicted["value"][entries] = _indices(some.field("value"), pa.array(one.values))
            predicted["confidence"][entries] = some.field("confidence").to_numpy(zero_copy_only=False)
            predicted["evidence"][entries] = np.maximum(_indices(some.field("evidence"), _EVIDENCE), 0)
        return predicted

    def are_accepted_in(self, column: pa.ListArray) -> np.ndarray:
        """Which attributes a column of PREDICTION has accepted, bool [N, attributes]."""
        accepted = np.zeros((len(column), len(self.model.attributes)), bool)
        items, numbers, flat = self._flat(column)
        known = numbers >= 0
        decisions = np.array(flat.field("decision").to_pylist(), object)
        accepted[items[known], numbers[known]] = decisions[known] == str(Decision.ACCEPT)
        return accepted

    @staticmethod
    def unpacked(stored: bytes) -> np.ndarray:
        """One item's attributes, [attributes], from the bytes of a row of `predict` or `stored`."""
        return np.frombuffer(stored, VALUED)

    def _flat(self, column: pa.ListArray) -> tuple[np.ndarray, np.ndarray, pa.StructArray]:
        """Of each entry of a column its item, the number of its attribute, -1 for an unknown one, and itself."""
        flat = column.flatten()
        counts = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        return np.repeat(np.arange(len(column)), counts), _indices(flat.field("name"), self._names), flat


def _needed(attribute: Attribute, policy: AttributePolicy | None) -> np.ndarray:
    """Least confidence of an accepted value, by kind of evidence and value, float64 [E, V]; infinite: never."""
    needed = np.full((len(Evidence), len(attribute.values)), USUAL if policy is None else np.inf)
    for kind, fitted in (policy.by_evidence if policy else {}).items():
        thresholds = [fitted.classes.get(value, fitted.accept_above) for value in attribute.values]
        needed[kind.code] = [np.inf if threshold is None else threshold for threshold in thresholds]
    return needed


def _indices(names: Sequence[str] | pa.Array, among: pa.Array) -> np.ndarray:
    """The index of each name in `among`, int [N]; -1 if it is missing."""
    return np.asarray(pc.fill_null(pc.index_in(names, among), -1))
