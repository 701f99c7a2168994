"""Sessions of the review page: one signed cookie a browser, opened with an invitation or the token.

Starlette's SessionMiddleware (on itsdangerous) signs the cookie, expires it and sets its flags. Three things are ours:
the cookie holds a random key alone, and who has it stands in the database, because a signed cookie by itself can
neither be revoked nor change its role; a session that a token opened ends with that token; and each form carries a CSRF
token, an HMAC of the session's key. The CSRF libraries for Starlette compare a form with a second cookie, which another
host of the same domain can set. The libraries that limit rates count requests, which would also slow those who have the
token; `TokenCheck` counts wrong tokens alone.
"""

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from tagger.review.store.review import ReviewStore
from tagger.review.store.sessions import SESSION_S, Role
from tagger.review.web.token_check import TokenCheck

_KEY = "key"


def clean_text(name: str) -> str:
    """A name or a note without invisible characters and without those that change the text direction."""
    normalized = unicodedata.normalize("NFC", name)
    visible = "".join(c for c in normalized if unicodedata.category(c)[0] != "C" or c.isspace())
    return " ".join(visible.split())


@dataclass(frozen=True)
class Session:
    """One browser, and the person who uses it."""

    key: str
    """Random; claims are held under it."""
    who: str
    role: Role
    csrf: str
    """What each form must send back."""

    @property
    def decides(self) -> bool:
        """Whether the person may decide, rather than only look."""
        return self.role != "reader"

    @property
    def leads(self) -> bool:
        """Whether the person says who may use the review."""
        return self.role == "lead"

    def is_forged(self, csrf: str) -> bool:
        """Whether a form with this CSRF token was made for another session, or by another site."""
        return not hmac.compare_digest(csrf.encode(), self.csrf.encode())


class Sessions:
    """Opens, reads and ends sessions.

    Args:
        store: The review's, which knows who may have one.
        secret: Signs cookies; a stored one lets sessions survive a restart.
        token: Opens a lead's session; None where only invitations do.
        lead: Name of the lead who started the page, under which those with the token come in.
        report: Takes a line for the terminal about each wrong token.
    """

    def __init__(
        self,
        store: ReviewStore,
        secret: str,
        token: str | None,
        lead: str,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        # two pages of one host do not share a cookie
        self.cookie = f"tagger_review_{hashlib.sha256(store.run_id.encode()).hexdigest()[:12]}"
        self.lead = lead
        self._people = store.people
        self._stored = store.sessions
        self._secret = secret.encode()
        self._token_digest = self._hmac(token) if token else None
        self._check = TokenCheck(token, report) if token else None

    def middleware(self, app: ASGIApp, https_only: bool) -> ASGIApp:
        """Wrap an application, so that its requests have the cookie's content as `request.session`."""
        signing_key = self._hmac("session cookie")
        return SessionMiddleware(app, signing_key, self.cookie, int(SESSION_S), same_site="lax", https_only=https_only)

    def of(self, request: HTTPConnection) -> Session | None:
        """The session of a request; None without one, after its end, and where another token opened it.

        It asks the database, so that a session that is ended, and a new role, count from the next request on.
        """
        key = request.session.get(_KEY)
        stored = self._stored.find(key) if isinstance(key, str) else None
        if stored is None or (stored.token is not None and stored.token != self._token_digest):
            return None
        return Session(stored.key, stored.person, stored.role, self._hmac(stored.key))

    def join(self, request: HTTPConnection, who: str, digest: str) -> None:
        """Open a session with an invitation. Raises PeopleError when it is not open any more."""
        key = secrets.token_urlsafe(16)
        self._people.join(who, digest, key, _browser(request))
        self._replace(request, key)

    def enter(self, request: HTTPConnection) -> None:
        """Open a session for a client that has shown the token."""
        key = secrets.token_urlsafe(16)
        self._people.enter(self.lead, key, _browser(request), self._token_digest or "")
        self._replace(request, key)

    def end(self, request: HTTPConnection, session: Session) -> None:
        """Revoke a session, release what it has claimed, and delete the browser's cookie."""
        self._stored.end(session.key)
        request.session.clear()

    def _replace(self, request: HTTPConnection, key: str) -> None:
        """Give the browser another session; the one that it had ends."""
        earlier = request.session.get(_KEY)
        if isinstance(earlier, str):
            self._stored.end(earlier)
        request.session[_KEY] = key

    @property
    def needs_token(self) -> bool:
        """Whether a token opens a session, besides an invitation."""
        return self._check is not None

    def admits(self, token: str | None, address: str) -> bool:
        """Whether a client with this token may have a session; a wrong token is counted."""
        return self._check is not None and bool(token) and self._check.is_right(token or "", address)

    def wait_s(self, address: str) -> float:
        """For how many seconds tokens from an address are refused unread, after too many wrong ones."""
        return self._check.wait_s(address) if self._check else 0.0

    def _hmac(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), "sha256").hexdigest()


def _browser(request: HTTPConnection) -> str:
    return clean_text(request.headers.get("user-agent", ""))
