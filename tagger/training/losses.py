"""The loss of training: cross-entropy, with options that give rare leaves more weight."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from tagger.schemas.configs.learning import ClassWeights

_EFFECTIVE_BETA = 0.999


class LeafLoss(nn.Module):
    """Mean cross-entropy over leaves, with soft targets, class weights, a focal factor and adjusted logits.

    Args:
        leaf_items: Training items of each leaf.
        weights: Weight of an item of each leaf; see `class_weights`.
        focal_gamma: Power of the focal factor; 0 is plain cross-entropy.
        logit_adjustment: Strength of the adjustment; 0 is none, 1 is the paper's.
        label_smoothing: Share of each target that is spread over all leaves.

    Sources: focal loss, Lin et al. 2017 (arXiv:1708.02002); logit adjustment, Menon et al. 2021 (arXiv:2007.07314);
    label smoothing, Szegedy et al. 2016 (arXiv:1512.00567).
    """

    weight: Tensor
    adjustment: Tensor

    def __init__(
        self,
        leaf_items: Sequence[int],
        weights: ClassWeights = "none",
        focal_gamma: float = 0.0,
        logit_adjustment: float = 0.0,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        items = torch.tensor(leaf_items, dtype=torch.float32)
        prior = items.clamp(min=1) / items.clamp(min=1).sum()
        self.register_buffer("weight", class_weights(items, weights), persistent=False)
        self.register_buffer("adjustment", logit_adjustment * prior.log(), persistent=False)
        self._gamma = focal_gamma
        self._smoothing = label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss.

        Args:
            logits: [B, L].
            targets: Leaves int64 [B], or shares of leaves float [B, L] that sum to 1, for mixed images.
        """
        shares = one_hot(targets, logits.shape[1]).to(logits.dtype) if targets.ndim == 1 else targets
        if self._smoothing:
            shares = shares * (1 - self._smoothing) + self._smoothing / logits.shape[1]
        log_p = (logits + self.adjustment).log_softmax(dim=1)
        terms = -self.weight * shares * log_p
        if self._gamma:
            terms = terms * (1 - log_p.exp()) ** self._gamma
        return terms.sum(dim=1).mean()


def class_weights(items: Tensor, kind: ClassWeights) -> Tensor:
    """Weights float [L] of leaves, whose mean over all training items is 1.

    `balanced` weights a leaf by 1/n, so that each leaf counts the same; `sqrt` by 1/√n, half the way there; `effective`
    by the inverse of its effective number of items (Cui et al. 2019, arXiv:1901.05555; beta 0.999).

    Args:
        items: Training items of each leaf, [L].
        kind: The formula.
    """
    counts = items.double().clamp(min=1)
    if kind == "none":
        return torch.ones_like(items)
    if kind == "effective":
        raw = (1 - _EFFECTIVE_BETA) / (1 - _EFFECTIVE_BETA**counts)
    else:
        raw = counts ** (-1.0 if kind == "balanced" else -0.5)
    return (raw * counts.sum() / (raw * counts).sum()).to(items.dtype)
