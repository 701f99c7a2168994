"""One attempt to fetch an image over http: redirects, status, size, and which errors can be retried."""

import re
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from urllib.parse import unquote

from urllib3 import BaseHTTPResponse, PoolManager, make_headers
from urllib3.exceptions import HTTPError, NameResolutionError, ProtocolError, SSLError
from urllib3.exceptions import TimeoutError as NoAnswerError  # also for a refused connection, or without a route
from urllib3.util import Timeout, Url

from tagger.errors import ImageError
from tagger.flow.prefetch import Reservation
from tagger.images.http.circuit_breaker import BreakerLimits
from tagger.images.http.connections import Deadline, DeadlineWatcher
from tagger.images.http.hosts import Host, Hosts, retry_after
from tagger.images.http.public_hosts import PrivateAddressError
from tagger.images.revisions import Revision, Unchanged, valid_etag
from tagger.images.urls import next_url, redacted
from tagger.io.location import first_line
from tagger.schemas.tables.prediction import ErrorCode

_BLOCK_BYTES = 64 * 2**10
_STEP_BYTES = 2**20
_RETRYABLE_STATUS = {408, 425, 429}
_NOT_FOUND, _DENIED = {404, 410}, {401, 403}
_REDIRECTS = {301, 302, 303, 307, 308}
_NOT_MODIFIED = 304


@dataclass(frozen=True)
class RetryPolicy:
    """Timeouts, attempts and backoff, in seconds."""

    connect_s: float = 10
    read_s: float = 30
    attempts: int = 8
    first_pause_s: float = 0.1
    longest_pause_s: float = 10
    redirects: int = 5
    breaker: BreakerLimits = field(default_factory=BreakerLimits)


class RetryableError(Exception):
    """An error after which another attempt may succeed."""

    unanswered_by: Host | None = None
    """The host that refused the connection, or did not answer in time."""


