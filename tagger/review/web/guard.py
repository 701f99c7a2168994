"""The page's ASGI guard: hosts, cross-site requests, sizes of bodies, and security headers.

Starlette has a middleware for trusted hosts only; it has none that limits how long and how much of a body is read, and
none for security headers.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagger.review.web.origins import OriginPolicy

_FORM_BYTES = 256 * 1024
_BODY_TIMEOUT_S = 60
_READ_PAST_LIMIT = 4 * 2**20
"""Bytes that are read and discarded, so that the browser gets to read why its upload was refused."""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Guard:
    """Refuses requests that no page of this server makes, and adds security headers to each response."""

    app: ASGIApp
    origins: OriginPolicy
    has_session: Callable[[HTTPConnection], bool]
    """Whether a request has a session, by the database; only those may send more than a form."""
    uploads: Mapping[str, int]
    """Largest body by path, bytes; every other path takes a form's size."""
    pages: tuple[str, ...] = ()
    """Path prefixes where a HEAD request gets the status alone, because a GET would claim items."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body up to its limit, and pass it on whole."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = _SecuredSend(send)
        response = self._refusal(Headers(scope=scope)) or await self._head(scope)
        if response:
            await response(scope, receive, send)
            return
        try:
            body = await self._body(scope, receive)
        except ClientDisconnect:
            return
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the response is the same; the server leaves out its body
        await self.app(scope, _BufferedBody(body, receive), send)

    def _refusal(self, headers: Headers) -> Response | None:
        if self.origins.hosts is not None and _host(headers) not in self.origins.hosts:
            return PlainTextResponse("This page has another address: see the terminal that it was started in.", 421)
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return PlainTextResponse("Another site's page may not load this.", 403)
        return None

    async def _head(self, scope: Scope) -> Response | None:
        """The response to a monitor that asks whether a page is up: it claims no items."""
        if scope["method"] != "HEAD" or not (scope["path"] == "/" or scope["path"].startswith(self.pages)):
            return None
        status = 200 if await run_in_threadpool(self.has_session, HTTPConnection(scope)) else 401
        return Response(None, status, media_type="text/html")

    async def _body(self, scope: Scope, receive: Receive) -> bytes | Response:
        """The request's body, or the response that refuses it. Raises ClientDisconnect."""
        if scope["method"] in _SAFE_METHODS:
            return b""
        limit = _FORM_BYTES
        if scope["path"] in self.uploads and await run_in_threadpool(self.has_session, HTTPConnection(scope)):
            limit = self.uploads[scope["path"]]
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                body = await _read_body(receive, limit)
        except TimeoutError:
            return PlainTextResponse("That came too slowly. Try again.", 408, {"Connection": "close"})
        if body is None:
            text = f"That is more than the {limit:,} bytes that this page takes."
            return PlainTextResponse(text, 413, {"Connection": "close"})
        return body


class _SecuredSend:
    """An ASGI `send` that adds security headers."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


class _BufferedBody:
    """An ASGI `receive` that returns a body that was read already, and then what the client sends next."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """A request's body; None where it is larger than the limit. Raises ClientDisconnect."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more and size <= limit + _READ_PAST_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        more = message.get("more_body", False)
        if size <= limit:
            chunks.append(chunk)
    return b"".join(chunks) if size <= limit else None


def _host(headers: Headers) -> str | None:
    """The host name that a request asks for, without its port."""
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        return host.removesuffix(".") if host else None  # a name may be written with its root
    except ValueError:
        return None
