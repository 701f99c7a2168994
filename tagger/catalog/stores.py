"""Where image bytes come from: a folder, a URI column, an S3 prefix, a bytes column, a Parquet of id and image.

A store does two things, at two places. `locate`, where the manifest is read, turns rows into references, which are
plain strings and end up as `imageUri`. `fetch`, where images are decoded, turns references into bytes.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from schemas.catalog import Role
from schemas.options import CatalogOptions
from schemas.prediction import ErrorCode
from tagger.catalog.image_files import FolderImages, files_below, read_file
from tagger.catalog.manifest import Batch, Manifest
from tagger.catalog.parquet_images import ParquetImages, PositionIndex
from tagger.catalog.patterns import resolve_in, text_column
from tagger.catalog.pixel_images import PixelImages
from tagger.catalog.s3_images import S3Images, first_keys
from tagger.catalog.suffixes import IMAGE_SUFFIXES
from tagger.catalog.tables.parquet import PARQUET
from tagger.errors import ImageError, UsageError
from tagger.storage import S3, Location


class ImageStore(Protocol):
    """Where bytes come from, given a row. Picklable: it travels to the workers."""

    ordered_by_store: bool
    """Whether references are read fastest in their own order rather than in the manifest's."""

    def locate(self, batch: Batch) -> list[str | None]:
        """Return a reference for every item of the batch, None where the row names no image."""
        ...

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Yield the bytes of every reference, in order, or why there are none; few of them are in memory at once."""
        ...


def open_store(options: CatalogOptions, manifest: Manifest) -> ImageStore:
    """Return the image store that `--images` names, or that the manifest's columns imply.

    Raises UsageError when it names nothing that is there.
    """
    spec = options.images
    image, image_uri = options.column.get("image", Role.IMAGE), options.column.get("imageUri", Role.IMAGE_URI)
    if spec is None:
        if manifest.holds_pixels(manifest.files[0]):
            return PixelImages(manifest.files)
        if manifest.bytes_column():
            return ParquetImages(manifest.files, image, options.max_bytes, root=options.images_root)
        if image_uri in manifest.columns:
            return UriImages(image_uri, options, manifest)
        raise UsageError("--images is missing, and the manifest has neither an imageUri nor an image (bytes) column")
    if spec.startswith("column:"):
        return _column_store(spec.removeprefix("column:"), options, manifest)
    location = Location(spec, options.s3_endpoint, options.s3_region)
    shards = _parquet_files(location)
    if shards:
        return _joined_store(shards, options)
    if location.is_s3:
        return S3Images.of_pattern(spec if "{" in spec else f"{location}/{_patterns_in(location)[0]}", options)
    return _folder_store(location, options)


class UriImages:
    """A column of the manifest that holds paths or `s3://` addresses.

    Relative paths are relative to the root, or without one to the manifest file that names them. Nothing is read
    outside the root or, without one, outside the manifest's folder; whole `s3://` addresses are then read wherever
    they lie.
    """

    ordered_by_store = False

    def __init__(self, column: str, options: CatalogOptions, manifest: Manifest) -> None:
        self._column = column
        self._max_bytes = options.max_bytes
        explicit = options.images_root
        self._base = Location(explicit, options.s3_endpoint, options.s3_region) if explicit else None
        self._root = (self._base or manifest.folder).uri.rstrip("/")
        self._s3 = S3Images(options, within=f"{self._root}/" if explicit else None)

    def locate(self, batch: Batch) -> list[str | None]:
        """References are the addresses in the manifest, the relative ones put below their folder."""
        folder = (self._base or batch.file.parent).uri.rstrip("/")
        uris = text_column(batch, self._column, f"--images column:{self._column}").to_pylist()
        return [_absolute(uri, folder) if uri else None for uri in uris]

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Local paths are read below the root; S3 objects many at a time."""
        remote = self._s3.fetch([ref for ref in refs if ref.startswith(S3)])
        return (next(remote) if ref.startswith(S3) else self._read(ref) for ref in refs)

    def refs_below(self, prefix: str) -> list[str]:
        """Paths or addresses below the root that begin with a prefix."""
        if prefix.startswith(S3):
            return self._s3.refs_below(prefix)
        return files_below(prefix) if prefix.startswith(f"{self._root}/") else []

    def _read(self, ref: str) -> bytes | ImageError:
        try:
            if "://" in ref:
                raise ImageError(ErrorCode.UNSUPPORTED_URI, f"{ref!r} is neither a path nor an s3:// address")
            inside = ref.removeprefix(f"{self._root}/")
            if inside == ref:
                message = f"{ref!r} lies outside {self._root}; name the folder of the images with --images-root"
                raise ImageError(ErrorCode.OUTSIDE_STORE, message)
            return read_file(resolve_in(self._root, inside), self._max_bytes)
        except ImageError as error:
            return error


