"""One worker's share of the images; decoded ones in a memory-mapped file."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tagger.io.scratch import naming_full_folder


class Share(Protocol):
    """Random access to one worker's images and leaves."""

    leaves: np.ndarray
    """int64 [N]."""

    def __len__(self) -> int: ...

    def batches(
        self, order: np.ndarray, size: int, with_images: bool = True
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield indices int64 [n], images uint8 [n, H, W, 3] and leaves int64 [n] in an order, in batches of `size`.

        Without images, their arrays are empty: [n, 0].
        """
        ...


class Examples:
    """Random access to images and leaves, also if they are larger than memory.

    The images are in an unlinked file, which disappears even after a kill.
    """

    def __init__(self, batches: Iterable[Mapping[str, np.ndarray]], folder: Path | None = None) -> None:
        """Store batches of image uint8 [n, H, W, 3] and leaf int64 [n] in a file on the disk of `folder`.

        Without a folder, or if this machine does not have it, the temporary folder is used. Raises WriteError when
        the disk is full.
        """
        leaves: list[np.ndarray] = []
        shape: tuple[int, ...] = (0, 0, 3)
        where = folder if folder and folder.is_dir() else Path(tempfile.gettempdir())
        with naming_full_folder(where), tempfile.TemporaryFile(dir=where) as file:
            for batch in batches:
                images = np.ascontiguousarray(batch["image"])
                shape = images.shape[1:]
                file.write(images.data)
                leaves.append(np.array(batch["leaf"], np.int64))
            file.flush()
            self.leaves = np.concatenate([np.zeros(0, np.int64), *leaves])
            whole = (len(self.leaves), *shape)
            self._images = (
                np.memmap(file, np.uint8, "r", shape=whole) if len(self.leaves) else np.zeros(whole, np.uint8)
            )

    def __len__(self) -> int:
        return len(self.leaves)

    def batches(
        self, order: np.ndarray, size: int, with_images: bool = True
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield indices int64 [n], images uint8 [n, H, W, 3] and leaves int64 [n] in an order, in batches of `size`.

        Without images, their arrays are empty: [n, 0].
        """
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield (
                torch.from_numpy(chosen),
                torch.from_numpy(self._images[chosen] if with_images else np.zeros((len(chosen), 0), np.uint8)),
                torch.from_numpy(self.leaves[chosen]),
            )
