"""One worker's share of the images, decoded where they are trained: once to a file, or in every epoch."""

import logging
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from tagger.errors import ImageError, InputError
from tagger.images.stores import ImageStore, fetch_all
from tagger.imaging.decode import decode_resized, pad
from tagger.imaging.threads import decode_in_one_thread
from tagger.schemas.documents.bundle import Preprocessing
from tagger.training.examples import Examples, Share

_LOG = logging.getLogger(__name__)

_CHUNK_ROWS = 32
"""Images that a thread decodes at a time."""
_READ_ROWS = 8192
"""Images that a store is asked for at a time; it reads a few of them ahead."""
_BUDGET_BYTES = 512 << 20
"""Decoded pixels that wait for the trainer, at most."""
_CHUNKS_AHEAD = 4
"""Chunks in flight for each thread."""
_SHARE_OF_DISK = 0.5
_FILE_BATCH = 512


@dataclass(frozen=True)
class Decoder:
    """What a worker needs to decode images: the store, the model's input, and the most pixels of an image."""

    store: ImageStore
    preprocessing: Preprocessing
    max_pixels: int

    @property
    def image_bytes(self) -> int:
        """Size of a decoded image."""
        return self.preprocessing.height * self.preprocessing.width * 3


class RowImages:
    """Random access to images that are decoded each time they are asked for, by threads ahead of their use.

    An image that could be decoded when the rows were checked, and cannot be now, is replaced by another of its batch,
    also in later epochs; `replaced` counts them.

    Args:
        rows: imageRef and leaf, [N].
        decoder: Decodes an image.
        threads: Threads that decode.
    """

    def __init__(self, rows: pa.Table, decoder: Decoder, threads: int) -> None:
        self.leaves: np.ndarray = rows["leaf"].to_numpy().astype(np.int64)
        self.replaced = 0
        self._refs = rows["imageRef"].cast(pa.large_string()).combine_chunks()
        self._row_at = np.arange(len(rows))
        self._decoder = decoder
        self._threads = threads

    def __len__(self) -> int:
        return len(self.leaves)

    def batches(
        self, order: np.ndarray, size: int, with_images: bool = True
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield indices int64 [n], images uint8 [n, H, W, 3] and leaves int64 [n] in an order, in batches of `size`.

        Without images, their arrays are empty: [n, 0].

        Raises:
            InputError: when no image of a batch can be decoded.
        """
        starts = range(0, len(order), size)
        if not with_images:
            for start in starts:
                chosen = order[start : start + size]
                yield self._batch(chosen, np.zeros((len(chosen), 0), np.uint8))
            return
        decoded = self._decoded(order)
        for start in starts:
            chosen = order[start : start + size]
            images = list(islice(decoded, len(chosen)))
            yield self._batch(chosen, np.stack(self._complete(chosen, images)))

    def _decoded(self, order: np.ndarray) -> Iterator[np.ndarray | ImageError]:
        """Decode images in an order: this thread reads the files, as stores have threads of their own for requests."""
        ahead = max(1, min(_CHUNKS_AHEAD * self._threads, _BUDGET_BYTES // (_CHUNK_ROWS * self._decoder.image_bytes)))
        pending: deque[Future[list[np.ndarray | ImageError]]] = deque()
        with ThreadPoolExecutor(self._threads, "decode", decode_in_one_thread) as pool:
            for start in range(0, len(order), _READ_ROWS):
                rows = pa.array(self._row_at[order[start : start + _READ_ROWS]])
                files = fetch_all(self._decoder.store, self._refs.take(rows).to_pylist())
                while chunk := list(islice(files, _CHUNK_ROWS)):
                    pending.append(pool.submit(self._decoded_chunk, chunk))
                    if len(pending) > ahead:
                        yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()

    def _decoded_chunk(self, files: Sequence[bytes | ImageError]) -> list[np.ndarray | ImageError]:
        return [self._decoded_file(data) for data in files]

    def _decoded_file(self, data: bytes | ImageError) -> np.ndarray | ImageError:
        if isinstance(data, ImageError):
            return data
        try:
            image = decode_resized(data, self._decoder.preprocessing, self._decoder.max_pixels)
        except ImageError as error:
            return error
        return pad(image, self._decoder.preprocessing)

    def _complete(self, chosen: np.ndarray, images: list[np.ndarray | ImageError]) -> list[np.ndarray]:
        """The images, with others in place of those that failed."""
        good = [n for n, image in enumerate(images) if not isinstance(image, ImageError)]
        if not good:
            reason = next(image.message for image in images if isinstance(image, ImageError))
            raise InputError(f"--images: not one image of a batch can be read any more: {reason}")
        complete: list[np.ndarray] = []
        for n, image in enumerate(images):
            if isinstance(image, ImageError):
                other = good[n % len(good)]
                self._row_at[chosen[n]] = self._row_at[chosen[other]]
                self.leaves[chosen[n]] = self.leaves[chosen[other]]
                self.replaced += 1
                _LOG.warning("an image that could be read before is replaced by another one: %s", image.message)
                image = images[other]
            if isinstance(image, np.ndarray):
                complete.append(image)
        return complete

    def _batch(self, chosen: np.ndarray, images: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        return torch.from_numpy(chosen), torch.from_numpy(images), torch.from_numpy(self.leaves[chosen])


@dataclass(frozen=True)
class Opened:
    """A share of images, and how they are held, in words."""

    share: Share
    how: str


def open_share(rows: pa.Table, decoder: Decoder, folder: Path | None, threads: int, local_workers: int = 1) -> Opened:
    """Decode a share to a file if it fits into half of the free disk, together with the other workers'; else each time.

    Args:
        rows: imageRef and leaf.
        decoder: Decodes an image.
        folder: Of the file, see `Examples`.
        threads: Threads that decode.
        local_workers: Workers that share the disk.

    Raises:
        WriteError: when the disk becomes full.
        InputError: when the images cannot be read any more.
    """
    where = folder if folder and folder.is_dir() else Path(tempfile.gettempdir())
    each_time = RowImages(rows, decoder, threads)
    size, free = len(rows) * decoder.image_bytes, shutil.disk_usage(where).free
    if size > _SHARE_OF_DISK * free / local_workers:
        return Opened(
            each_time,
            f"Images are decoded anew in every epoch: {_gigabytes(size * local_workers)} of pixels do not fit into "
            f"half of the {_gigabytes(free)} that are free in {where}",
        )
    batches = each_time.batches(np.arange(len(rows)), _FILE_BATCH)
    kept = Examples(({"image": images.numpy(), "leaf": leaves.numpy()} for _, images, leaves in batches), folder)
    return Opened(kept, f"Images are decoded once, to {_gigabytes(size)} of temporary files for each worker")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