def fetch_all(store: ImageStore, refs: Sequence[str | None]) -> Iterator[bytes | ImageError]:
    """Fetch references, of which None stands for a row that names no image."""
    found = store.fetch([ref for ref in refs if ref])
    return (next(found) if ref else ImageError(ErrorCode.NO_IMAGE, "the row names no image") for ref in refs)


def _absolute(uri: str, folder: str) -> str:
    uri = uri.removeprefix("file://")
    return uri if "://" in uri or uri.startswith("/") else f"{folder}/{uri}"


def _parquet_files(location: Location) -> list[Location]:
    """The Parquet files that `--images` names: a file, a glob, or a folder that holds them and no images."""
    if location.is_glob:
        return [f for f in location.glob() if f.name.lower().endswith(PARQUET)]
    if location.name.lower().endswith(PARQUET) and location.exists():
        return [location]
    if "{" in location.uri or not location.is_dir():
        return []
    names = [name.lower() for name in _names_in(location)]
    images, shards = (any(n.endswith(s) for n in names) for s in (IMAGE_SUFFIXES, PARQUET))
    return location.files(PARQUET) if shards and not images else []


def _names_in(folder: Location) -> list[str]:
    """Names of the files in a folder; of a prefix in a bucket, those on the first page of the listing."""
    if folder.is_s3:
        return first_keys(folder)
    return [entry.name for entry in os.scandir(folder.path)]


def _joined_store(shards: list[Location], options: CatalogOptions) -> "ImageStore":
    index = PositionIndex.read(shards)
    return ParquetImages(shards, index.column, options.max_bytes, index, options.images_root)


def _column_store(column: str, options: CatalogOptions, manifest: Manifest) -> ImageStore:
    if column not in manifest.columns:
        raise UsageError(f"--images column:{column}: the manifest has no such column; it has {manifest.columns}")
    if ParquetImages.holds_bytes(manifest.files[0], column):
        return ParquetImages(manifest.files, column, options.max_bytes, root=options.images_root)
    return UriImages(column, options, manifest)


def _folder_store(location: Location, options: CatalogOptions) -> ImageStore:
    if "{" in location.uri:
        root, pattern = _split_pattern(location.uri)
        patterns = [pattern]
    else:
        root, patterns = location.uri, []
    if not Path(root).is_dir():
        raise UsageError(f"--images: there is no folder {root}")
    return FolderImages(root, patterns or _patterns_in(location), options.max_bytes)


def _split_pattern(path: str) -> tuple[str, str]:
    folder = path[: path.index("{")].rsplit("/", 1)[0]
    return folder or "/", path[len(folder) + 1 :]


def _patterns_in(folder: Location) -> list[str]:
    """`{id}` with the suffixes that the folder's files have, the most frequent first."""
    suffixes = Counter(Path(name).suffix for name in _names_in(folder))
    found = [s for s, _ in suffixes.most_common() if s.lower() in IMAGE_SUFFIXES]
    if not found:
        raise UsageError(f"--images: no image files in {folder}; name a pattern, such as {folder}/{{year}}/{{id}}.jpg")
    return [f"{{id}}{s}" for s in found]


def row_order(store: ImageStore, refs: Sequence[str | None]) -> np.ndarray:
    """Positions of references in the order in which the store reads them best."""
    if not store.ordered_by_store:
        return np.arange(len(refs))
    keys = [ParquetImages.sort_key(r) for r in refs]
    return np.array(sorted(range(len(refs)), key=keys.__getitem__), np.int64)