@dataclass
class ImageRequest:
    """One attempt to fetch an image, through its redirects.

    The ETag is sent in every hop, because any hop may have the image. The stored ETag is that of the hop that returned
    the image; a hop that only redirects ignores the condition. An ETag means nothing to another origin; when that
    answers 304 all the same, its image has this ETag.
    """

    pools: PoolManager
    hosts: Hosts
    deadlines: DeadlineWatcher
    policy: RetryPolicy
    remaining_s: float
    max_bytes: int
    reservation: Reservation
    etag: str | None = None
    """Download the image only if its ETag is no longer this one."""

    def follow(self, url: Url) -> Revision:
        """Get the image. Raises ImageError, or RetryableError when another attempt may succeed."""
        auth = url.auth
        url = url._replace(auth=None)
        visited = [url.url]
        while True:
            result = self._request_once(url, auth)
            if isinstance(result, Revision):
                return result
            target = self._redirect_target(url, result, visited)
            auth = auth if _origin(target) == _origin(url) else target.auth
            url = target._replace(auth=None)
            visited.append(url.url)

    def _redirect_target(self, url: Url, location: str, visited: Sequence[str]) -> Url:
        chain = " → ".join(redacted(address) for address in dict.fromkeys((visited[0], visited[-1])))
        try:
            target = next_url(url, location)
        except ValueError as error:
            message = f"{chain} redirects to {redacted(location)}, which {error}"
            raise ImageError(ErrorCode.STORE_ERROR, message) from error
        if url.scheme == "https" and target.scheme == "http":
            raise ImageError(ErrorCode.STORE_ERROR, f"{chain} redirects from https to {redacted(target.url)}")
        if target._replace(auth=None).url in visited:
            raise ImageError(ErrorCode.STORE_ERROR, f"{chain} redirects in a circle")
        if len(visited) > self.policy.redirects:
            raise ImageError(ErrorCode.STORE_ERROR, f"{chain} redirects more than {self.policy.redirects} times")
        return target

    def _request_once(self, url: Url, auth: str | None) -> Revision | str:
        """Send one request; return the image, or the target of a redirect."""
        host = self.hosts.of(_origin(url))
        if not host.breaker.allows():
            raise ImageError(
                ErrorCode.STORE_ERROR,
                f"{redacted(url.url)}: {url.host} does not answer at the moment; one image is tried "
                f"every {host.breaker.limits.probe_every_s:g} s",
            )
        with host.slot():
            began = time.monotonic()
            try:
                with self.deadlines.limit(self.remaining_s) as deadline, ExitStack() as closing:
                    response = self._send(url, auth, host, deadline)
                    closing.callback(_release, response)
                    return self._read_response(url, response, host, deadline)
            finally:
                self.remaining_s -= time.monotonic() - began

    def _send(self, url: Url, auth: str | None, host: Host, deadline: Deadline) -> BaseHTTPResponse:
        headers = {"User-Agent": _user_agent(), "Accept-Encoding": "identity"}
        if auth:
            headers |= make_headers(basic_auth=unquote(auth))
        if self.etag:
            headers["If-None-Match"] = self.etag
        timeout = Timeout(
            connect=min(self.policy.connect_s, self.remaining_s), read=min(self.policy.read_s, self.remaining_s)
        )
        pool = self.pools.connection_from_host(url.host, url.port, url.scheme)
        try:
            response = pool.urlopen(
                "GET", url.request_uri, headers=headers, timeout=timeout, retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip
        except PrivateAddressError as error:
            raise ImageError(ErrorCode.OUTSIDE_STORE, f"{redacted(url.url)}: {error}") from error
        except (HTTPError, OSError) as error:
            classified = _classified(error, url, deadline)
            if isinstance(classified, RetryableError) and (deadline.expired or isinstance(error, NoAnswerError)):
                host.breaker.unanswered()
                classified.unanswered_by = host
            raise classified from error
        host.breaker.answered()
        return response

    def _read_response(self, url: Url, response: BaseHTTPResponse, host: Host, deadline: Deadline) -> Revision | str:
        status = response.status
        if status in _REDIRECTS and (location := response.headers.get("Location")):
            return location
        if status == _NOT_MODIFIED and self.etag:
            return Revision(Unchanged.UNCHANGED, self.etag)
        if status in _RETRYABLE_STATUS or status >= 500:
            pause = retry_after(response.headers.get("Retry-After"))
            if pause is not None:
                host.pause(pause)
            raise RetryableError(f"{url.host} answered {status} {response.reason or ''}".rstrip())
        if not 200 <= status < 300:
            code = (
                ErrorCode.NOT_FOUND if status in _NOT_FOUND
                else ErrorCode.ACCESS_DENIED if status in _DENIED
                else ErrorCode.STORE_ERROR
            )  # fmt: skip
            raise ImageError(
                code, f"{redacted(url.url)}: the server answered {status} {response.reason or ''}".rstrip()
            )
        try:
            body = self._body(url, response, host, deadline)
        except (HTTPError, OSError) as error:
            raise _classified(error, url, deadline) from error
        if deadline.expired:
            raise RetryableError(f"{url.host} takes too long")
        if not body and "Content-Length" not in response.headers:  # the headers may have been truncated
            raise RetryableError(f"{url.host} answered nothing")
        return Revision(body, valid_etag(response.headers.get("ETag")))

    def _body(self, url: Url, response: BaseHTTPResponse, host: Host, deadline: Deadline) -> bytes:
        """Read the whole body, decompressed, `max_bytes` at most, and never more than was reserved."""
        too_large = ImageError(ErrorCode.TOO_LARGE, f"{redacted(url.url)} is larger than {self.max_bytes:,} bytes")
        declared = response.headers.get("Content-Length", "")
        size = int(declared) if declared.isdecimal() else 0
        if size > self.max_bytes:
            raise too_large
        self._reserve(size or _STEP_BYTES, host, deadline)
        body = bytearray()
        for block in response.stream(_BLOCK_BYTES, decode_content=True):
            body += block
            if len(body) > self.max_bytes:
                raise too_large
            if len(body) > self.reservation.size:
                self._reserve(len(body) + _STEP_BYTES, host, deadline)
        return bytes(body)

    def _reserve(self, size: int, host: Host, deadline: Deadline) -> None:
        """Wait until the budget has room. Meanwhile the host's slot is free: this one may wait for another."""
        if self.reservation.try_resize(size):
            return
        began = time.monotonic()
        with self.deadlines.stopped(deadline), host.released():
            self.reservation(size)
        self.remaining_s += time.monotonic() - began


@cache
def _user_agent() -> str:
    return f"catalog-tagger/{version('catalog-tagger')}"


def _release(response: BaseHTTPResponse) -> None:
    """Return the connection to its pool when the response was read to its end, or nearly; otherwise close it."""
    if response.length_remaining is not None and response.length_remaining <= _BLOCK_BYTES:
        response.drain_conn()
        response.release_conn()
    else:
        response.close()


def _classified(error: Exception, url: Url, deadline: Deadline) -> Exception:
    if deadline.expired:
        return RetryableError(f"{url.host} takes too long")
    if isinstance(error, SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError):
        return ImageError(ErrorCode.STORE_ERROR, f"{redacted(url.url)}: {first_line(error)}")
    cause = error.__cause__
    if isinstance(error, NameResolutionError) and getattr(cause, "errno", None) != socket.EAI_AGAIN:
        return ImageError(ErrorCode.STORE_ERROR, f"{redacted(url.url)}: there is no host {url.host}")
    reason = str(error.args[-1]) if isinstance(error, ProtocolError) and error.args else first_line(error)
    return RetryableError(re.sub(r"^\w+\(host=[^)]*\): ", "", reason) or type(error).__name__)


def _origin(url: Url) -> str:
    return f"{url.scheme}://{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
