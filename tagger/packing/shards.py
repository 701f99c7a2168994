"""A shard: a Parquet file of images, made in memory, with its counts in its metadata."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from tagger.errors import ImageError, InputError
from tagger.io.location import Location
from tagger.io.parquet import open_parquet, write_parquet
from tagger.schemas.documents.pack import ShardCounts
from tagger.schemas.tables.packed import FAILED_IMAGE, IMAGE_NUMBER, PACKED_IMAGE

_COUNTS = "pack"
_ROW_GROUP_BYTES = 8_000_000
"""A row group is read by one request; a reader holds one, and one that begins within it reads it from its start."""
_PAGE_ROWS = 16
_MOST_ITEMS = 100_000
"""Bounds the memory for images that cannot be read, which take no room in the shard."""

Image = tuple[str | None, bytes | ImageError]
"""The reference of an image, and its bytes or why it cannot be read."""


class Shard:
    """The images of consecutive items.

    Args:
        size: Bytes of images from which on it is full.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._sink = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(
            self._sink,
            PACKED_IMAGE,
            compression={name: "none" if name == "image" else "zstd" for name in PACKED_IMAGE.names},
            use_dictionary=[IMAGE_NUMBER],
            write_statistics=["id"],
            write_batch_size=_PAGE_ROWS,
        )
        self._rows: list[dict[str, Any]] = []
        self._rows_bytes = 0
        self._failed_rows: list[dict[str, Any]] = []
        self._items = self._items_failed = self._images = self._bytes = 0
        self._failed = Counter[str]()

    @property
    def is_full(self) -> bool:
        """Whether the next item belongs to the next shard."""
        return self._bytes >= self._size or self._items >= _MOST_ITEMS

    @property
    def counts(self) -> ShardCounts:
        """What it holds so far."""
        return ShardCounts(
            items=self._items,
            items_failed=self._items_failed,
            images=self._images,
            image_bytes=self._bytes,
            failed=dict(sorted(self._failed.items())),
        )

    def add(self, item: str, images: Sequence[Image]) -> None:
        """Add an item with its images."""
        self._items += 1
        before = self._images
        for number, (ref, data) in enumerate(images, start=1):
            row = {"id": item, IMAGE_NUMBER: number, "imageUri": ref}
            if isinstance(data, ImageError):
                self._failed[data.code] += 1
                self._failed_rows.append(row | {"errorCode": str(data.code), "errorMessage": data.message})
            else:
                self._add_row(row | {"image": data}, len(data))
        self._items_failed += self._images == before

    def write(self, file: Location, failed_file: Location) -> None:
        """Write the shard atomically, and before it the list of images that cannot be read, if there are any."""
        self._write_row_group()
        self._writer.add_key_value_metadata({_COUNTS: self.counts.model_dump_json(by_alias=True)})
        self._writer.close()
        if self._failed_rows:
            write_parquet(failed_file, pa.Table.from_pylist(self._failed_rows, FAILED_IMAGE))
        file.write_bytes(self._sink.getvalue())

    def _add_row(self, row: dict[str, Any], size: int) -> None:
        self._rows.append(row)
        self._images += 1
        self._bytes += size
        self._rows_bytes += size
        if self._rows_bytes >= _ROW_GROUP_BYTES:
            self._write_row_group()

    def _write_row_group(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, PACKED_IMAGE))
        self._rows, self._rows_bytes = [], 0


def counts_of(file: Location) -> ShardCounts:
    """The counts in the metadata of a shard. Raises InputError when it is not one."""
    counts = (open_parquet(file).metadata.metadata or {}).get(_COUNTS.encode())
    try:
        return ShardCounts.model_validate_json(counts or b"")
    except ValidationError as error:
        raise InputError(f"{file}: tagger pack did not write it") from error


def total_of(shards: Sequence[ShardCounts]) -> ShardCounts:
    """The sums of the counts of shards."""
    failed = Counter[str]()
    for shard in shards:
        failed.update(shard.failed)
    return ShardCounts(
        items=sum(shard.items for shard in shards),
        items_failed=sum(shard.items_failed for shard in shards),
        images=sum(shard.images for shard in shards),
        image_bytes=sum(shard.image_bytes for shard in shards),
        failed=dict(sorted(failed.items())),
    )
