"""A model bundle on disk: weights and model card, and nothing that can run code."""

import hashlib
import json
from dataclasses import dataclass

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from schemas.bundle import ModelCard
from tagger.errors import InputError, UsageError
from tagger.models import backbones
from tagger.models.classifier import Classifier
from tagger.storage import Location, first_line

WEIGHTS, CARD = "model.safetensors", "bundle.json"
# The parts of the card that decide a prediction; together with the weights they are the model's identity.
_IDENTITY = {"taxonomy", "architecture", "preprocessing", "inference", "calibration", "blur_threshold"}


@dataclass(frozen=True)
class Bundle:
    """A model card and the weights that it describes."""

    card: ModelCard
    weights: bytes

    @classmethod
    def of(cls, card: ModelCard, state: dict[str, Tensor]) -> "Bundle":
        """Make a bundle of a state dict; its modelId is derived here."""
        weights = save({k: v.detach().cpu().contiguous() for k, v in state.items()})
        return cls(card.model_copy(update={"model_id": model_id(card, weights)}), weights)

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

    def save(self, location: Location) -> None:
        """Write the weights first and the card last, so that a folder with a card is a whole bundle."""
        (location / WEIGHTS).write_bytes(self.weights)
        (location / CARD).write_text(self.card.model_dump_json(by_alias=True, indent=2))

    def classifier(self) -> Classifier:
        """Build the model in eval mode. Raises InputError when the weights do not fit the card."""
        model = new_classifier(self.card, weights="none")
        try:
            model.load_state_dict(load(self.weights))
        except (RuntimeError, SafetensorError) as error:
            raise InputError(f"--model: the bundle's weights do not fit its card: {first_line(error)}") from error
        return model.eval().requires_grad_(False)


def new_classifier(card: ModelCard, weights: str) -> Classifier:
    """Build the classifier that a card describes, with a backbone's weights as `backbones.build` takes them."""
    size = (card.preprocessing.height, card.preprocessing.width)
    backbone = backbones.build(card.architecture.backbone, weights, size)
    leaves = len(card.taxonomy.leaves)
    mean, std = card.preprocessing.mean, card.preprocessing.std
    return Classifier(backbone, size, leaves, card.architecture.dropout, mean, std).to(
        memory_format=torch.channels_last
    )


def model_id(card: ModelCard, weights: bytes) -> str:
    """Return the identity of a model: 16 hexadecimal digits over its weights and all that decides a prediction."""
    identity = json.dumps(card.model_dump(mode="json", by_alias=True, include=_IDENTITY), sort_keys=True)
    return hashlib.sha256(hashlib.sha256(weights).digest() + identity.encode()).hexdigest()[:16]
