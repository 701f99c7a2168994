"""Images in S3 buckets: concurrent requests, retries with backoff, and an error code for each kind of failure."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from tagger.errors import ImageError, UsageError
from tagger.flow.prefetch import map_in_order
from tagger.images.files import spellings
from tagger.images.patterns import fill_pattern
from tagger.images.revisions import Revision
from tagger.images.s3_objects import ObjectReader, RetryableError
from tagger.io.location import S3, Location, first_line
from tagger.io.s3 import s3_client
from tagger.manifest.batch import Batch
from tagger.schemas.configs.options import CatalogOptions
from tagger.schemas.tables.prediction import ErrorCode

_ATTEMPTS = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_BUDGET_BYTES = 64 * 2**20
_MAX_LISTED = 5000
_PAGE = 1000
_MAX_NAMES = 200_000


class S3Images:
    """Objects by `s3://BUCKET/KEY`. The client is created on first use, so that the store can be pickled."""

    ordered_by_store = False

    def __init__(self, options: CatalogOptions, pattern: str | None = None, within: str | None = None) -> None:
        self._pattern = pattern
        self._within = within
        self._suffixes: tuple[str, ...] = ()
        self._suffix_of: dict[str, str] = {}
        self._endpoint = options.s3_endpoint
        self._region = options.s3_region
        self._max_bytes = options.max_bytes
        self._concurrency = options.store_concurrency

    @classmethod
    def of_pattern(cls, pattern: str, options: CatalogOptions) -> "S3Images":
        """A prefix with a pattern over the manifest's columns, such as `s3://shop/img/{id}.jpg`."""
        bucket = pattern.removeprefix(S3).split("/", 1)[0]
        if not bucket or "{" in bucket:
            raise UsageError(f"--images: {pattern} names no bucket")
        prefix = pattern[: pattern.index("{")].rsplit("/", 1)[0] + "/"
        return cls(options, pattern, within=prefix)

    @classmethod
    def of_names(
        cls, folder: Location, options: CatalogOptions, suffixes: Sequence[str], names: Sequence[str]
    ) -> "S3Images":
        """The objects `{id}` plus a suffix directly below a prefix.

        Args:
            folder: The prefix.
            options: Endpoint and limits.
            suffixes: The suffixes of its objects, the most frequent first.
            names: The listed names. An object that was not listed is requested with each suffix in turn.
        """
        store = cls.of_pattern(f"{folder}/{{id}}", options)
        store._suffixes = tuple(suffixes)
        for suffix in suffixes[1:]:
            ends = (name for name in names if name.endswith(suffix))
            store._suffix_of |= {f"{folder}/{name.removesuffix(suffix)}": suffix for name in ends}
        for name in (name for name in names if name.endswith(suffixes[0])):
            store._suffix_of.pop(f"{folder}/{name.removesuffix(suffixes[0])}", None)
        return store

    @property
    def locates_in_copies(self) -> bool:
        """Whether a copy can locate, too; copies do not have the listed names."""
        return not self._suffix_of

    def locate(self, batch: Batch) -> list[str | None]:
        """References are the objects' addresses."""
        stems: list[str | None] = fill_pattern(self._pattern or "", batch).to_pylist()
        if not self._suffixes:
            return stems
        return [stem and stem + self._suffix_of.get(stem, self._suffixes[0]) for stem in stems]

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Get the objects, `store_concurrency` at a time, and yield them in order.

        Raises UsageError when there are no credentials.
        """
        for revision in self.revisions(refs, [None] * len(refs)):
            yield revision.content()

    def revisions(self, refs: Sequence[str], etags: Sequence[str | None]) -> Iterator[Revision]:
        """Like `fetch`, but objects whose ETag is unchanged are not downloaded."""
        if refs:
            _ = self._objects  # create it before threads use it
            conditions = list(zip(refs, etags, strict=True))
            yield from map_in_order(self._get, conditions, self._pool, 2 * self._concurrency, _BUDGET_BYTES)

    def listed(self) -> Iterator[list[tuple[str, str]]]:
        """Yield the address and the ETag of each object below the prefix, a thousand at a time.

        Raises UsageError when the bucket cannot be listed.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        if not self._within:
            return
        bucket, _, prefix = self._within.removeprefix(S3).partition("/")
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _PAGE}
        )
        try:
            for page in pages:
                yield [(f"{S3}{bucket}/{entry['Key']}", entry["ETag"]) for entry in page.get("Contents", [])]
        except (BotoCoreError, ClientError) as error:
            raise UsageError(f"{self._within} cannot be listed: {first_line(error)}") from error

    def refs_below(self, prefix: str) -> list[str]:
        """List objects whose addresses begin with a prefix, a few thousand at most; empty when that fails."""
        if self._within and not prefix.startswith(self._within):
            return []
        return _list_objects(self._client, prefix, _MAX_LISTED)

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_pool", "_client", "_objects")} | {
            "_suffix_of": {}
        }

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._concurrency, thread_name_prefix="s3")

    @cached_property
    def _client(self) -> Any:
        return s3_client(self._endpoint, self._region, self._concurrency)

    @cached_property
    def _objects(self) -> ObjectReader:
        return ObjectReader(self._endpoint, self._region, self._concurrency, self._max_bytes)

    def _get(self, condition: tuple[str, str | None], reserve: Callable[[int], None]) -> Revision:
        """Get one object by its key or, if it does not exist, by other suffixes and spellings of the key."""
        ref, etag = condition
        bucket, _, key = ref.removeprefix(S3).partition("/")
        missing = ImageError(ErrorCode.NOT_FOUND, f"there is no object {ref}")
        for n, candidate in enumerate((key, *self._other_keys(key))):
            if ".." in candidate.split("/") or (
                self._within and not f"{S3}{bucket}/{candidate}".startswith(self._within)
            ):
                message = f"{ref!r} lies outside {self._within or 'the image store'}"
                return Revision(missing if n else ImageError(ErrorCode.OUTSIDE_STORE, message))
            try:
                return self._get_with_retries(bucket, candidate, etag, reserve)
            except ImageError as error:
                if error.code != ErrorCode.NOT_FOUND:
                    return Revision(error)
                missing = missing if n else error
        return Revision(missing)

    def _other_keys(self, key: str) -> list[str]:
        current = next((suffix for suffix in self._suffixes if key.endswith(suffix)), None)
        stems = []
        if current is not None:
            stems = [key.removesuffix(current) + suffix for suffix in self._suffixes if suffix != current]
        return [*stems, *spellings(key)]

    def _get_with_retries(self, bucket: str, key: str, etag: str | None, reserve: Callable[[int], None]) -> Revision:
        """Get one object, with retries, exponential backoff and jitter. Raises ImageError."""
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))
            try:
                return self._objects.get(bucket, key, etag, reserve)
            except RetryableError as error:
                reason = str(error)
        raise ImageError(ErrorCode.STORE_ERROR, f"{S3}{bucket}/{key}: after {_ATTEMPTS} attempts: {reason}")


