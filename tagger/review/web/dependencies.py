"""FastAPI dependencies of the views: the site, a request's session, its filter and its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, HTTPException, Query, Request
from fastapi import Path as PathParameter
from starlette.responses import RedirectResponse, Response

from tagger.review.store.claims import ReviewStore
from tagger.review.store.records import Filter, Order, QueuedItem
from tagger.review.web import words
from tagger.review.web.answers import KEEP
from tagger.review.web.attributes import RIGHT, VALUE
from tagger.review.web.origins import OriginPolicy, client_address
from tagger.review.web.pages import Pages, Review, query_of
from tagger.review.web.sessions import Session, Sessions

SEE_OTHER = 303
DONE, NOTHING, STANDS = "1", "nothing", "stands"
"""Values of the parameter `done`, by which the page says what the last key press did, or why it did nothing."""
_NAME_LENGTH = 60


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
    report: Callable[[str], None]
    """Takes a line for the terminal about what went wrong."""

    @property
    def store(self) -> ReviewStore:
        """The review's queue and log."""
        return self.review.store

    def item(self, position: int) -> QueuedItem:
        """An item of the queue. Raises HTTPException when there is none."""
        return known(next(iter(self.store.items([position])), None))

    def action(self, session: Session, done: str) -> str:
        """The sentence about the last key press, by the parameter `done`."""
        if done == DONE:
            return words.action_text(self.store.last_action(session.key), self.review.is_audit)
        return {NOTHING: words.NOTHING_TO_UNDO, STANDS: words.DECIDED_SINCE}.get(done, "")

    def check_button(self, answer: str) -> None:
        """Refuse a button that this kind of review does not have. Raises HTTPException."""
        if answer == KEEP and not self.review.is_audit:
            raise HTTPException(422, "Only an audit has labels to keep.")


def known(item: QueuedItem | None) -> QueuedItem:
    """An item that must exist. Raises HTTPException when it does not."""
    if item is None:
        raise HTTPException(404, "There is no such item in this review.")
    return item


def redirect(view: str, item_filter: Filter, **parameters: object) -> Response:
    """Send the browser to a view with a filter."""
    return RedirectResponse(f"/{view}{query_of(item_filter, **parameters)}", SEE_OTHER)


async def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site


CurrentSite = Annotated[Site, Depends(site_of)]


async def current_session(request: Request, site: CurrentSite) -> Session:
    """The session of a request. Raises NoSessionError and NewSessionError."""
    session = site.sessions.of(request)
    if session is None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ") or None
        admitted = site.sessions.admits(bearer, client_address(request))
        raise NewSessionError if admitted else NoSessionError
    return session


async def posted_session(request: Request, site: CurrentSite) -> Session:
    """The session of a request that changes something. Raises NoSessionError, and HTTPException for a forged form."""
    session = site.sessions.of(request)
    if session is None:
        raise NoSessionError
    form = await request.form()
    if site.origins.is_cross_origin(request) or session.is_forged(str(form.get("csrf", ""))):
        raise HTTPException(403, "This form was sent by another page, or is too old. Load the page again.")
    return session


async def _filter(
    reason: str = "",
    master: str = "",
    article: str = "",
    to_master: str = "",
    to_article: str = "",
    least: Annotated[float, Query(ge=0, le=100)] = 0.0,
    most: Annotated[float, Query(ge=0, le=100)] = 100.0,
    order: Order = "uncertain",
) -> Filter:
    return Filter(reason, master, article, least / 100, most / 100, order, to_master, to_article)


async def _answer(say: Annotated[str, Form()], chosen: Annotated[str, Form()] = "") -> str:
    """The button that was pressed; without a script, one button stands for what is chosen in a list."""
    return chosen if say == "chosen" else say


async def _attribute_fields(request: Request) -> dict[str, str]:
    """The fields of a form that are about further tags."""
    form = await request.form()
    return {name: str(value) for name, value in form.items() if name.startswith((f"{VALUE}:", f"{RIGHT}:"))}


CurrentSession = Annotated[Session, Depends(current_session)]
PostedSession = Annotated[Session, Depends(posted_session)]
ItemFilter = Annotated[Filter, Depends(_filter)]
Answer = Annotated[str, Depends(_answer)]
AttributeFields = Annotated[dict[str, str], Depends(_attribute_fields)]
Position = Annotated[int, PathParameter(ge=1, lt=2**31)]
Name = Annotated[str, Form(max_length=_NAME_LENGTH)]
