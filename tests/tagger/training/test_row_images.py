"""Training workers decode their own share of rows; the choice between a file and each epoch changes nothing."""

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from tagger.dataset.usable import USABLE, UsableRows
from tagger.demo.drawn_catalogue import Drawn
from tagger.errors import InputError
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.schemas.documents.bundle import Preprocessing
from tagger.training import row_images
from tagger.training.examples import Examples
from tagger.training.row_images import Decoder, RowImages, open_share
from tests.builders import catalog_of

PREPROCESSING = Preprocessing(height=24, width=18, fit="pad", resize="area")


def usable_rows(folder: Path, *sizes: int) -> UsableRows:
    shards, start = [], 0
    for number, size in enumerate(sizes):
        names = [f"i{n}" for n in range(start, start + size)]
        texts = {"id": names, "imageRef": names, "time": [""] * size}
        numbers = {name: [0] * size for name in ("number", "blur", "blurred")}
        table = pa.table({**texts, **numbers, "leaf": range(start, start + size)}).select(USABLE.names).cast(USABLE)
        shards.append(Location(str(folder / f"shard-{number}.parquet")))
        write_parquet(shards[-1], table)
        start += size
    return UsableRows(tuple(shards))


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_workers_shares_are_all_rows_once_in_the_order_of_the_shards_and_even_to_one(
    workers: int, tmp_path: Path
) -> None:
    rows = usable_rows(tmp_path, 10, 0, 1, 12)
    shares = [rows.share(rank, workers, seed=4)["leaf"].to_pylist() for rank in range(workers)]
    assert sorted(n for share in shares for n in share) == list(range(23))
    assert all(share == sorted(share) for share in shares)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert shares == [rows.share(rank, workers, seed=4)["leaf"].to_pylist() for rank in range(workers)]
    if workers > 1:
        assert shares != [rows.share(rank, workers, seed=5)["leaf"].to_pylist() for rank in range(workers)]


@pytest.fixture
def decoder(drawn: Drawn) -> Decoder:
    _, store = catalog_of(drawn.manifest, drawn.images)
    return Decoder(store, PREPROCESSING, 10_000_000)


def drawn_rows(drawn: Drawn, missing: int = 0) -> pa.Table:
    broken = {*drawn.missing, *drawn.truncated}
    refs = [str(file) for file in sorted(drawn.images.glob("*.jpg")) if file.stem not in broken][:100]
    refs[5 : 5 + missing] = [str(drawn.images / "gone.jpg")] * missing
    return pa.table({"imageRef": refs, "leaf": [n % 7 for n in range(len(refs))]})


def test_a_share_without_room_on_the_disk_is_decoded_anew_and_gives_the_same_batches(
    drawn: Drawn, decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = drawn_rows(drawn)
    kept = open_share(rows, decoder, tmp_path, threads=2)
    monkeypatch.setattr(row_images, "_SHARE_OF_DISK", 0.0)
    anew = open_share(rows, decoder, tmp_path, threads=2)
    assert isinstance(kept.share, Examples) and kept.how.startswith("Images are decoded once")
    assert isinstance(anew.share, RowImages) and anew.how.startswith("Images are decoded anew in every epoch")
    order = np.random.default_rng(0).permutation(np.tile(np.arange(len(rows)), 2))
    for ours, theirs in zip(anew.share.batches(order, 45), kept.share.batches(order, 45), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    for ours, theirs in zip(anew.share.batches(order, 45, False), kept.share.batches(order, 45, False), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_an_image_that_is_gone_is_replaced_by_another_with_its_leaf_for_good(drawn: Drawn, decoder: Decoder) -> None:
    rows = drawn_rows(drawn, missing=2)
    images = RowImages(rows, decoder, threads=2)
    first, again = (next(images.batches(np.arange(50), 50)) for _ in range(2))
    assert images.replaced == 2
    for _, pixels, leaves in (first, again):
        for n in (5, 6):
            other = next(m for m in range(50) if m not in (5, 6) and torch.equal(pixels[m], pixels[n]))
            assert leaves[n] == leaves[other]
    assert torch.equal(first[2], again[2])


def test_images_that_are_all_gone_end_a_training(drawn: Drawn, decoder: Decoder) -> None:
    rows = drawn_rows(drawn, missing=50).slice(5, 40)
    with pytest.raises(InputError, match="not one image of a batch can be read any more"):
        next(RowImages(rows, decoder, threads=1).batches(np.arange(40), 40))


def test_an_iterator_that_is_given_up_ends_its_threads(drawn: Drawn, decoder: Decoder) -> None:
    batches = RowImages(drawn_rows(drawn), decoder, threads=2).batches(np.arange(100), 10)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
