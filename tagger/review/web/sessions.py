"""Sessions of the review page: one signed cookie a browser, opened with the token where one is set.

Starlette's SessionMiddleware (on itsdangerous) signs the cookie, expires it and sets its flags. Three things are ours:
the cookie holds a digest of the token, so that a new token ends old sessions; sign-outs are stored on the server,
because a signed cookie alone cannot be revoked; and each form carries a CSRF token, an HMAC of the session's key.
The CSRF libraries for Starlette compare a form with a second cookie, which another host of the same domain can set.
"""

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from tagger.review.web.token_check import TokenCheck

_MAX_AGE_S = 30 * 86_400


def clean_name(name: str) -> str:
    """A person's name without invisible characters and without those that change the text direction."""
    normalized = unicodedata.normalize("NFC", name)
    visible = "".join(c for c in normalized if unicodedata.category(c)[0] != "C" or c.isspace())
    return " ".join(visible.split())


@dataclass(frozen=True)
class Session:
    """One browser, and the person who uses it."""

    key: str
    """Random; claims are held under it."""
    who: str
    csrf: str
    """What each form must send back."""

    def is_forged(self, csrf: str) -> bool:
        """Whether a form with this CSRF token was made for another session, or by another site."""
        return not hmac.compare_digest(csrf.encode(), self.csrf.encode())


class Sessions:
    """Opens, reads and ends sessions.

    Args:
        secret: Signs cookies; a stored one lets sessions survive a restart.
        run_id: Names the cookie, so that pages of two runs on one host do not share it.
        token: Opens a session; None where everybody may have one.
        who: Name of a person who has not given one.
        ended: Keys of sessions that have signed out.
        report: Takes a line for the terminal about each wrong token.
    """

    def __init__(
        self,
        secret: str,
        run_id: str,
        token: str | None,
        who: str,
        ended: Iterable[str] = (),
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.cookie = f"tagger_review_{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"
        self._secret = secret.encode()
        self._token_digest = self._hmac(token or "")
        self._check = TokenCheck(token, report) if token else None
        self._who = clean_name(who) or "reviewer"
        self._ended = set(ended)

    def middleware(self, app: ASGIApp, https_only: bool) -> ASGIApp:
        """Wrap an application, so that its requests have the cookie's content as `request.session`."""
        signing_key = self._hmac("session cookie")
        return SessionMiddleware(app, signing_key, self.cookie, _MAX_AGE_S, same_site="lax", https_only=https_only)

    def of(self, request: HTTPConnection) -> Session | None:
        """The session of a request; None without one, after a sign-out, and where another token opened it."""
        cookie = request.session
        key, who, token_digest = (cookie.get(name) for name in ("key", "who", "token"))
        if not isinstance(key, str) or not isinstance(who, str) or key in self._ended:
            return None
        if not hmac.compare_digest(str(token_digest).encode(), self._token_digest.encode()):
            return None
        return self._session(key, who)

    def new(self, who: str = "") -> Session:
        """A session for a browser that has none."""
        return self._session(secrets.token_urlsafe(16), who or self._who)

    def renamed(self, session: Session, who: str) -> Session:
        """The same session under another name."""
        return self._session(session.key, who)

    def save(self, request: HTTPConnection, session: Session) -> None:
        """Send the session to the browser with the response, unless it has it already."""
        if self.of(request) != session:
            request.session.update(key=session.key, who=session.who, token=self._token_digest)

    def end(self, request: HTTPConnection, session: Session) -> None:
        """Revoke a session and delete the browser's cookie."""
        self._ended.add(session.key)
        request.session.clear()

    @property
    def needs_token(self) -> bool:
        """Whether only those who know a token may have a session."""
        return self._check is not None

    def admits(self, token: str | None, address: str) -> bool:
        """Whether a client with this token, or with none, may have a session; a wrong token is counted."""
        return self._check is None or (bool(token) and self._check.is_right(token or "", address))

    def wait_s(self, address: str) -> float:
        """For how many seconds tokens from an address are refused unread, after too many wrong ones."""
        return self._check.wait_s(address) if self._check else 0.0

    def _session(self, key: str, who: str) -> Session:
        return Session(key, who, self._hmac(key))

    def _hmac(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), "sha256").hexdigest()
