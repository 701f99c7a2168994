"""Optimiser and learning rate over a phase of training."""

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

_WARM_UP = 0.3


def optimiser(backbone: nn.Module, head: nn.Module, lr: float, head_lr: float, weight_decay: float) -> AdamW:
    """AdamW (Loshchilov & Hutter 2019) with a rate for backbone and head each; norms and biases do not decay.

    Parameters that do not require a gradient are left out.
    """
    groups = []
    for module, rate in ((backbone, lr), (head, head_lr)):
        trained = [p for p in module.parameters() if p.requires_grad]
        groups.append({"params": [p for p in trained if p.ndim > 1], "lr": rate, "weight_decay": weight_decay})
        groups.append({"params": [p for p in trained if p.ndim <= 1], "lr": rate, "weight_decay": 0.0})
    return AdamW([g for g in groups if g["params"]])


def one_cycle(optimiser: AdamW, steps: int) -> OneCycleLR:
    """Raise every group's rate to its own and anneal it to nearly nothing over `steps` (Smith & Topin 2018)."""
    peaks = [group["lr"] for group in optimiser.param_groups]
    return OneCycleLR(
        optimiser, peaks, total_steps=steps, pct_start=_WARM_UP, cycle_momentum=False, final_div_factor=1e3
    )
