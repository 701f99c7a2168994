"""The items to pack with their images: those of a manifest, or all images in a folder."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError, UsageError
from tagger.images.files import FolderImages
from tagger.images.folders import Content, list_folder
from tagger.images.s3 import S3Images, pages_of_names
from tagger.images.several import locate_all
from tagger.images.stores import ImageStore
from tagger.images.urls import scheme_of
from tagger.imaging.suffixes import IMAGE_SUFFIXES
from tagger.io.globs import is_glob
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.schemas.configs.pack import PackConfig

_BATCH_ITEMS = 8192


class Items(NamedTuple):
    """Consecutive items."""

    ids: list[str]
    refs: list[list[str]]
    """References to the images of each; empty for an item without one."""


class RowCounts(NamedTuple):
    """How many rows were read; rows = items + further + rejected ones."""

    rows: int
    further: int
    rejects: Counter[str]


class Source(Protocol):
    """Items in an order that is the same each time, and the store of their images."""

    store: ImageStore
    total: int | None
    """Number of items and rejected rows, if it is known."""

    def fingerprint(self) -> str:
        """A text that changes when the items do."""
        ...

    def batches(self, begin: int) -> Iterator[Items]:
        """The items from a number on, counted from 0."""
        ...

    def row_counts(self) -> RowCounts:
        """How many rows there were, after the last batch."""
        ...


class ManifestSource:
    """The items of a manifest, in its order.

    Args:
        manifest: The items.
        store: Its images.
        write_rejects: Takes the rejected rows of each batch that has some, by REJECT.
    """

    def __init__(self, manifest: Manifest, store: ImageStore, write_rejects: Callable[[pa.Table], None]) -> None:
        self.store = store
        self.total = manifest.row_count()
        self._manifest = manifest
        self._write_rejects = write_rejects

    def fingerprint(self) -> str:
        """The manifest's files with their sizes and times, as a digest."""
        return hashlib.sha256(self._manifest.fingerprint().encode()).hexdigest()

    def batches(self, begin: int) -> Iterator[Items]:
        """The items from a number on; the rows before are read, too, for their ids and rejects."""
        before = 0
        for batch in self._manifest.batches():
            if len(batch.rejects):
                self._write_rejects(batch.rejects)
            first = max(0, begin - before)
            before += len(batch.items)
            if first < len(batch.items):
                yield Items(batch.items["id"].to_pylist()[first:], locate_all(self.store, batch)[first:])

    def row_counts(self) -> RowCounts:
        """The counts of the last reading."""
        tally = self._manifest.tally
        return RowCounts(tally.rows, tally.further, tally.rejects)


class FolderSource:
    """All images directly in a folder or prefix, by name; an item's id is the name without suffix.

    The list of names is held in memory.

    Args:
        folder: The folder or prefix.
        names: The names of its images, sorted.
        config: Limits and endpoint of the store.
    """

    def __init__(self, folder: Location, names: pa.Array, config: PackConfig) -> None:
        self.store: ImageStore = (
            S3Images(config, within=f"{folder.uri.rstrip('/')}/")
            if folder.is_s3
            else FolderImages(folder.uri, (), config.max_bytes, config.follow_links)
        )
        self.total: int | None = len(names)
        self._folder = folder
        self._names = names

    @classmethod
    def open(cls, config: PackConfig, notice: Callable[[str], None]) -> "FolderSource":
        """List a folder. Raises UsageError where `--images` is none, and InputError where two images have one id.

        Args:
            config: The config, without a manifest.
            notice: Takes messages about which files are images.
        """
        spec = config.images or ""
        if scheme_of(spec) not in (None, "s3", "file") or spec.startswith("column:") or "{" in spec:
            raise UsageError(f"--images {spec}: this needs --manifest, which says which items there are")
        folder = Location(spec, config.s3_endpoint, config.s3_region)
        if is_glob(folder) or not folder.is_dir():
            raise UsageError(f"--images: there is no folder {folder}; other images than a folder's need --manifest")
        content = list_folder(folder)
        _check(content)
        for text in content.notices() if content.complete else ():
            notice(text)
        names, others = _sorted_images(iter([content.names]) if content.complete else pages_of_names(folder))
        if others:
            files = "1 file is" if others == 1 else f"{others:,} files are"
            notice(f"--images {folder}: {files} not packed, because the name does not end like that of an image")
        _refuse_repeated(names, folder)
        return cls(folder, names, config)

    def fingerprint(self) -> str:
        """A digest of the names."""
        digest = hashlib.sha256()
        for name in self._names:
            digest.update(f"{name}\n".encode())
        return digest.hexdigest()

    def batches(self, begin: int) -> Iterator[Items]:
        """The images from a number on."""
        for first in range(begin, len(self._names), _BATCH_ITEMS):
            names = self._names.slice(first, _BATCH_ITEMS).to_pylist()
            yield Items([_stem(name) for name in names], [[f"{self._folder.uri.rstrip('/')}/{name}"] for name in names])

    def row_counts(self) -> RowCounts:
        """An image counts as a row."""
        return RowCounts(len(self._names), 0, Counter())


def _check(content: Content) -> None:
    """Raise UsageError for a folder without images directly in it."""
    if content.suffixes:
        return
    if content.parquet:
        raise UsageError(f"--images: {content.folder} holds Parquet files already; to pack them anew, give --manifest")
    if content.tars:
        raise UsageError(f"--images: {content.folder} holds tar files; to pack their images, give --manifest")
    raise UsageError(f"{content.advice(None)}, with --manifest for its columns")


def _sorted_images(pages: Iterator[Sequence[str]]) -> tuple[pa.Array, int]:
    """The names of images, sorted by their bytes, as buckets list them; and the number of other names."""
    chunks, listed = [], 0
    for page in pages:
        chunks.append(pa.array([name for name in page if _is_image(name)], pa.large_string()))
        listed += len(page)
    names = pa.chunked_array(chunks, pa.large_string()).combine_chunks()
    return names.take(pc.array_sort_indices(names)), listed - len(names)


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - of millions of names


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - of millions of names


def _refuse_repeated(names: pa.Array, folder: Location) -> None:
    """Raise InputError when names differ in nothing but the suffix."""
    stems = pc.replace_substring_regex(names, r"\.[^.]*$", "")
    counts = pc.value_counts(stems)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        example = repeated[0].as_py()
        first, second = names.filter(pc.equal(stems, example)).to_pylist()[:2]
        ids = "1 id has" if len(repeated) == 1 else f"{len(repeated):,} ids have"
        raise InputError(
            f"--images: in {folder}, {ids} several files, such as {first} and {second}; give --manifest and a pattern, "
            "which say what the items' images are"
        )
