"""Optimiser and learning rate schedule of a phase of training."""

import math
import warnings
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import ConstantLR, ExponentialLR, LambdaLR, LRScheduler, OneCycleLR

from tagger.models.backbones import parameter_blocks
from tagger.schemas.configs.learning import OptimiserName, Schedule

_ONE_CYCLE_START, _LEAST = 25, 1e-3
_RATES = ("lr", "initial_lr", "max_lr", "min_lr")
_ONE_CYCLE_STEPS = 4
"""OneCycleLR divides by zero if 30% of its steps are less than one step."""


def optimiser(
    name: OptimiserName,
    backbone: nn.Module,
    head: nn.Module,
    lr: float,
    head_lr: float,
    weight_decay: float,
    momentum: float = 0.9,
    layer_decay: float = 1.0,
) -> Optimizer:
    """An optimiser with separate rates for backbone and head; norms and biases have no weight decay.

    Args:
        name: `sgd` (with Nesterov momentum if momentum is set), `adam` (Kingma & Ba 2015), `adamw` (Loshchilov &
            Hutter 2019) or `rmsprop`.
        backbone: Parameters that do not require a gradient are left out, here and in the head.
        head: Everything after the backbone.
        lr: Learning rate of the backbone's last block.
        head_lr: Learning rate of the head.
        weight_decay: L2 penalty; decoupled with `adamw`.
        momentum: Of `sgd` and `rmsprop`.
        layer_decay: Ratio of the learning rates of each block of the backbone and the next one (Howard & Ruder 2018,
            arXiv:1801.06146).
    """
    groups: list[dict[str, Any]] = []
    parts = parameter_blocks(backbone)
    rates = [lr * layer_decay ** (len(parts) - 1 - depth) for depth in range(len(parts))]
    if layer_decay == 1:
        parts, rates = [list(backbone.parameters())], [lr]  # few groups are faster
    for parameters, rate in zip([*parts, list(head.parameters())], [*rates, head_lr], strict=True):
        trained = [p for p in parameters if p.requires_grad]
        groups.append({"params": [p for p in trained if p.ndim > 1], "lr": rate, "weight_decay": weight_decay})
        groups.append({"params": [p for p in trained if p.ndim <= 1], "lr": rate, "weight_decay": 0.0})
    groups = [g for g in groups if g["params"]]
    if name == "sgd":
        return SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    if name == "rmsprop":
        return RMSprop(groups, lr=lr, momentum=momentum)
    return Adam(groups, lr=lr) if name == "adam" else AdamW(groups, lr=lr)


def scheduled(optimiser: Optimizer, schedule: Schedule, steps: int, decay: float) -> LRScheduler:
    """A scheduler for every group's learning rate over a phase; the group's own rate is its maximum.

    Args:
        optimiser: Whose rates.
        schedule: `constant`; `exponential`: down to `decay` over the phase; `cosine`: down to a thousandth
            (Loshchilov & Hutter 2017, arXiv:1608.03983); `one_cycle`: up for 30% of the phase, then down (Smith &
            Topin 2018, arXiv:1708.07120).
        steps: In the phase.
        decay: Ratio of the last and the first rate with `exponential`.
    """
    if schedule == "one_cycle":
        highest = [group["lr"] for group in optimiser.param_groups]
        return OneCycleLR(
            optimiser,
            highest,
            total_steps=max(_ONE_CYCLE_STEPS, steps),
            div_factor=_ONE_CYCLE_START,
            final_div_factor=1 / _LEAST,
            cycle_momentum=False,
        )
    if schedule == "exponential":
        return ExponentialLR(optimiser, decay ** (1 / max(1, steps - 1)))
    if schedule == "cosine":
        # CosineAnnealingLR ends at one rate for all groups; here each ends at a share of its own maximum
        return LambdaLR(optimiser, lambda step: _half_wave(1.0, _LEAST, min(1.0, step / max(1, steps - 1))))
    return ConstantLR(optimiser, factor=1.0)


def resume_at(optimiser: Optimizer, schedule: LRScheduler, step: int, state: dict[str, Any]) -> None:
    """Load an optimiser's state into a new one, with the learning rates of a step of its own schedule.

    For a training that goes on with another number of steps per epoch.

    Args:
        optimiser: New.
        schedule: Of this optimiser, new.
        step: Steps of the phase that are done.
        state: State dict of the optimiser of the earlier steps.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of a schedule that is ahead of its optimiser
        for _ in range(step):
            schedule.step()
    rates = [{name: group[name] for name in _RATES if name in group} for group in optimiser.param_groups]
    optimiser.load_state_dict(state)
    for group, of_group in zip(optimiser.param_groups, rates, strict=True):
        group.update(of_group)


def _half_wave(first: float, last: float, progress: float) -> float:
    """Half a cosine wave from `first` to `last`, at a progress from 0 to 1."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2
