"""A cache for the embeddings of a frozen backbone, which are the same in each epoch."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tagger.training.examples import Examples

_AT_ONCE = 64


class EmbeddingCache:
    """A cache of the embeddings of whole sides, on their device, until `clear`.

    Args:
        prepare: Converts images uint8 [n, H, W, 3] to input of the backbone, [n, H, W, C], before mirroring.
        embed: Converts the input to embeddings [n, D].
        device: The device of both.
    """

    def __init__(
        self, prepare: Callable[[Tensor], Tensor], embed: Callable[[Tensor], Tensor], device: torch.device
    ) -> None:
        self._prepare = prepare
        self._embed = embed
        self._device = device
        self._of_side: dict[str, Tensor] = {}

    def clear(self) -> None:
        """Empty the cache, when the backbone changes."""
        self._of_side = {}

    @torch.no_grad()
    def get(self, side: str, examples: Examples, flip: bool, show: Callable[[int, int], None]) -> Tensor:
        """Return embeddings float32 [S, N, D] of all images of a side, S of 1, or of 2 with the mirrored ones.

        Args:
            side: The key of the examples.
            examples: The images, [N].
            flip: Whether to add the mirrored images.
            show: Called with the number of images embedded and N, unless they are cached.
        """
        if side not in self._of_side:
            batches: list[Tensor] = []
            seen = 0
            for _, images, _ in examples.batches(np.arange(len(examples)), _AT_ONCE):
                inputs = self._prepare(images.to(self._device))
                views = (inputs, inputs.flip(2)) if flip else (inputs,)
                batches.append(torch.stack([self._embed(view).float() for view in views]))
                seen += len(images)
                show(seen, len(examples))
            self._of_side[side] = torch.cat(batches, dim=1)
        return self._of_side[side]
