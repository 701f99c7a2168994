"""What a frozen backbone makes of images: computed once, where it would be the same in each epoch."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tagger.training.examples import Examples

_AT_ONCE = 64


class EmbeddingCache:
    """Embeddings of whole sides, which stay where they are computed until `clear`.

    Args:
        prepare: Images uint8 [n, H, W, 3] to what the backbone takes, [n, H, W, C]; mirrored afterwards.
        embed: That to embeddings [n, D].
        device: Where that happens.
    """

    def __init__(
        self, prepare: Callable[[Tensor], Tensor], embed: Callable[[Tensor], Tensor], device: torch.device
    ) -> None:
        self._prepare = prepare
        self._embed = embed
        self._device = device
        self._of_side: dict[str, Tensor] = {}

    def clear(self) -> None:
        """Forget all, as when the backbone changes."""
        self._of_side = {}

    @torch.no_grad()
    def get(self, side: str, examples: Examples, flip: bool, show: Callable[[int, int], None]) -> Tensor:
        """Return embeddings float32 [S, N, D] of all images of a side, S of 1, or of 2 with the mirrored ones.

        Args:
            side: A name of the examples, by which they are known again.
            examples: The images, [N].
            flip: Whether to add the mirrored ones.
            show: Called with the number of images looked at and N, where it is not known yet.
        """
        if side not in self._of_side:
            batches: list[Tensor] = []
            seen = 0
            for _, images, _ in examples.batches(np.arange(len(examples)), _AT_ONCE):
                sent = self._prepare(images.to(self._device))
                views = (sent, sent.flip(2)) if flip else (sent,)
                batches.append(torch.stack([self._embed(view).float() for view in views]))
                seen += len(images)
                show(seen, len(examples))
            self._of_side[side] = torch.cat(batches, dim=1)
        return self._of_side[side]