def list_keys(folder: Location, limit: int) -> list[str]:
    """List some objects below a prefix by their addresses; empty when that fails."""
    return _list_objects(
        s3_client(folder.s3_endpoint, folder.s3_region, 1, _ATTEMPTS), f"{folder.uri.rstrip('/')}/", limit
    )


def _list_objects(client: Any, prefix: str, limit: int) -> list[str]:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = prefix.removeprefix(S3).partition("/")
    try:
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=key, PaginationConfig={"MaxItems": limit}
        )
        return [f"{S3}{bucket}/{entry['Key']}" for page in pages for entry in page.get("Contents", [])]
    except (BotoCoreError, ClientError, ValueError):
        return []


def list_names(folder: Location) -> tuple[list[str], bool]:
    """List the objects directly below a prefix, 200,000 names at most, and whether the list is complete.

    Raises UsageError when the bucket cannot be listed.
    """
    names: list[str] = []
    for page in pages_of_names(folder):
        names += page
        if len(names) >= _MAX_NAMES:
            return names, False
    return names, True


def pages_of_names(folder: Location) -> Iterator[list[str]]:
    """List all objects directly below a prefix, a page of names at a time.

    Raises UsageError when the bucket cannot be listed.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = folder.path.partition("/")
    prefix = f"{prefix}/" if prefix else ""
    client = s3_client(folder.s3_endpoint, folder.s3_region, 1, _ATTEMPTS)
    try:
        for page in client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter="/", PaginationConfig={"PageSize": _PAGE}
        ):
            yield [entry["Key"].removeprefix(prefix) for entry in page.get("Contents", [])]
    except (BotoCoreError, ClientError) as error:
        raise UsageError(f"--images {folder}: cannot be listed: {first_line(error)}") from error
