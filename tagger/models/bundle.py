"""A model bundle on disk: weights and model card, and nothing that can run code.

It does not import PyTorch: `classifier.py` has the way from weights to a network and back.
"""

import hashlib
import json
from dataclasses import dataclass

from pydantic import ValidationError

from tagger.errors import InputError, UsageError
from tagger.io.location import Location, first_line
from tagger.schemas.documents.bundle import ModelCard

WEIGHTS, CARD = "model.safetensors", "bundle.json"
# The parts of the card that decide a prediction; together with the weights they are the model's identity.
_IDENTITY = {"taxonomy", "architecture", "preprocessing", "inference", "calibration", "blur_threshold"}


@dataclass(frozen=True)
class Bundle:
    """A model card and the weights that it describes."""

    card: ModelCard
    weights: bytes

    @classmethod
    def load(cls, location: Location, flag: str = "--model") -> "Bundle":
        """Read a bundle; errors name the flag that asked for it.

        Raises:
            UsageError: when nothing is there, or it cannot be reached.
            InputError: when it is not a bundle, or was changed after it was saved.
        """
        try:
            there = location.exists()
        except OSError as error:
            raise UsageError(f"{flag}: {location} cannot be read: {first_line(error)}") from error
        if not there:
            raise UsageError(f"{flag}: there is no bundle {location}")
        for name in (CARD, WEIGHTS):
            if not (location / name).exists():
                raise InputError(f"{flag}: {location} is not a bundle: it has no {name}")
        try:
            card = ModelCard.model_validate_json((location / CARD).read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise InputError(f"{flag}: {location / CARD} is not a model card: {place}: {first['msg']}") from error
        bundle = cls(card, (location / WEIGHTS).read_bytes())
        if model_id(card, bundle.weights) != card.model_id:
            raise InputError(f"{flag}: {location} was changed after it was saved: its modelId no longer fits")
        return bundle

    @classmethod
    def identified(cls, card: ModelCard, weights: bytes) -> "Bundle":
        """A bundle whose card has the modelId of what it describes.

        A policy was fitted on the confidences of one model. Where the card has the modelId of another one (other
        weights, calibration or members), its policy is dropped: its thresholds promise nothing about these
        confidences.
        """
        update: dict[str, object] = {"model_id": model_id(card, weights)}
        if card.model_id not in ("", update["model_id"]):
            update["policy"] = None
        return cls(card.model_copy(update=update), weights)

    def changed(self, **update: object) -> "Bundle":
        """The same weights with another card; the modelId is derived anew.

        A change that decides predictions, such as a new calibration, drops the policy, unless it brings one; see
        `identified`.
        """
        bundle = Bundle.identified(self.card.model_copy(update=update), self.weights)
        if "policy" not in update:
            return bundle
        return Bundle(bundle.card.model_copy(update={"policy": update["policy"]}), self.weights)

    def save(self, location: Location) -> None:
        """Write the weights first and the card last, so that a folder with a card is a whole bundle."""
        (location / WEIGHTS).write_bytes(self.weights)
        (location / CARD).write_text(self.card.model_dump_json(by_alias=True, indent=2))


def model_id(card: ModelCard, weights: bytes) -> str:
    """Return the identity of a model: 16 hexadecimal digits over its weights and all that decides a prediction."""
    parts = _IDENTITY | ({"members"} if card.members else set())
    identity = json.dumps(card.model_dump(mode="json", by_alias=True, include=parts), sort_keys=True)
    return hashlib.sha256(hashlib.sha256(weights).digest() + identity.encode()).hexdigest()[:16]
