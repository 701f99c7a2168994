"""Where image bytes come from: a folder, a URI column, an S3 prefix, a bytes column, a Parquet of id and image.

A store does two things, at two places. `locate`, where the manifest is read, turns rows into references, which are
plain strings and end up as `imageUri`. `fetch`, where images are decoded, turns references into bytes.
"""

import os
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.catalog import Role
from schemas.config import CatalogOptions
from schemas.prediction import ErrorCode
from tagger.catalog.manifest import PARQUET, Batch, Manifest
from tagger.catalog.parquet_images import ParquetImages, PositionIndex
from tagger.catalog.patterns import fill_pattern, resolve_in
from tagger.catalog.s3_images import S3Images
from tagger.errors import ImageError, UsageError
from tagger.storage import S3, Location

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
_SAMPLE = 1000


class ImageStore(Protocol):
    """Where bytes come from, given a row. Picklable: it travels to the workers."""

    ordered_by_store: bool
    """Whether references are read fastest in their own order rather than in the manifest's."""

    def locate(self, batch: Batch) -> list[str | None]:
        """Return a reference for every item of the batch, None where the row names no image."""
        ...

    def fetch(self, refs: Sequence[str]) -> list[bytes | ImageError]:
        """Return the bytes of every reference, in order, or why there are none."""
        ...


def open_store(options: CatalogOptions, manifest: Manifest) -> ImageStore:
    """Return the image store that `--images` names, or that the manifest's columns imply.

    Raises UsageError when it names nothing that is there.
    """
    spec = options.images
    image, image_uri = options.column.get("image", Role.IMAGE), options.column.get("imageUri", Role.IMAGE_URI)
    if spec is None:
        if manifest.bytes_column():
            return ParquetImages(manifest.files, image, options.max_bytes)
        if image_uri in manifest.columns:
            return _uri_store(str(Role.IMAGE_URI), options, manifest)
        raise UsageError("--images is missing, and the manifest has neither an imageUri nor an image (bytes) column")
    if spec.startswith("column:"):
        return _column_store(spec.removeprefix("column:"), options, manifest)
    location = Location(spec, options.s3_endpoint, options.s3_region)
    shards = _parquet_files(location)
    if shards:
        return _joined_store(shards, options)
    if location.is_s3:
        return S3Images.of_pattern(spec if "{" in spec else f"{spec.rstrip('/')}/{{id}}.jpg", options)
    return _folder_store(location, options)


def read_file(path: str, max_bytes: int) -> bytes:
    """Return a file's bytes. Raises ImageError when there is none, or it is larger than `max_bytes`."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            data = file.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(ErrorCode.NOT_FOUND, "there is no such file") from error
    except PermissionError as error:
        raise ImageError(ErrorCode.ACCESS_DENIED, "the file may not be read") from error
    except (OSError, ValueError) as error:
        raise ImageError(ErrorCode.STORE_ERROR, f"the file cannot be read: {error}") from error
    if len(data) > max_bytes:
        raise ImageError(ErrorCode.TOO_LARGE, f"the file is larger than {max_bytes:,} bytes")
    return data


class FolderImages:
    """A folder and a pattern over the manifest's columns, such as `{id}.jpg` or `{year}/{id}.jpg`."""

    ordered_by_store = False

    def __init__(self, root: str, patterns: Sequence[str], max_bytes: int) -> None:
        self._root = root
        self._patterns = tuple(patterns)
        self._max_bytes = max_bytes

    def locate(self, batch: Batch) -> list[str | None]:
        """References are paths; of several patterns, the first that is there."""
        filled = [fill_pattern(p, batch.items) for p in self._patterns]
        return [self._path(candidates) for candidates in zip(*filled, strict=True)]

    def fetch(self, refs: Sequence[str]) -> list[bytes | ImageError]:
        """Read the files one after another; they are local."""
        return [self._read(ref) for ref in refs]

    def _path(self, candidates: Sequence[str | None]) -> str | None:
        paths = [f"{self._root}/{c}" for c in candidates if c]
        if len(paths) < 2:
            return paths[0] if paths else None
        return next((p for p in paths if os.path.exists(p)), paths[0])  # noqa: PTH110 - as above

    def _read(self, ref: str) -> bytes | ImageError:
        try:
            return read_file(resolve_in(self._root, ref.removeprefix(f"{self._root}/")), self._max_bytes)
        except ImageError as error:
            return error


