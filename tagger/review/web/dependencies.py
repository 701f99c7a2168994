"""FastAPI dependencies of the views: the site, a request's session, its filter and its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Query, Request
from fastapi import Path as PathParameter
from starlette.responses import RedirectResponse, Response

from tagger.review.store.conditions import BIT
from tagger.review.store.records import Filter, Order, QueuedItem
from tagger.review.store.review import ReviewStore
from tagger.review.web import words
from tagger.review.web.attributes import RIGHT, VALUE
from tagger.review.web.filters import query_of
from tagger.review.web.invitations import Invitations
from tagger.review.web.item_view import Review
from tagger.review.web.origins import OriginPolicy, client_address
from tagger.review.web.pages import Pages
from tagger.review.web.refusal import RefusalError
from tagger.review.web.sessions import Session, Sessions
from tagger.review.web.texts import Texts

SEE_OTHER = 303
DONE, NOTHING, STANDS = "1", "nothing", "stands"
"""Values of the parameter `done`, by which the page says what the last key press did, or why it did nothing."""
_DONE_TEXTS = {NOTHING: "nothing-to-undo", STANDS: "decided-since"}
NAME_LENGTH = 60
_TEXT_LENGTH = 200
_NOTE_LENGTH = 500
_STROKE = r"[0-9a-f]{16,64}"


class NoSessionError(Exception):
    """A request without a session, from a client that may not have one."""


class NewSessionError(Exception):
    """A request without a session, from a client that may have one."""


@dataclass(frozen=True)
class Site:
    """What all views share."""

    review: Review
    sessions: Sessions
    origins: OriginPolicy
    pages: Pages
    invitations: Invitations
    report: Callable[[str], None]
    """Takes a line for the terminal about what went wrong."""

    @property
    def store(self) -> ReviewStore:
        """The review's queue and log."""
        return self.review.store

    def item(self, position: int) -> QueuedItem:
        """An item of the queue. Raises RefusalError when there is none."""
        return known(next(iter(self.store.items([position])), None))

    def action(self, t: Texts, session: Session, done: str) -> str:
        """The sentence about the last key press, by the parameter `done`."""
        if done == DONE:
            return words.action_text(t, self.store.last_action(session.key), self.review.is_audit)
        return t(_DONE_TEXTS[done]) if done in _DONE_TEXTS else ""


def known(item: QueuedItem | None) -> QueuedItem:
    """An item that must exist. Raises RefusalError when it does not."""
    if item is None:
        raise RefusalError(404, "error-no-item")
    return item


def redirect(view: str, item_filter: Filter, **parameters: object) -> Response:
    """Send the browser to a view with a filter."""
    return RedirectResponse(f"/{view}{query_of(item_filter, **parameters)}", SEE_OTHER)


async def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site


CurrentSite = Annotated[Site, Depends(site_of)]


def current_session(request: Request, site: CurrentSite) -> Session:
    """The session of a request. Raises NoSessionError and NewSessionError."""
    session = site.sessions.of(request)
    if session is None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ") or None
        admitted = site.sessions.admits(bearer, client_address(request))
        raise NewSessionError if admitted else NoSessionError
    return session


async def _csrf(request: Request) -> str:
    """The CSRF token of a form."""
    return str((await request.form()).get("csrf", ""))


def posted_by_anyone(request: Request, site: CurrentSite, csrf: Annotated[str, Depends(_csrf)]) -> Session:
    """The session of a form. Raises NoSessionError, and RefusalError for a forged form."""
    session = site.sessions.of(request)
    if session is None:
        raise NoSessionError
    if site.origins.is_cross_origin(request) or session.is_forged(csrf):
        raise RefusalError(403, "error-forged")
    return session


def posted_session(session: Annotated[Session, Depends(posted_by_anyone)]) -> Session:
    """The session of a form that concerns decisions. Raises RefusalError for a reader's."""
    if not session.decides:
        raise RefusalError(403, "error-reader")
    return session


def posted_by_lead(session: Annotated[Session, Depends(posted_by_anyone)]) -> Session:
    """The session of a form that concerns people. Raises RefusalError when it is not a lead's."""
    if not session.leads:
        raise RefusalError(403, "people-not_lead")
    return session


async def _filter(
    reason: str = "",
    master: str = "",
    article: str = "",
    to_master: str = "",
    to_article: str = "",
    least: Annotated[float, Query(ge=0, le=100)] = 0.0,
    most: Annotated[float, Query(ge=0, le=100)] = 100.0,
    order: Order = "disputed",
    text: Annotated[str, Query(max_length=_TEXT_LENGTH)] = "",
    has: Annotated[str, Query(max_length=_TEXT_LENGTH)] = "",
) -> Filter:
    if reason and reason not in BIT:
        raise RefusalError(422, "error-reason", reason=reason[:40])
    return Filter(reason, master, article, least / 100, most / 100, order, to_master, to_article, text.strip(), has)


async def _answer(say: Annotated[str, Form()], chosen: Annotated[str, Form()] = "") -> str:
    """The button that was pressed; without a script, one button stands for what is chosen in a list."""
    return chosen if say == "chosen" else say


async def _attribute_fields(request: Request) -> dict[str, str]:
    """The fields of a form that are about further tags."""
    form = await request.form()
    return {name: str(value) for name, value in form.items() if name.startswith((f"{VALUE}:", f"{RIGHT}:"))}


CurrentSession = Annotated[Session, Depends(current_session)]
PostedSession = Annotated[Session, Depends(posted_session)]
"""Of a form by which a lead or a reviewer decides."""
PostedByAnyone = Annotated[Session, Depends(posted_by_anyone)]
"""Of a form that readers may send, too."""
Lead = Annotated[Session, Depends(posted_by_lead)]
"""Of a form by which a lead changes something about people."""
ItemFilter = Annotated[Filter, Depends(_filter)]
Answer = Annotated[str, Depends(_answer)]
AttributeFields = Annotated[dict[str, str], Depends(_attribute_fields)]
Position = Annotated[int, PathParameter(ge=1, lt=2**31)]
Name = Annotated[str, Form(max_length=NAME_LENGTH)]
Note = Annotated[str, Form(max_length=_NOTE_LENGTH)]
Stroke = Annotated[str | None, Form(pattern=_STROKE)]
"""The key of a key press: a form that is sent again with it changes nothing."""
