"""Embeddings of a frozen backbone lie on disk, in half precision."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tagger.training.embeddings import EmbeddingCache
from tagger.training.examples import Examples

SIZE = 150


def examples() -> Examples:
    images = np.random.default_rng(0).integers(0, 256, (SIZE, 8, 6, 3), np.uint8)
    return Examples([{"image": images, "leaf": np.arange(SIZE)}])


def left_column(images: Tensor) -> Tensor:
    return images[:, :, 0, 0].float() / 7


def cache_in(folder: Path) -> EmbeddingCache:
    return EmbeddingCache(lambda images: images, left_column, torch.device("cpu"), folder)


def test_they_are_in_an_unlinked_file_of_two_bytes_a_number(tmp_path: Path) -> None:
    vectors = cache_in(tmp_path).get("train", examples(), True, lambda seen, images: None).vectors
    assert isinstance(vectors, np.memmap)
    assert (vectors.shape, vectors.dtype, vectors.nbytes) == ((SIZE, 2, 8), np.float16, SIZE * 2 * 8 * 2)
    assert any(str(tmp_path) in line for line in Path("/proc/self/maps").read_text().splitlines())
    assert not list(tmp_path.iterdir())


def test_batches_are_those_of_the_images_up_to_rounding_and_half_of_them_mirrored(tmp_path: Path) -> None:
    share, order = examples(), np.random.default_rng(1).permutation(SIZE)
    kept = cache_in(tmp_path).get("train", share, True, lambda seen, images: None)
    mirrored = 0
    for batch, (vectors, leaves) in zip(
        share.batches(order, 40), kept.batches(order, np.arange(SIZE) % 2, 40), strict=True
    ):
        plain, other = left_column(batch[1]), left_column(batch[1].flip(2))
        assert torch.equal(leaves, batch[2])
        is_plain = torch.isclose(vectors.float(), plain, rtol=2**-11).all(1)
        is_other = torch.isclose(vectors.float(), other, rtol=2**-11).all(1)
        assert (is_plain | is_other).all()
        mirrored += int(is_other.sum())
    assert mirrored == SIZE // 2
    for batch, (vectors, _) in zip(
        share.batches(order, 40), kept.batches(order, np.zeros_like(order), 40), strict=True
    ):
        torch.testing.assert_close(vectors.float(), left_column(batch[1]), rtol=2**-11, atol=0)


def test_numbers_beyond_half_precision_are_finite(tmp_path: Path) -> None:
    cache = EmbeddingCache(lambda images: images, lambda i: left_column(i) * 1e6, torch.device("cpu"), tmp_path)
    vectors = cache.get("train", examples(), False, lambda seen, images: None).vectors
    assert np.isfinite(vectors).all()