class UriImages:
    """A column of the manifest that holds paths or `s3://` addresses."""

    ordered_by_store = False

    def __init__(self, column: str, root: Location, options: CatalogOptions) -> None:
        self._column = column
        self._root = root
        self._max_bytes = options.max_bytes
        self._s3 = S3Images(options, within=root.uri if root.is_s3 else None)

    def locate(self, batch: Batch) -> list[str | None]:
        """References are the addresses as they stand in the manifest."""
        text = pc.utf8_trim_whitespace(pc.cast(batch.items[self._column], pa.string()))
        return [uri or None for uri in text.to_pylist()]

    def fetch(self, refs: Sequence[str]) -> list[bytes | ImageError]:
        """Local paths are read below the root; S3 objects many at a time."""
        found: dict[int, bytes | ImageError] = {}
        remote: dict[int, str] = {}
        for i, ref in enumerate(refs):
            if ref.startswith(S3) or self._root.is_s3:
                remote[i] = ref if ref.startswith(S3) else f"{self._root.uri.rstrip('/')}/{ref}"
            else:
                found[i] = self._read(ref)
        found.update(zip(remote, self._s3.fetch(list(remote.values())), strict=True))
        return [found[i] for i in range(len(refs))]

    def _read(self, ref: str) -> bytes | ImageError:
        try:
            if "://" in ref and not ref.startswith("file://"):
                raise ImageError(ErrorCode.UNSUPPORTED_URI, f"{ref!r} is neither a path nor an s3:// address")
            path = ref.removeprefix("file://")
            inside = path.removeprefix(self._root.uri.rstrip("/") + "/")
            return read_file(resolve_in(self._root.uri, inside), self._max_bytes)
        except ImageError as error:
            return error


def _parquet_files(location: Location) -> list[Location]:
    if location.is_glob:
        return [f for f in location.glob() if f.name.lower().endswith(PARQUET)]
    if location.name.lower().endswith(PARQUET) and location.exists():
        return [location]
    if "{" not in location.uri and location.is_dir():
        return [] if location.is_s3 and not location.files(PARQUET) else _shards_of(location)
    return []


def _shards_of(folder: Location) -> list[Location]:
    """The Parquet files of a folder that holds them and no images."""
    if folder.is_s3:
        return folder.files(PARQUET)
    names = [e.name.lower() for e in islice(os.scandir(folder.path), _SAMPLE)]
    if any(n.endswith(IMAGE_SUFFIXES) for n in names) or not any(n.endswith(PARQUET) for n in names):
        return []
    return folder.files(PARQUET)


def _joined_store(shards: list[Location], options: CatalogOptions) -> "ImageStore":
    index = PositionIndex.read(shards)
    return ParquetImages(shards, index.column, options.max_bytes, index)


def _column_store(column: str, options: CatalogOptions, manifest: Manifest) -> ImageStore:
    if column not in manifest.columns:
        raise UsageError(f"--images column:{column}: the manifest has no such column; it has {manifest.columns}")
    if ParquetImages.holds_bytes(manifest.files[0], column):
        return ParquetImages(manifest.files, column, options.max_bytes)
    return _uri_store(column, options, manifest)


def _uri_store(column: str, options: CatalogOptions, manifest: Manifest) -> ImageStore:
    if options.images_root:
        root = Location(options.images_root, options.s3_endpoint, options.s3_region)
    else:
        root = manifest.files[0].parent
    return UriImages(column, root, options)


def _folder_store(location: Location, options: CatalogOptions) -> ImageStore:
    if "{" in location.uri:
        root, pattern = _split_pattern(location.uri)
        patterns = [pattern]
    else:
        root, patterns = location.uri, []
    if not Path(root).is_dir():
        raise UsageError(f"--images: there is no folder {root}")
    return FolderImages(root, patterns or _patterns_in(root), options.max_bytes)


def _split_pattern(path: str) -> tuple[str, str]:
    folder = path[: path.index("{")].rsplit("/", 1)[0]
    return folder or "/", path[len(folder) + 1 :]


def _patterns_in(root: str) -> list[str]:
    """`{id}` with the suffixes that the folder's files have, the most frequent first."""
    suffixes = Counter(Path(e.name).suffix for e in islice(os.scandir(root), _SAMPLE) if e.is_file())
    found = [s for s, _ in suffixes.most_common() if s.lower() in IMAGE_SUFFIXES]
    if not found:
        raise UsageError(f"--images: no image files in {root}; name a pattern, such as {root}/{{year}}/{{id}}.jpg")
    return [f"{{id}}{s}" for s in found]


def row_order(store: ImageStore, refs: Sequence[str | None]) -> np.ndarray:
    """Positions of references in the order in which the store reads them best."""
    if not store.ordered_by_store:
        return np.arange(len(refs))
    keys = [ParquetImages.sort_key(r) for r in refs]
    return np.array(sorted(range(len(refs)), key=keys.__getitem__), np.int64)
