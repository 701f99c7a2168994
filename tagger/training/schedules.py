"""Optimiser and learning rate over a phase of training."""

import math
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR

from tagger.models.backbones import blocks
from tagger.schemas.configs.learning import OptimiserName, Schedule

_ONE_CYCLE_RISE, _ONE_CYCLE_START, _LEAST = 0.3, 1 / 25, 1e-3


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
    parts = blocks(backbone)
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


def rate_factor(schedule: Schedule, step: int, steps: int, decay: float = 0.0) -> float:
    """What a learning rate is multiplied with at a step.

    Args:
        schedule: `constant`; `exponential`: down to `decay` over the phase; `cosine`: down to nearly nothing
            (Loshchilov & Hutter 2017, arXiv:1608.03983); `one_cycle`: up for 30 % of the phase, then down (Smith &
            Topin 2018, arXiv:1708.07120).
        step: From 0.
        steps: In the phase.
        decay: What is left at the end with `exponential`.
    """
    place = min(1.0, step / max(1, steps - 1))
    if schedule == "exponential":
        return float(decay**place)
    if schedule == "cosine":
        return _between(1.0, _LEAST, place)
    if schedule == "one_cycle":
        peak = max(1.0, _ONE_CYCLE_RISE * steps - 1)
        if step <= peak:
            return _between(_ONE_CYCLE_START, 1.0, step / peak)
        return _between(1.0, _ONE_CYCLE_START * _LEAST, min(1.0, (step - peak) / max(1.0, steps - 1 - peak)))
    return 1.0


def scheduled(optimiser: Optimizer, schedule: Schedule, steps: int, decay: float) -> LambdaLR:
    """Multiply every group's rate by `rate_factor` at each step."""
    return LambdaLR(optimiser, lambda step: rate_factor(schedule, step, steps, decay))


def _between(first: float, last: float, place: float) -> float:
    """Half a cosine wave from `first` to `last`."""
    return last + (first - last) * (1 + math.cos(math.pi * place)) / 2
