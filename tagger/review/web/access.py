"""Who may see and change a review: hosts, the token, sessions, forged requests, sizes, and what a page may load."""

import asyncio
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagger.review.web.guesses import TokenCheck

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FORM_BYTES = 256 * 1024
_BODY_TIMEOUT_S = 60
_READ_PAST_LIMIT = 4 * 2**20
"""Bytes that are read and thrown away, so that the browser comes to read why its upload was refused."""
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
_DAYS = 30
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def clean_name(name: str) -> str:
    """A person's name without characters that are not seen, or that turn what stands beside them (control, format)."""
    seen = "".join(c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C" or c.isspace())
    return " ".join(seen.split())


def address_of(request: HTTPConnection) -> str:
    """Where a request comes from, as far as it can be known."""
    return request.client.host if request.client else ""


@dataclass(frozen=True)
class Door:
    """Under which addresses the page may be asked for."""

    hosts: frozenset[str] | None
    """Names, so that no other site's name can be led here (DNS rebinding); None: any."""
    public_origin: str | None
    """Scheme, host and port that browsers see, where a proxy stands between; None: those of the request."""

    def origin(self, request: Request) -> str:
        """What a form of the page's own comes from."""
        return self.public_origin or f"{request.url.scheme}://{request.headers.get('host', '')}"

    def is_secure(self, request: Request) -> bool:
        """Whether browsers ask by https, so that their cookies go no other way."""
        return self.origin(request).startswith("https")

    def is_elsewhere(self, request: Request) -> bool:
        """Whether a request was sent by another site's page."""
        origin = request.headers.get("origin")
        return origin is not None and origin != self.origin(request)


@dataclass(frozen=True)
class Session:
    """One browser, and who sits before it."""

    key: str
    """Random; claims hang on it."""
    who: str
    csrf: str
    """What each form must send back."""


class Sessions:
    """Reads and writes the signed cookie that tells browsers apart.

    Args:
        secret: Signs cookies; one that is kept lets sessions survive a restart.
        run_id: Another run's page, on another port of the same host, has another cookie.
        token: What to show for a session; None where none is needed.
        who: Name of a person who has not said another.
        ended: Sessions that have signed out.
        say: Takes a line for the terminal about each wrong token.
    """

    def __init__(
        self,
        secret: str,
        run_id: str,
        token: str | None,
        who: str,
        ended: Iterable[str] = (),
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.cookie = f"tagger_review_{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"
        self._secret = secret
        self._signer = URLSafeSerializer(secret, salt="session")
        self._token = token
        self._check = TokenCheck(token, say) if token else None
        self._who = clean_name(who) or "reviewer"
        self._ended = set(ended)

    def of(self, request: HTTPConnection) -> Session | None:
        """The session of a request; None where it has none, or one that another token opened."""
        try:
            found = self._signer.loads(request.cookies.get(self.cookie, ""))
            key, who, token = str(found["key"]), str(found["who"]), str(found["token"])
        except (BadSignature, KeyError, TypeError):
            return None
        if key in self._ended or not hmac.compare_digest(token.encode(), self._mark().encode()):
            return None
        return self._session(key, who)

    def end(self, session: Session) -> None:
        """Let a session's cookie open nothing any more."""
        self._ended.add(session.key)

    def forget(self, response: Response, secure: bool) -> None:
        """Take the session from the browser."""
        response.delete_cookie(self.cookie, httponly=True, samesite="lax", secure=secure)

    def new(self, who: str = "") -> Session:
        """A session for a browser that has none."""
        return self._session(secrets.token_urlsafe(16), who or self._who)

    def renamed(self, session: Session, who: str) -> Session:
        """The same session under another name."""
        return self._session(session.key, who)

    def remember(self, session: Session, response: Response, secure: bool) -> None:
        """Give a session to the browser."""
        value = self._signer.dumps({"key": session.key, "who": session.who, "token": self._mark()})
        response.set_cookie(
            self.cookie, str(value), max_age=_DAYS * 86_400, httponly=True, samesite="lax", secure=secure
        )

    @property
    def needs_token(self) -> bool:
        """Whether only those who know a token may have a session."""
        return self._check is not None

    def admits(self, token: str | None, address: str) -> bool:
        """Whether somebody at an address who shows this token, or none, may have a session; a wrong one is counted."""
        return self._check is None or (bool(token) and self._check.is_right(token or "", address))

    def wait_s(self, address: str) -> float:
        """For how many seconds no token from an address is looked at, because too many were wrong."""
        return self._check.wait_s(address) if self._check else 0.0

    def _session(self, key: str, who: str) -> Session:
        return Session(key, who, hmac.new(self._secret.encode(), key.encode(), "sha256").hexdigest())

    def _mark(self) -> str:
        """What of the token stands in a cookie, so that a new token ends old sessions."""
        return hmac.new(self._secret.encode(), (self._token or "").encode(), "sha256").hexdigest()


def is_forged(session: Session, sent: str) -> bool:
    """Whether a form was not made for the session that sends it."""
    return not hmac.compare_digest(sent.encode(), session.csrf.encode())


class Guard:
    """Refuses what no page of this server asks for, and says with each answer what a page may load.

    Args:
        app: What answers.
        door: Where it may be asked.
        is_known: Whether a request has a session; only those may send more than a form.
        uploads: Largest body by path, bytes; every other path takes a form's size.
        pages: Beginnings of paths of which only the status is told to who asks for the head alone.
        unknown_status: That status for a request without a session.
    """

    def __init__(
        self,
        app: ASGIApp,
        door: Door,
        is_known: Callable[[HTTPConnection], bool],
        uploads: dict[str, int],
        pages: tuple[str, ...] = (),
        unknown_status: int = 200,
    ) -> None:
        self._app = app
        self._door = door
        self._is_known = is_known
        self._uploads = uploads
        self._pages = pages
        self._unknown_status = unknown_status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, as far as it may go, and pass it on whole."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        if refusal:
            await refusal(scope, receive, send_guarded)
            return
        if scope["method"] == "HEAD":
            if scope["path"] == "/" or scope["path"].startswith(
                self._pages
            ):  # a monitor looks whether they are there: it opens no items
                status = 200 if self._is_known(HTTPConnection(scope)) else self._unknown_status
                await Response(None, status, media_type="text/html")(scope, receive, send_guarded)
                return
            scope = {**scope, "method": "GET"}  # what follows is the same; the server leaves out the body
        limit = _FORM_BYTES
        if scope["path"] in self._uploads and self._is_known(HTTPConnection(scope)):
            limit = self._uploads[scope["path"]]
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                body = b"" if scope["method"] in _SAFE_METHODS else await _body(receive, limit)
        except (_TooLarge, TimeoutError) as error:
            status, text = (
                (413, f"That is more than the {limit:,} bytes that this page takes.")
                if isinstance(error, _TooLarge)
                else (408, "That came too slowly. Try again.")
            )
            await PlainTextResponse(text, status, {"Connection": "close"})(scope, receive, send_guarded)
            return
        except ClientDisconnect:
            return
        given = False

        async def whole() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, whole, send_guarded)

    def _refusal(self, headers: Headers) -> Response | None:
        if self._door.hosts is not None and _host(headers) not in self._door.hosts:
            return PlainTextResponse("This page has another address: see the terminal that it was started in.", 421)
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return PlainTextResponse("Another site's page may not load this.", 403)
        return None


class _TooLarge(Exception):  # noqa: N818 - never leaves this module
    pass


async def _body(receive: Receive, limit: int) -> bytes:
    """A request's body. Raises _TooLarge, and ClientDisconnect when the sender is gone."""
    chunks: list[bytes] = []
    got = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        got += len(chunk)
        more = message.get("more_body", False)
        if got > limit + _READ_PAST_LIMIT:
            break
        if got <= limit:
            chunks.append(chunk)
    if got > limit:
        raise _TooLarge
    return b"".join(chunks)


def _host(headers: Headers) -> str | None:
    """The name that a request asks for, without its port."""
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        return host.removesuffix(".") if host else None  # a name may be written with its root
    except ValueError:
        return None
