"""Images by a column of the manifest that holds paths or addresses."""

import os
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from tagger.errors import ImageError, UsageError
from tagger.images.cells import split_cell
from tagger.images.files import exists, first_existing, list_files, read_file
from tagger.images.folders import first_batch
from tagger.images.patterns import resolve_below, text_column
from tagger.images.revisions import Revision, RevisionStore
from tagger.images.s3 import S3Images
from tagger.images.urls import is_http, redacted, scheme_of
from tagger.io.location import S3, Location
from tagger.manifest.batch import Batch
from tagger.manifest.manifest import Manifest
from tagger.schemas.configs.options import CatalogOptions
from tagger.schemas.tables.prediction import ErrorCode

_S3_SCHEMES = {"s3", "s3a", "s3n"}


class UriImages:
    """A column of the manifest that holds paths, `s3://` addresses and, if allowed, http addresses.

    Relative paths are relative to the root or, without one, to the manifest file that names them. Nothing is read
    outside the root. Without a root, no path outside the manifest's folder is read, but any complete `s3://` address
    is. A path that does not exist is tried percent-decoded, with slashes for backslashes, and in the other Unicode
    form. A cell may name several images; see `split_cell`.
    """

    ordered_by_store = False
    locates_in_copies = True

    def __init__(self, column: str, options: CatalogOptions, manifest: Manifest) -> None:
        from tagger.images.http.store import HttpImages

        self._column = column
        self._flag = f"--images column:{column}"
        self._max_bytes = options.max_bytes
        self._most = options.images_per_item
        self._follow_links = options.follow_links
        explicit = options.images_root
        self._base = Location(explicit, options.s3_endpoint, options.s3_region) if explicit else None
        self._root = (self._base or manifest.folder).uri.rstrip("/")
        self._s3 = S3Images(options, within=f"{self._root}/" if explicit else None)
        self._http = HttpImages(options)

    @classmethod
    def open(cls, column: str, options: CatalogOptions, manifest: Manifest) -> "UriImages":
        """Open the store and check it against the manifest's first rows.

        Raises UsageError when most of them hold http addresses, and these are not allowed.
        """
        from tagger.images.http.store import notice_proxies

        store = cls(column, options, manifest)
        batch = first_batch(manifest)
        refs = [ref for ref in store.locate(batch) if ref] if batch else []
        addresses = [ref for ref in refs if is_http(ref)]
        if addresses and options.allow_http:
            notice_proxies(manifest.notices)
        elif 2 * len(addresses) > len(refs):
            example = redacted(addresses[0])
            raise UsageError(f"{store._flag} holds http addresses, such as {example}; give --allow-http to fetch them")
        elif addresses:
            count = f"{len(addresses):,} of the first {len(refs):,} images are"
            manifest.notices.add(f"{store._flag}: {count} http addresses, which fail without --allow-http")
        return store

    def locate(self, batch: Batch) -> list[str | None]:
        """References are absolute paths and complete addresses; relative paths are resolved below their folder."""
        return [refs[0] if refs else None for refs in self._located(batch, most=1)]

    def locate_all(self, batch: Batch) -> list[list[str]]:
        """References to the images of each cell."""
        return self._located(batch, self._most)

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Read local paths below the root; fetch objects and http images concurrently."""
        for revision in self.revisions(refs, [None] * len(refs)):
            yield revision.content()

    def revisions(self, refs: Sequence[str], etags: Sequence[str | None]) -> Iterator[Revision]:
        """Like `fetch`, but objects and http images whose ETag is unchanged are not downloaded."""
        conditions = list(zip(refs, etags, strict=True))
        objects = _revisions(self._s3, [(ref, etag) for ref, etag in conditions if ref.startswith(S3)])
        pages = _revisions(self._http, [(ref, etag) for ref, etag in conditions if is_http(ref)])
        for ref in refs:
            if is_http(ref):
                yield next(pages)
            else:
                yield next(objects) if ref.startswith(S3) else Revision(self._read(ref))

    def refs_below(self, prefix: str) -> list[str]:
        """Paths or addresses below the root that begin with a prefix."""
        if prefix.startswith(S3):
            return self._s3.refs_below(prefix)
        return list_files(prefix) if prefix.startswith(f"{self._root}/") else []

    def _located(self, batch: Batch, most: int) -> list[list[str]]:
        folder = (self._base or batch.file.parent).uri.rstrip("/")
        return [[_reference(image, folder) for image in images[:most]] for images in self._images(batch)]

    def _images(self, batch: Batch) -> list[list[str]]:
        """The paths and addresses in each cell, without repetitions."""
        column = batch.column(self._column)
        if column is not None and _is_list_of_texts(column.type):
            cells = (() if entries is None else filter(None, entries) for entries in column.to_pylist())
            return [list(dict.fromkeys(piece for entry in entries if (piece := entry.strip()))) for entries in cells]
        texts: list[str | None] = text_column(batch, self._column, self._flag).to_pylist()
        return [list(dict.fromkeys(split_cell(cell, self._in_root))) if cell else [] for cell in texts]

    def _in_root(self, path: str) -> bool:
        return exists(os.path.join(self._root, path))  # noqa: PTH118 - as for all paths of rows

    def _read(self, ref: str) -> bytes | ImageError:
        try:
            if (scheme := scheme_of(ref)) is not None:
                message = f"{redacted(ref)} is not read: {scheme} is none of file, s3, http and https"
                raise ImageError(ErrorCode.UNSUPPORTED_URI, message)
            inside = ref.removeprefix(f"{self._root}/")
            if inside == ref:
                message = f"{ref!r} lies outside {self._root}; name the folder of the images with --images-root"
                raise ImageError(ErrorCode.OUTSIDE_STORE, message)
            return read_file(resolve_below(self._root, inside, self._follow_links), self._max_bytes)
        except ImageError as error:
            return error


def _revisions(store: RevisionStore, conditions: Sequence[tuple[str, str | None]]) -> Iterator[Revision]:
    return store.revisions([ref for ref, _ in conditions], [etag for _, etag in conditions])


def _is_list_of_texts(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and (pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)))


def _reference(uri: str, folder: str) -> str:
    """The absolute form of a cell's path or address."""
    scheme = scheme_of(uri)
    rest = uri.partition(":")[2]
    if scheme in _S3_SCHEMES:
        return f"s3:{rest}"
    if scheme in ("http", "https"):
        return f"{scheme}:{rest}"
    if scheme == "file":
        path = re.sub(r"^//(localhost(?=/))?", "", rest)
        return _path(path, folder)
    if scheme is not None:
        return uri
    if re.match(r"//[\w-]+(\.[\w-]+)+(:\d+)?/", uri):
        return f"https:{uri}"  # protocol-relative, as in web pages
    return _path(uri, folder)


def _path(path: str, folder: str) -> str:
    """An absolute path without `.` and `..`, in the spelling that exists."""
    if folder.startswith(S3) and not path.startswith("/"):
        bucket, _, key = f"{folder}/{path}".removeprefix(S3).partition("/")
        has_dots = re.search(r"(^|/)\.{1,2}/", path)
        return f"{S3}{bucket}/{os.path.normpath(key) if has_dots else key}"
    root, relative = ("", path.lstrip("/")) if path.startswith("/") else (folder, path)
    candidate = first_existing(root, [relative]) or f"{root}/{relative}"
    return os.path.normpath(candidate) if "/." in candidate else candidate
