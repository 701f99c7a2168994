"""Metrics of a val set after an epoch."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


class ValSums:
    """Sums over a val set, which workers add: items by true and predicted leaf, and the loss.

    Args:
        leaves: Number of leaves, L.
    """

    def __init__(self, leaves: int) -> None:
        self._leaves = leaves
        self._confusion = torch.zeros(leaves * leaves, dtype=torch.double)
        self._loss = 0.0

    def add(self, logits: Tensor, leaves: Tensor) -> None:
        """Count a batch.

        Args:
            logits: [B, L], on any device.
            leaves: True leaves int64 [B], on the CPU.
        """
        self._loss += cross_entropy(logits.float(), leaves.to(logits.device), reduction="sum").item()
        pairs = leaves * self._leaves + logits.argmax(1).cpu()
        self._confusion += torch.bincount(pairs, minlength=self._leaves**2)

    def flat(self) -> Tensor:
        """All sums, float64 [L·L + 1], to be added over workers."""
        return torch.cat([self._confusion, torch.tensor([self._loss], dtype=torch.double)])


def figures_of(sums: Tensor, master_of: Tensor) -> dict[str, float]:
    """The metrics of sums by `ValSums.flat`; see `figures`."""
    leaves = len(master_of)
    return figures(sums[:-1].view(leaves, leaves), master_of, float(sums[-1]))


def figures(confusion: Tensor, master_of: Tensor, loss_sum: float) -> dict[str, float]:
    """Metrics of a val set after an epoch.

    Args:
        confusion: Number of items by true and predicted leaf, [L, L].
        master_of: Master category of each leaf, int64 [L].
        loss_sum: Cross-entropy summed over the items.

    Returns:
        val_loss, val_accuracy of leaves, val_macro_f1 over the leaves that occur, val_master_accuracy.
    """
    items = max(1.0, float(confusion.sum()))
    hits, truth, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    f1 = 2 * hits / (truth + predicted).clamp(min=1)
    same_master = (master_of[:, None] == master_of[None, :]).double()
    return {
        "val_loss": loss_sum / items,
        "val_accuracy": float(hits.sum()) / items,
        "val_macro_f1": float(f1[truth > 0].mean()) if (truth > 0).any() else 0.0,
        "val_master_accuracy": float((confusion * same_master).sum()) / items,
    }
