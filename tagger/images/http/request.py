"""One attempt to get one image over http: redirects, status, size, and what may be tried again."""

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
from urllib3.exceptions import TimeoutError as NoAnswerError  # also where a connection is refused, or there is no route
from urllib3.util import Timeout, Url

from tagger.errors import ImageError
from tagger.flow.prefetch import Share
from tagger.images.http.circuit_breaker import BreakerLimits
from tagger.images.http.connections import Guard, Watch
from tagger.images.http.hosts import Host, Hosts, retry_after
from tagger.images.http.public_hosts import PrivateAddressError
from tagger.images.revisions import Revision, Unchanged, kept_etag
from tagger.images.urls import next_url, shown
from tagger.io.location import first_line
from tagger.schemas.tables.prediction import ErrorCode

_BLOCK_BYTES = 64 * 2**10
_STEP_BYTES = 2**20
_AGAIN_STATUS = {408, 425, 429}
_NOT_FOUND, _DENIED = {404, 410}, {401, 403}
_REDIRECTS = {301, 302, 303, 307, 308}
_NOT_MODIFIED = 304


@dataclass(frozen=True)
class Patience:
    """How long and how often is tried; seconds."""

    connect_s: float = 10
    read_s: float = 30
    attempts: int = 8
    first_pause_s: float = 0.1
    longest_pause_s: float = 10
    redirects: int = 5
    breaker: BreakerLimits = field(default_factory=BreakerLimits)


class AgainError(Exception):
    """What may succeed at another attempt."""

    unanswered_by: Host | None = None
    """The host that could not be connected to, or did not answer in time."""


