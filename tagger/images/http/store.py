"""Images over http and https: few requests a host, retried with backoff, bounded in time, size and redirects.

Only public addresses are connected to, unless a host is allowed by name; proxies of the environment are not used.
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
from tagger.images.http.connections import DeadlineWatcher, checked_pools
from tagger.images.http.hosts import Hosts
from tagger.images.http.request import ImageRequest, RetryableError, RetryPolicy
from tagger.images.patterns import fill_pattern
from tagger.images.revisions import Revision
from tagger.images.urls import quoted, request_url, shown
from tagger.manifest.batch import Batch
from tagger.notices import Notices
from tagger.schemas.configs.options import CatalogOptions
from tagger.schemas.tables.prediction import ErrorCode

_BUDGET_BYTES = 64 * 2**20


class HttpImages:
    """Images by their http addresses, from a column or by a pattern such as `https://cdn.shop.example/{id}.jpg`.

    Args:
        options: What is allowed, how many requests are in flight, and how long an image may take.
        pattern: An address with columns in braces.
        policy: Timeouts, attempts and pauses.
    """

    ordered_by_store = False

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
        """Addresses made of the manifest's columns. Raises UsageError when they cannot be, or are not allowed."""
        if not options.allow_http:
            raise UsageError(f"--images {shown(pattern)}: give --allow-http to fetch images over http")
        if "{" not in pattern:
            example = shown(pattern.rstrip("/"))
            raise UsageError(f"--images {example}: an address needs a column in braces, such as {example}/{{id}}.jpg")
        if "/" not in pattern[: pattern.index("{")].partition("://")[2]:
            raise UsageError(f"--images {shown(pattern)}: the host may not depend on a column")
        return cls(options, pattern)

    def locate(self, batch: Batch) -> list[str | None]:
        """References are the addresses, with the columns' values percent-encoded."""
        return fill_pattern(self._pattern or "", batch, quoted)

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Get the images, `store_concurrency` at a time, and yield them in order."""
        for revision in self.revisions(refs, [None] * len(refs)):
            yield revision.content()

    def revisions(self, refs: Sequence[str], etags: Sequence[str | None]) -> Iterator[Revision]:
        """Like `fetch`, but images whose ETag is unchanged are not downloaded."""
        if refs:
            _ = self._pools, self._hosts, self._deadlines  # made before threads use them
            conditions = list(zip(refs, etags, strict=True))
            yield from map_in_order(self._get, conditions, self._pool, 2 * self._concurrency, _BUDGET_BYTES)

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_pool", "_pools", "_hosts", "_deadlines")}

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._concurrency, thread_name_prefix="http")

    @cached_property
    def _pools(self) -> PoolManager:
        return checked_pools(self._private, self._per_host)

    @cached_property
    def _hosts(self) -> Hosts:
        return Hosts(self._per_host, self._policy.breaker)

    @cached_property
    def _deadlines(self) -> DeadlineWatcher:
        return DeadlineWatcher()

    def _get(self, condition: tuple[str, str | None], reservation: Reservation) -> Revision:
        """Get one image unless its ETag is unchanged; an error becomes its data."""
        ref, etag = condition
        try:
            return self._try(ref, etag, reservation)
        except ImageError as error:
            return Revision(error)

    def _try(self, ref: str, etag: str | None, reservation: Reservation) -> Revision:
        """Retry with exponential backoff and jitter, until the time is over. Raises ImageError."""
        if not self._allowed:
            message = f"{shown(ref)} is fetched with --allow-http alone"
            raise ImageError(ErrorCode.UNSUPPORTED_URI, message)
        try:
            url = request_url(ref)
        except ValueError as error:
            raise ImageError(ErrorCode.UNSUPPORTED_URI, f"{shown(ref)} {error}") from error
        if self._within and not url.url.startswith(request_url(self._within).url):
            raise ImageError(ErrorCode.OUTSIDE_STORE, f"{shown(ref)} lies outside {shown(self._within)}")
        policy, left_s, reason, dead_host = self._policy, self._timeout_s, "", None
        for attempt in range(policy.attempts):
            if attempt:
                pause = random.uniform(0, min(policy.longest_pause_s, policy.first_pause_s * 2**attempt))
                time.sleep(min(pause, left_s))
                left_s -= pause
            request = ImageRequest(
                self._pools, self._hosts, self._deadlines, policy, left_s, self._max_bytes, reservation, etag
            )
            try:
                return request.follow(url)
            except RetryableError as error:
                reason, dead_host = str(error), error.unanswered_by
            left_s = request.left_s
            if left_s <= 0:
                reason = f"not done in {self._timeout_s:g} s: {reason}"
                break
        if dead_host:
            dead_host.breaker.given_up()
        raise ImageError(ErrorCode.STORE_ERROR, f"{shown(ref)}: after {attempt + 1} attempts: {reason}")


def say_proxies(notices: Notices) -> None:
    """Add a notice that proxies of the environment are not used, where it names some."""
    names = [name for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY") if os.environ.get(name)]
    if names:
        notices.add(f"{names[0]} is set, but images over http are fetched without a proxy")
