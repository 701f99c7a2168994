"""Image stores: a folder, a URI column, an S3 prefix, a bytes column, or files of many images.

A store does two things. `locate` runs where the manifest is read: it maps rows to references, plain strings that become
`imageUri`. `fetch` runs where images are decoded: it maps references to bytes.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from tagger.errors import ImageError, UsageError
from tagger.images.files import FolderImages, exists
from tagger.images.folders import first_batch, list_folder
from tagger.images.parquet import ParquetImages
from tagger.images.parquet_index import ParquetIndex
from tagger.images.pixels import PixelImages
from tagger.images.revisions import Revision, RevisionStore
from tagger.images.s3 import S3Images, list_names
from tagger.images.several import NUMBER, NumberedImages
from tagger.images.tar import TarImages
from tagger.images.tar_index import TarIndex
from tagger.images.tar_members import COMPRESSED_TARS, TAR, compressed
from tagger.images.uri import UriImages
from tagger.images.urls import redacted, scheme_of
from tagger.io.completion import is_complete
from tagger.io.globs import is_glob, matching_files
from tagger.io.location import Location
from tagger.manifest.batch import Batch
from tagger.manifest.headings import listed
from tagger.manifest.manifest import Manifest
from tagger.manifest.tables.parquet import PARQUET
from tagger.schemas.configs.options import CatalogOptions
from tagger.schemas.documents.pack import PACK_RECORD
from tagger.schemas.tables.item import Role
from tagger.schemas.tables.prediction import ErrorCode


class ImageStore(Protocol):
    """Reads the images of a manifest's rows. Picklable, so that workers can receive it."""

    ordered_by_store: bool
    """Whether references are read faster in the store's order than in the manifest's."""

    @property
    def locates_in_copies(self) -> bool:
        """Whether a copy in another process can locate, too; a store that has listed its images cannot."""
        ...

    def locate(self, batch: Batch) -> list[str | None]:
        """Return a reference for each item of the batch; None when its row names no image."""
        ...

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Yield the bytes or an error for each reference, in order; only a few images are in memory at once."""
        ...


@runtime_checkable
class OrderedStore(Protocol):
    """A store that knows where its images lie."""

    ordered_by_store: bool

    @property
    def row_count(self) -> int:
        """How far positions go: they are smaller than this."""
        ...

    def positions(self, refs: Sequence[str | None]) -> np.ndarray:
        """Where each reference lies, such as its row, int64 [N]; -1 for one that the store does not have."""
        ...


def open_store(options: CatalogOptions, manifest: Manifest) -> ImageStore:
    """Open the image store that `--images` names, or that the manifest's columns imply.

    Messages for the user go to the manifest's notices. Raises UsageError when there is no such store.
    """
    manifest.most_images = options.images_per_item
    spec = options.images
    if spec is None:
        return _implied_store(options, manifest)
    if spec.startswith("column:"):
        return _column_store(spec.removeprefix("column:"), options, manifest)
    if scheme_of(spec) in ("http", "https"):
        return _http_store(spec, options, manifest)
    _notice_mapped(spec, options, manifest)
    location = Location(spec, options.s3_endpoint, options.s3_region)
    if is_glob(location):
        return _files_store(matching_files(location), spec, options, manifest)
    if location.name.lower().endswith((*PARQUET, TAR, *COMPRESSED_TARS)) and location.exists():
        return _files_store([location], spec, options, manifest)
    if "{" in spec:
        return _pattern_store(location, options, numbered=NUMBER in spec and "n" not in manifest.columns)
    if not location.is_dir():
        raise UsageError(f"--images: there is no folder {location}")
    return _folder_store(location, options, manifest)


def _http_store(pattern: str, options: CatalogOptions, manifest: Manifest) -> ImageStore:
    from tagger.images.http.store import HttpImages, notice_proxies

    if NUMBER in pattern and "n" not in manifest.columns:
        raise UsageError(
            f"--images {redacted(pattern)}: which numbers there are cannot be asked over http; name a column of the "
            "addresses, several in a cell: --images column:NAME"
        )
    if options.allow_http:
        notice_proxies(manifest.notices)
    return HttpImages.of_pattern(pattern, options)


def _implied_store(options: CatalogOptions, manifest: Manifest) -> ImageStore:
    image, image_uri = options.column.get("image", Role.IMAGE), options.column.get("imageUri", Role.IMAGE_URI)
    if manifest.holds_pixels(manifest.files[0]):
        return PixelImages(manifest.files)
    if manifest.bytes_column():
        return ParquetImages(manifest.files, image, options.max_bytes, root=options.images_root)
    if image_uri in manifest.columns:
        return UriImages.open(image_uri, options, manifest)
    raise UsageError("--images is missing, and the manifest has neither an imageUri nor an image (bytes) column")


def fetch_all(store: ImageStore, refs: Sequence[str | None]) -> Iterator[bytes | ImageError]:
    """Fetch references; None, of a row that names no image, gives an error."""
    images = store.fetch([ref for ref in refs if ref])
    return (next(images) if ref else _no_image() for ref in refs)


def fetch_revisions(store: ImageStore, refs: Sequence[str | None], etags: Sequence[str | None]) -> Iterator[Revision]:
    """Fetch references like `fetch_all`, without downloading images whose ETag is unchanged.

    A store without validators reads every image.

    Args:
        store: Reads the images.
        refs: References; None for a row that names no image.
        etags: The ETag of the known image for each row; None downloads the image in any case.
    """
    if not isinstance(store, RevisionStore):
        yield from (Revision(data) for data in fetch_all(store, refs))
        return
    conditions = [(ref, etag) for ref, etag in zip(refs, etags, strict=True) if ref]
    revisions = store.revisions([ref for ref, _ in conditions], [etag for _, etag in conditions])
    for ref in refs:
        yield next(revisions) if ref else Revision(_no_image())


def _no_image() -> ImageError:
    return ImageError(ErrorCode.NO_IMAGE, "the row names no image")


def _column_store(column: str, options: CatalogOptions, manifest: Manifest) -> ImageStore:
    if column not in manifest.columns:
        raise UsageError(
            f"--images column:{column}: the manifest has no such column; it has {listed(manifest.columns)}"
        )
    if ParquetImages.holds_bytes(manifest.files[0], column):
        return ParquetImages(manifest.files, column, options.max_bytes, root=options.images_root)
    return UriImages.open(column, options, manifest)


def _files_store(files: Sequence[Location], spec: str, options: CatalogOptions, manifest: Manifest) -> ImageStore:
    """A store of those files that are Parquet files of id and image or, without any, of the tar files.

    Raises UsageError when there are none.
    """
    shards = [file for file in files if file.name.lower().endswith(PARQUET)]
    tars = [file for file in files if file.name.lower().endswith((TAR, *COMPRESSED_TARS))]
    if not shards and not tars:
        pattern = spec.replace("*", "{id}", 1) if "{" not in spec else re.sub(r"\*+", "{column}", spec)
        raise UsageError(
            f"--images {spec}: wildcards are for Parquet or tar files of images, and there are none; put the "
            f"manifest's columns in braces, such as {pattern}"
        )
    return _parquet_store(shards, options) if shards else _tar_store(tars, spec, options, manifest)


def _parquet_store(shards: Sequence[Location], options: CatalogOptions) -> ImageStore:
    """A store of Parquet files of id and image. Raises UsageError when not all are there that `tagger pack` writes."""
    for folder in dict.fromkeys(shard.parent for shard in shards):
        _refuse_unfinished(folder)
    index = ParquetIndex(shards, options.images_per_item)
    return ParquetImages(list(shards), index.column, options.max_bytes, index, options.images_root)


def _tar_store(tars: Sequence[Location], spec: str, options: CatalogOptions, manifest: Manifest) -> ImageStore:
    """A store of tar files. Raises UsageError when one is compressed, or when they hold no images."""
    for tar in tars:
        if tar.name.lower().endswith(COMPRESSED_TARS):
            raise UsageError(f"--images {compressed(tar)}")
    index = TarIndex(tars, options.images_per_item)
    if not index.rows and not index.damage:
        like = f"; there are others, such as {index.example}" if index.other else ""
        raise UsageError(f"--images {spec}: no image in it is called ID.jpg, or ID.NUMBER.jpg{like}")
    for damage in index.damage:
        manifest.notices.add(f"--images {damage}")
    if index.other:
        images = "1 image is" if index.other == 1 else f"{index.other:,} images are"
        manifest.notices.add(
            f"--images {spec}: {images} left out whose names are not ID.jpg or ID.NUMBER.jpg, such as {index.example}"
        )
    return TarImages(index, options.max_bytes, options.store_concurrency)


def _pattern_store(location: Location, options: CatalogOptions, numbered: bool) -> ImageStore:
    if location.is_s3:
        store = S3Images.of_pattern(location.uri, options)
        return _numbered_objects(store, location, options) if numbered else store
    folder = location.uri[: location.uri.index("{")].rsplit("/", 1)[0] or "/"
    if not Path(folder).is_dir():
        raise UsageError(f"--images: there is no folder {folder}")
    pattern = location.uri.removeprefix(folder).lstrip("/")
    files = FolderImages(folder, [pattern], options.max_bytes, options.follow_links)
    return NumberedImages(files, location.uri, exists, options.images_per_item) if numbered else files


def _numbered_objects(store: S3Images, location: Location, options: CatalogOptions) -> ImageStore:
    """A store of objects with numbers in their names. Raises UsageError when they cannot all be listed."""
    if "{" in str(location.parent):
        raise UsageError(f"--images {location}: in a bucket, {NUMBER} and columns belong into the name, not the folder")
    names, is_complete = list_names(location.parent)
    if not is_complete:
        raise UsageError(
            f"--images {location}: there are more than {len(names):,} objects; name a column of the addresses, several "
            "in a cell: --images column:NAME"
        )
    addresses = {f"{location.parent.uri.rstrip('/')}/{name}" for name in names}
    return NumberedImages(store, location.uri, addresses.__contains__, options.images_per_item)


def _folder_store(folder: Location, options: CatalogOptions, manifest: Manifest) -> ImageStore:
    """A store of a folder or prefix without a pattern: images by `{id}` and the suffixes found, or files of many."""
    content = list_folder(folder)
    if content.parquet and not content.suffixes:
        return _parquet_store(folder.files(PARQUET), options)
    if content.tars and not content.suffixes:
        return _tar_store(folder.files((TAR, *COMPRESSED_TARS)), str(folder), options, manifest)
    if not content.suffixes:
        raise UsageError(content.advice(first_batch(manifest)))
    for notice in content.notices():
        manifest.notices.add(notice)
    if folder.is_s3:
        return S3Images.of_names(folder, options, content.suffixes, content.names)
    patterns = [f"{{id}}{suffix}" for suffix in content.suffixes]
    return FolderImages(folder.uri, patterns, options.max_bytes, options.follow_links)


def _refuse_unfinished(folder: Location) -> None:
    """Raise UsageError for a folder that lacks images because packing was interrupted."""
    if (folder / PACK_RECORD).exists() and not is_complete(folder):
        raise UsageError(f"--images: {folder} is not packed to its end; the tagger pack that began it goes on with it")


def _notice_mapped(spec: str, options: CatalogOptions, manifest: Manifest) -> None:
    """Add a notice of which column `{id}` means when another column has that name."""
    for role, column in options.column.items():
        used = f"{{{role}}}" in spec or ("{" not in spec and role == "id")
        if used and column != role and role in manifest.columns:
            manifest.notices.add(
                f"--images {spec}: {{{role}}} is the column {column}; the manifest's own column {role} is "
                f"{{{role}_original}}"
            )


def row_order(store: ImageStore, refs: Sequence[str | None]) -> np.ndarray:
    """The order in which the store reads references fastest: their positions, int64 [N]."""
    if not isinstance(store, OrderedStore) or not store.ordered_by_store:
        return np.arange(len(refs))
    return np.argsort(store.positions(refs), kind="stable")