@dataclass
class ImageRequest:
    """One attempt to get one image, through its redirects.

    With an ETag every hop is asked on that condition: which of them will answer is not known before. The ETag that is
    kept is that of the hop that gave the image, and a hop that only redirects goes by no condition. To another origin
    it is a text without a meaning; one that answers 304 all the same says that it has the image by this ETag.
    """

    pools: PoolManager
    hosts: Hosts
    watch: Watch
    patience: Patience
    left_s: float
    max_bytes: int
    take: Share
    etag: str | None = None
    """Ask for the image only if it is no longer that of this ETag."""

    def follow(self, url: Url) -> Revision:
        """Get the image. Raises ImageError, or AgainError when another attempt may succeed."""
        auth = url.auth
        url = url._replace(auth=None)
        visited = [url.url]
        while True:
            answer = self._hop(url, auth)
            if isinstance(answer, Revision):
                return answer
            target = self._redirected(url, answer, visited)
            auth = auth if _origin(target) == _origin(url) else target.auth
            url = target._replace(auth=None)
            visited.append(url.url)

    def _redirected(self, url: Url, location: str, visited: Sequence[str]) -> Url:
        way = " → ".join(shown(address) for address in dict.fromkeys((visited[0], visited[-1])))
        try:
            target = next_url(url, location)
        except ValueError as error:
            message = f"{way} redirects to {shown(location)}, which {error}"
            raise ImageError(ErrorCode.STORE_ERROR, message) from error
        if url.scheme == "https" and target.scheme == "http":
            raise ImageError(ErrorCode.STORE_ERROR, f"{way} redirects from https to {shown(target.url)}")
        if target._replace(auth=None).url in visited:
            raise ImageError(ErrorCode.STORE_ERROR, f"{way} redirects in a circle")
        if len(visited) > self.patience.redirects:
            raise ImageError(ErrorCode.STORE_ERROR, f"{way} redirects more than {self.patience.redirects} times")
        return target

    def _hop(self, url: Url, auth: str | None) -> Revision | str:
        """One request: the image, or where it is redirected to."""
        host = self.hosts.of(_origin(url))
        if not host.breaker.allows():
            raise ImageError(
                ErrorCode.STORE_ERROR,
                f"{shown(url.url)}: {url.host} answers no request at the moment; one image in "
                f"{host.breaker.limits.probe_every_s:g} s is tried",
            )
        with host.slot():
            began = time.monotonic()
            try:
                with self.watch.limit(self.left_s) as guard, ExitStack() as closing:
                    response = self._ask(url, auth, host, guard)
                    closing.callback(_let_go, response)
                    return self._answer(url, response, host, guard)
            finally:
                self.left_s -= time.monotonic() - began

    def _ask(self, url: Url, auth: str | None, host: Host, guard: Guard) -> BaseHTTPResponse:
        headers = {"User-Agent": _user_agent(), "Accept-Encoding": "identity"}
        if auth:
            headers |= make_headers(basic_auth=unquote(auth))
        if self.etag:
            headers["If-None-Match"] = self.etag
        timeout = Timeout(
            connect=min(self.patience.connect_s, self.left_s), read=min(self.patience.read_s, self.left_s)
        )
        pool = self.pools.connection_from_host(url.host, url.port, url.scheme)
        try:
            response = pool.urlopen(
                "GET", url.request_uri, headers=headers, timeout=timeout, retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip
        except PrivateAddressError as error:
            raise ImageError(ErrorCode.OUTSIDE_STORE, f"{shown(url.url)}: {error}") from error
        except (HTTPError, OSError) as error:
            explained = _explained(error, url, guard)
            if isinstance(explained, AgainError) and (guard.expired or isinstance(error, NoAnswerError)):
                host.breaker.unanswered()
                explained.unanswered_by = host
            raise explained from error
        host.breaker.answered()
        return response

    def _answer(self, url: Url, response: BaseHTTPResponse, host: Host, guard: Guard) -> Revision | str:
        status = response.status
        if status in _REDIRECTS and (location := response.headers.get("Location")):
            return location
        if status == _NOT_MODIFIED and self.etag:
            return Revision(Unchanged.UNCHANGED, self.etag)
        if status in _AGAIN_STATUS or status >= 500:
            pause = retry_after(response.headers.get("Retry-After"))
            if pause is not None:
                host.pause(pause)
            raise AgainError(f"{url.host} answered {status} {response.reason or ''}".rstrip())
        if not 200 <= status < 300:
            code = (
                ErrorCode.NOT_FOUND if status in _NOT_FOUND
                else ErrorCode.ACCESS_DENIED if status in _DENIED
                else ErrorCode.STORE_ERROR
            )  # fmt: skip
            raise ImageError(code, f"{shown(url.url)}: the server answered {status} {response.reason or ''}".rstrip())
        try:
            body = self._body(url, response, host, guard)
        except (HTTPError, OSError) as error:
            raise _explained(error, url, guard) from error
        if guard.expired:
            raise AgainError(f"{url.host} takes too long")
        if not body and "Content-Length" not in response.headers:  # as where the headers broke off
            raise AgainError(f"{url.host} answered nothing")
        return Revision(body, kept_etag(response.headers.get("ETag")))

    def _body(self, url: Url, response: BaseHTTPResponse, host: Host, guard: Guard) -> bytes:
        """The whole body, unpacked; no more than `max_bytes` of it, and no more than may be held."""
        too_large = ImageError(ErrorCode.TOO_LARGE, f"{shown(url.url)} is larger than {self.max_bytes:,} bytes")
        declared = response.headers.get("Content-Length", "")
        size = int(declared) if declared.isdecimal() else 0
        if size > self.max_bytes:
            raise too_large
        self._hold(size or _STEP_BYTES, host, guard)
        body = bytearray()
        for block in response.stream(_BLOCK_BYTES, decode_content=True):
            body += block
            if len(body) > self.max_bytes:
                raise too_large
            if len(body) > self.take.size:
                self._hold(len(body) + _STEP_BYTES, host, guard)
        return bytes(body)

    def _hold(self, size: int, host: Host, guard: Guard) -> None:
        """Wait until so much may be in memory. Meanwhile others may ask the host: one of them may be waited for."""
        if self.take.at_once(size):
            return
        began = time.monotonic()
        with self.watch.stopped(guard), host.left():
            self.take(size)
        self.left_s += time.monotonic() - began


@cache
def _user_agent() -> str:
    return f"catalog-tagger/{version('catalog-tagger')}"


def _let_go(response: BaseHTTPResponse) -> None:
    """Give the connection back if the answer was read to its end, or nearly, else close it."""
    if response.length_remaining is not None and response.length_remaining <= _BLOCK_BYTES:
        response.drain_conn()
        response.release_conn()
    else:
        response.close()


def _explained(error: Exception, url: Url, guard: Guard) -> Exception:
    if guard.expired:
        return AgainError(f"{url.host} takes too long")
    if isinstance(error, SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError):
        return ImageError(ErrorCode.STORE_ERROR, f"{shown(url.url)}: {first_line(error)}")
    cause = error.__cause__
    if isinstance(error, NameResolutionError) and getattr(cause, "errno", None) != socket.EAI_AGAIN:
        return ImageError(ErrorCode.STORE_ERROR, f"{shown(url.url)}: there is no host {url.host}")
    reason = str(error.args[-1]) if isinstance(error, ProtocolError) and error.args else first_line(error)
    return AgainError(re.sub(r"^\w+\(host=[^)]*\): ", "", reason) or type(error).__name__)


def _origin(url: Url) -> str:
    return f"{url.scheme}://{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
