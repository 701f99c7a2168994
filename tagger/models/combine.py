"""Combines several bundles into one by averaging their predictions (an ensemble) or their weights (a model soup)."""

from collections.abc import Iterable, Sequence

import torch
from safetensors.torch import load
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from tagger.errors import UsageError
from tagger.models.bundle import Bundle
from tagger.models.classifier import pack, restore
from tagger.schemas.documents.bundle import Architecture, Calibration, Inference, Member


def average_predictions(bundles: Sequence[Bundle]) -> Bundle:
    """Make a bundle that runs all models and averages their calibrated probabilities. It is not calibrated itself.

    Its blur threshold is that of the first bundle.

    Raises:
        UsageError: when the bundles differ in taxonomy or preprocessing.
    """
    _check_equal(bundles, ("taxonomy",))
    _check_inputs(bundles)
    members = tuple(
        Member(
            model_id=b.card.model_id,
            architecture=b.card.architecture,
            inference=b.card.inference,
            temperature=b.card.calibration.temperature,
        )
        for b in bundles
    )
    if any(b.card.members for b in bundles):
        raise UsageError("--model: one of them averages several already; name its members instead")
    card = bundles[0].card.model_copy(
        update={
            "architecture": Architecture(
                backbone="+".join(m.architecture.backbone for m in members),
                dropout=0,
                embedding_dim=sum(m.architecture.embedding_dim for m in members),
            ),
            "inference": Inference(flip=False),
            "calibration": Calibration(),
            "familiarity": None,
            "members": members,
            "metrics": (),
        }
    )
    state = {f"{n}.{name}": w for n, b in enumerate(bundles) for name, w in load(b.weights).items()}
    return pack(card, state)


def average_weights(bundles: Sequence[Bundle]) -> Bundle:
    """Average the weights of models that started from the same weights (Wortsman et al. 2022, arXiv:2203.05482).

    The averaged batch norm statistics are wrong for the averaged weights; `update_batchnorm` computes them again. The
    bundle is not calibrated.

    Raises:
        UsageError: when the bundles differ in taxonomy, preprocessing or architecture.
    """
    _check_equal(bundles, ("taxonomy", "architecture", "inference", "members"))
    _check_inputs(bundles)
    states = [load(b.weights) for b in bundles]
    mean = {
        name: torch.stack([s[name].double() for s in states]).mean(0).to(first.dtype)
        for name, first in states[0].items()
    }
    return pack(
        bundles[0].card.model_copy(update={"calibration": Calibration(), "familiarity": None, "metrics": ()}), mean
    )


def update_batchnorm(bundle: Bundle, members: Sequence[Bundle], images: Iterable[Tensor], device: str) -> Bundle:
    """Compute a bundle's batch norm statistics again (Izmailov et al. 2018, arXiv:1803.05407, section 3.2).

    Layers with the same statistics in all members keep them: they were frozen.

    Args:
        bundle: The result of `average_weights`.
        members: The bundles that were averaged.
        images: Training images as the model takes them, uint8 [n, H, W, C]; batches of one image are left out.
        device: `cpu` or `cuda`.
    """
    states = [load(b.weights) for b in members]
    model = restore(bundle).to(device)
    for name, module in model.named_modules():
        means = [s[f"{name}.running_mean"] for s in states] if isinstance(module, _BatchNorm) else []
        if any(not torch.equal(mean, means[0]) for mean in means):
            module.reset_running_stats()
            module.momentum = None  # a cumulative mean: all batches have the same weight
            module.train()
    with torch.no_grad():
        for batch in images:
            if len(batch) > 1:
                model(batch.to(device))
    return pack(bundle.card, model.state_dict())


def _check_equal(bundles: Sequence[Bundle], fields: Sequence[str]) -> None:
    if len(bundles) < 2:
        raise UsageError("--model: name two or more to combine")
    first = bundles[0].card
    for card in bundles[1:]:
        differing = [name for name in fields if getattr(card.card, name) != getattr(first, name)]
        if differing:
            raise UsageError(
                f"--model: {first.model_id} and {card.card.model_id} differ in {', '.join(differing)}, "
                "and cannot be combined"
            )


def _check_inputs(bundles: Sequence[Bundle]) -> None:
    inputs = [b.card.preprocessing.model_copy(update={"edges_below": 0.0}) for b in bundles]
    for bundle, preprocessing in zip(bundles, inputs, strict=True):
        if preprocessing != inputs[0]:
            raise UsageError(
                f"--model: {bundles[0].card.model_id} and {bundle.card.model_id} differ in preprocessing, "
                "and cannot be combined"
            )
