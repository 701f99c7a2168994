"""A model bundle on disk: weights and model card, and nothing that can run code.

This module does not import PyTorch: `classifier.py` converts weights to a network and back.
"""

import hashlib
import json
from dataclasses import dataclass

from pydantic import ValidationError

from tagger.errors import InputError, UsageError
from tagger.io.location import Location, first_line
from tagger.schemas.documents.bundle import ModelCard

WEIGHTS, CARD = "model.safetensors", "bundle.json"
# The parts of the card that affect predictions; together with the weights they are the model's identity.
_IDENTITY = {"taxonomy", "architecture", "preprocessing", "inference", "calibration", "blur_threshold"}

_POLICIES = ("policy", "policies", "attribute_policies")


@dataclass(frozen=True)
class Bundle:
    """A model card and the weights that it describes."""

    card: ModelCard
    weights: bytes

    @classmethod
    def load(cls, location: Location, flag: str = "--model") -> "Bundle":
        """Read a bundle. Messages name the flag that the location came from.

        Raises:
            UsageError: when there is no bundle, or the location cannot be reached.
            InputError: when it is not a bundle, or was changed after it was saved.
        """
        try:
            exists = location.exists()
        except OSError as error:
            raise UsageError(f"{flag}: {location} cannot be read: {first_line(error)}") from error
        if not exists:
            raise UsageError(f"{flag}: there is no bundle {location}")
        for name in (CARD, WEIGHTS):
            if not (location / name).exists():
                raise InputError(f"{flag}: {location} is not a bundle: it has no {name}")
        try:
            card = ModelCard.model_validate_json((location / CARD).read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "the file"
            raise InputError(f"{flag}: {location / CARD} is not a model card: {field}: {first['msg']}") from error
        bundle = cls(card, (location / WEIGHTS).read_bytes())
        if model_id(card, bundle.weights) != card.model_id:
            raise InputError(f"{flag}: {location} was changed after it was saved: its modelId no longer matches")
        return bundle

    @classmethod
    def identified(cls, card: ModelCard, weights: bytes) -> "Bundle":
        """Make a bundle and derive its modelId.

        A policy is fitted to the confidences of one model. When the card has another model's id (other weights,
        calibration or members), its policies are dropped, as their thresholds do not hold for these confidences.
        """
        update: dict[str, object] = {"model_id": model_id(card, weights)}
        if card.model_id not in ("", update["model_id"]):
            update |= {"policy": None, "policies": {}, "attribute_policies": {}}
        return cls(card.model_copy(update=update), weights)

    def changed(self, **update: object) -> "Bundle":
        """The same weights with fields of the card changed; the modelId is derived again.

        A change that affects predictions, such as a new calibration, drops the policies unless it comes with new ones;
        see `identified`.
        """
        bundle = Bundle.identified(self.card.model_copy(update=update), self.weights)
        policies: dict[str, object] = {name: update[name] for name in _POLICIES if name in update}
        return Bundle(bundle.card.model_copy(update=policies), self.weights)

    def save(self, location: Location) -> None:
        """Write the weights first and the card last, so that a folder with a card is a complete bundle."""
        (location / WEIGHTS).write_bytes(self.weights)
        (location / CARD).write_text(self.card.model_dump_json(by_alias=True, indent=2))


def model_id(card: ModelCard, weights: bytes) -> str:
    """The identity of a model: 16 hexadecimal digits, a hash of its weights and of all that affects predictions."""
    parts = _IDENTITY | {name for name in ("members", "image_pool", "familiarity") if getattr(card, name)}
    identity = json.dumps(card.model_dump(mode="json", by_alias=True, include=parts), sort_keys=True)
    return hashlib.sha256(hashlib.sha256(weights).digest() + identity.encode()).hexdigest()[:16]
