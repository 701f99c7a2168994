"""Images over http and https: few requests per host, retried with backoff, limited in time, size and redirects.

Connections go to public addresses only, unless a host is allowed by name. Proxies of the environment are not used.
"""

import os
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from urllib3 import PoolManager

from tagger.errors import ImageError, UsageError
from tagger.flow.prefetch import Reservation, map_in_order
from tagger.images.http.connections import DeadlineWatcher, public_pools
from tagger.images.http.hosts import Hosts
from tagger.images.http.request import ImageRequest, RetryableError, RetryPolicy
from tagger.images.patterns import fill_pattern
from tagger.images.revisions import Revision
from tagger.images.urls import percent_encoded, redacted, request_url
from tagger.manifest.batch import Batch
from tagger.notices import Notices
from tagger.schemas.configs.options import CatalogOptions
from tagger.schemas.tables.prediction import ErrorCode

_BUDGET_BYTES = 64 * 2**20


class HttpImages:
    """Images by their http addresses, from a column or by a pattern such as `https://cdn.shop.example/{id}.jpg`.

    Args:
        options: Whether http is allowed, the number of requests in flight, and the time limit of an image.
        pattern: An address with columns in braces.
        policy: Timeouts, attempts and pauses.
    """

    ordered_by_store = False
    locates_in_copies = True

    def __init__(self, options: CatalogOptions, pattern: str | None = None, policy: RetryPolicy | None = None) -> None:
        self._allowed = options.allow_http
        self._private = tuple(options.allow_private_hosts)
        self._concurrency = options.store_concurrency
        self._per_host = options.http_per_host
        self._timeout_s = options.http_timeout
        self._max_bytes = options.max_bytes
        self._policy = policy or RetryPolicy()
        self._pattern = pattern
        self._within = pattern[: pattern.index("{")].rsplit("/", 1)[0] + "/" if pattern else None

    @classmethod
    def of_pattern(cls, pattern: str, options: CatalogOptions) -> "HttpImages":
        """A store of addresses with columns in braces. Raises UsageError for a bad pattern, or without --allow-http."""
        if not options.allow_http:
            raise UsageError(f"--images {redacted(pattern)}: give --allow-http to fetch images over http")
        if "{" not in pattern:
            example = redacted(pattern.rstrip("/"))
            raise UsageError(f"--images {example}: an address needs a column in braces, such as {example}/{{id}}.jpg")
        if "/" not in pattern[: pattern.index("{")].partition("://")[2]:
            raise UsageError(f"--images {redacted(pattern)}: the host may not depend on a column")
        return cls(options, pattern)

    def locate(self, batch: Batch) -> list[str | None]:
        """References are the addresses, with the columns' values percent-encoded."""
        refs: list[str | None] = fill_pattern(self._pattern or "", batch, percent_encoded).to_pylist()
        return refs

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Fetch the images, `store_concurrency` at a time, and yield them in order."""
        for revision in self.revisions(refs, [None] * len(refs)):
            yield revision.content()

    def revisions(self, refs: Sequence[str], etags: Sequence[str | None]) -> Iterator[Revision]:
        """Like `fetch`, but images whose ETag is unchanged are not downloaded."""
        if refs:
            _ = self._pools, self._hosts, self._deadlines  # create them before threads use them
            conditions = list(zip(refs, etags, strict=True))
            yield from map_in_order(self._get, conditions, self._pool, 2 * self._concurrency, _BUDGET_BYTES)

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_pool", "_pools", "_hosts", "_deadlines")}

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._concurrency, thread_name_prefix="http")

    @cached_property
    def _pools(self) -> PoolManager:
        return public_pools(self._private, self._per_host)

    @cached_property
    def _hosts(self) -> Hosts:
        return Hosts(self._per_host, self._policy.breaker)

    @cached_property
    def _deadlines(self) -> DeadlineWatcher:
        return DeadlineWatcher()

    def _get(self, condition: tuple[str, str | None], reservation: Reservation) -> Revision:
        """Fetch one image unless its ETag is unchanged; an error becomes its data."""
        ref, etag = condition
        try:
            return self._try(ref, etag, reservation)
        except ImageError as error:
            return Revision(error)

    def _try(self, ref: str, etag: str | None, reservation: Reservation) -> Revision:
        """Retry with exponential backoff and jitter until the time limit. Raises ImageError."""
        if not self._allowed:
            message = f"{redacted(ref)} is fetched only with --allow-http"
            raise ImageError(ErrorCode.UNSUPPORTED_URI, message)
        try:
            url = request_url(ref)
        except ValueError as error:
            raise ImageError(ErrorCode.UNSUPPORTED_URI, f"{redacted(ref)} {error}") from error
        if self._within and not url.url.startswith(request_url(self._within).url):
            raise ImageError(ErrorCode.OUTSIDE_STORE, f"{redacted(ref)} lies outside {redacted(self._within)}")
        policy, remaining_s, reason, dead_host = self._policy, self._timeout_s, "", None
        for attempt in range(policy.attempts):
            if attempt:
                pause = random.uniform(0, min(policy.longest_pause_s, policy.first_pause_s * 2**attempt))
                time.sleep(min(pause, remaining_s))
                remaining_s -= pause
            request = ImageRequest(
                self._pools, self._hosts, self._deadlines, policy, remaining_s, self._max_bytes, reservation, etag
            )
            try:
                return request.follow(url)
            except RetryableError as error:
                reason, dead_host = str(error), error.unanswered_by
            remaining_s = request.remaining_s
            if remaining_s <= 0:
                reason = f"not done in {self._timeout_s:g} s: {reason}"
                break
        if dead_host:
            dead_host.breaker.given_up()
        raise ImageError(ErrorCode.STORE_ERROR, f"{redacted(ref)}: after {attempt + 1} attempts: {reason}")


def notice_proxies(notices: Notices) -> None:
    """Add a notice that proxies are not used, when the environment names some."""
    names = [name for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY") if os.environ.get(name)]
    if names:
        notices.add(f"{names[0]} is set, but images over http are fetched without a proxy")
