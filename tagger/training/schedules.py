"""Optimiser and learning rate over a phase of training."""

import math
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import ConstantLR, ExponentialLR, LambdaLR, LRScheduler, OneCycleLR

from tagger.models.backbones import parameter_blocks
from tagger.schemas.configs.learning import OptimiserName, Schedule

_ONE_CYCLE_START, _LEAST = 25, 1e-3
_ONE_CYCLE_STEPS = 4
"""OneCycleLR divides by zero where 30% of its steps are less than one whole step."""


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
    """An optimiser with a rate for backbone and head each; norms and biases do not decay.

    Args:
        name: `sgd` (with Nesterov's momentum where there is momentum), `adam` (Kingma & Ba 2015), `adamw` (Loshchilov &
            Hutter 2019) or `rmsprop`.
        backbone: Parameters that do not require a gradient are left out, here and in the head.
        head: Everything after the backbone.
        lr: Of the backbone's last block.
        head_lr: Of the head.
        weight_decay: L2 penalty; decoupled with `adamw`.
        momentum: Of `sgd` and `rmsprop`.
        layer_decay: Each block of the backbone learns so many times as fast as the next one (Howard & Ruder 2018,
            arXiv:1801.06146).
    """
    groups: list[dict[str, Any]] = []
    parts = parameter_blocks(backbone)
    rates = [lr * layer_decay ** (len(parts) - 1 - depth) for depth in range(len(parts))]
    if layer_decay == 1:
        parts, rates = [list(backbone.parameters())], [lr]  # few groups are quicker
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
    """Have every group's learning rate follow a schedule over a phase; the group's own rate is its highest.

    Args:
        optimiser: Whose rates.
        schedule: `constant`; `exponential`: down to `decay` over the phase; `cosine`: down to a thousandth
            (Loshchilov & Hutter 2017, arXiv:1608.03983); `one_cycle`: up for 30% of the phase, then down (Smith &
            Topin 2018, arXiv:1708.07120).
        steps: In the phase.
        decay: What is left at the end with `exponential`, a share.
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
        # CosineAnnealingLR ends at one rate for all groups, here each ends at a share of its own
        return LambdaLR(optimiser, lambda step: _half_wave(1.0, _LEAST, min(1.0, step / max(1, steps - 1))))
    return ConstantLR(optimiser, factor=1.0)


def _half_wave(first: float, last: float, place: float) -> float:
    """Half a cosine wave from `first` to `last`, at a place from 0 to 1."""
    return last + (first - last) * (1 + math.cos(math.pi * place)) / 2
