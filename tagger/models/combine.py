"""Makes one bundle of several: their predictions averaged, or their weights."""

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
    """A bundle that runs all models and averages their calibrated probabilities; not calibrated itself yet.

    What the first calls blurry is blurry for all.

    Raises:
        UsageError: when the bundles differ in taxonomy or in the form of their input.
    """
    _check_alike(bundles, ("taxonomy",))
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
            "members": members,
            "metrics": (),
        }
    )
    state = {f"{n}.{name}": w for n, b in enumerate(bundles) for name, w in load(b.weights).items()}
    return pack(card, state)


def average_weights(bundles: Sequence[Bundle]) -> Bundle:
    """A bundle with the mean of the weights of models that began alike (Wortsman et al. 2022, arXiv:2203.05482).

    Its statistics of batch norm are means, too, and no longer those of what the layers see; `with_own_statistics` takes
    them anew. It is not calibrated.

    Raises:
        UsageError: when the bundles differ in taxonomy, input or architecture.
    """
    _check_alike(bundles, ("taxonomy", "architecture", "inference", "members"))
    _check_inputs(bundles)
    states = [load(b.weights) for b in bundles]
    mean = {
        name: torch.stack([s[name].double() for s in states]).mean(0).to(first.dtype)
        for name, first in states[0].items()
    }
    return pack(bundles[0].card.model_copy(update={"calibration": Calibration(), "metrics": ()}), mean)


def with_own_statistics(bundle: Bundle, members: Sequence[Bundle], images: Iterable[Tensor], device: str) -> Bundle:
    """The bundle with statistics of batch norm of its own (Izmailov et al. 2018, arXiv:1803.05407, section 3.2).

    Layers whose statistics are the same in all members keep them: these were frozen.

    Args:
        bundle: What `average_weights` made.
        members: Of which it made it.
        images: Training images as the model takes them, uint8 [n, H, W, C]; batches of one are left out.
        device: `cpu` or `cuda`.
    """
    states = [load(b.weights) for b in members]
    model = restore(bundle).to(device)
    for name, module in model.named_modules():
        means = [s[f"{name}.running_mean"] for s in states] if isinstance(module, _BatchNorm) else []
        if any(not torch.equal(mean, means[0]) for mean in means):
            module.reset_running_stats()
            module.momentum = None  # all batches count the same
            module.train()
    with torch.no_grad():
        for batch in images:
            if len(batch) > 1:
                model(batch.to(device))
    return pack(bundle.card, model.state_dict())


def _check_alike(bundles: Sequence[Bundle], fields: Sequence[str]) -> None:
    if len(bundles) < 2:
        raise UsageError("--model: name two or more to combine")
    first = bundles[0].card
    for other in bundles[1:]:
        differing = [name for name in fields if getattr(other.card, name) != getattr(first, name)]
        if differing:
            raise UsageError(
                f"--model: {first.model_id} and {other.card.model_id} differ in {', '.join(differing)}, "
                "and cannot be combined"
            )


def _check_inputs(bundles: Sequence[Bundle]) -> None:
    inputs = [b.card.preprocessing.model_copy(update={"edges_below": 0.0}) for b in bundles]
    for bundle, found in zip(bundles, inputs, strict=True):
        if found != inputs[0]:
            raise UsageError(
                f"--model: {bundles[0].card.model_id} and {bundle.card.model_id} differ in preprocessing, "
                "and cannot be combined"
            )
