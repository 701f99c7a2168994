"""A cache for the embeddings of a frozen backbone, which are the same in each epoch."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tagger.io.scratch import naming_full_folder
from tagger.training.examples import Share

_AT_ONCE = 64
_LARGEST = float(np.finfo(np.float16).max)


class Embeddings:
    """The embeddings of a share of images, float16, in an unlinked memory-mapped file.

    Args:
        vectors: float16 [N, S, D], S of 1, or of 2 with the mirrored images.
        leaves: int64 [N].
    """

    def __init__(self, vectors: np.ndarray, leaves: np.ndarray) -> None:
        self.vectors = vectors
        self._leaves = leaves

    def batches(self, order: np.ndarray, mirrored: np.ndarray, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield embeddings float16 [n, D] and leaves int64 [n] in an order, in batches of `size`.

        Args:
            order: Indices int64 into the images, [M].
            mirrored: 1 for the mirrored image, 0 for the image itself, int64 [M].
            size: Of a batch.
        """
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            vectors = self.vectors[chosen, mirrored[start : start + size]]
            yield torch.from_numpy(vectors), torch.from_numpy(self._leaves[chosen])


class EmbeddingCache:
    """A cache of the embeddings of whole sides, on disk, until `clear`.

    Args:
        prepare: Converts images uint8 [n, H, W, 3] to input of the backbone, [n, H, W, C], before mirroring.
        embed: Converts the input to embeddings [n, D].
        device: The device of both.
        folder: Where the files are; the temporary folder without it, or if this machine does not have it.
    """

    def __init__(
        self,
        prepare: Callable[[Tensor], Tensor],
        embed: Callable[[Tensor], Tensor],
        device: torch.device,
        folder: Path | None = None,
    ) -> None:
        self._prepare = prepare
        self._embed = embed
        self._device = device
        self._folder = folder if folder and folder.is_dir() else Path(tempfile.gettempdir())
        self._of_side: dict[str, Embeddings] = {}

    def clear(self) -> None:
        """Empty the cache, when the backbone changes."""
        self._of_side = {}

    def get(self, side: str, examples: Share, flip: bool, show: Callable[[int, int], None]) -> Embeddings:
        """Return the embeddings of all images of a side.

        They are rounded to half precision, 11 bits, and limited to its range, ±65,504.

        Args:
            side: The key of the examples.
            examples: The images, [N].
            flip: Whether to add the mirrored images.
            show: Called with the number of images embedded and N, unless they are cached.

        Raises:
            WriteError: when the disk is full.
        """
        if side not in self._of_side:
            self._of_side[side] = Embeddings(self._written(examples, flip, show), examples.leaves)
        return self._of_side[side]

    @torch.no_grad()
    def _written(self, examples: Share, flip: bool, show: Callable[[int, int], None]) -> np.ndarray:
        shape: tuple[int, ...] = (0, 1 + flip, 1)
        seen = 0
        with naming_full_folder(self._folder), tempfile.TemporaryFile(dir=self._folder) as file:
            for _, images, _ in examples.batches(np.arange(len(examples)), _AT_ONCE):
                inputs = self._prepare(images.to(self._device))
                views = (inputs, inputs.flip(2)) if flip else (inputs,)
                vectors = torch.stack([self._embed(view).float() for view in views], dim=1)
                file.write(vectors.clamp(-_LARGEST, _LARGEST).half().cpu().numpy().data)
                seen += len(images)
                shape = (seen, *vectors.shape[1:])
                show(seen, len(examples))
            file.flush()
            return np.memmap(file, np.float16, "r", shape=shape) if seen else np.zeros(shape, np.float16)
