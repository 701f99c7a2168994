"""The queue: the next item, search by id, and what concerns the last key press."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Query, Request
from starlette.responses import RedirectResponse, Response

from tagger.review.store.log import UNSKIPPED
from tagger.review.store.records import Filter
from tagger.review.web.dependencies import (
    DONE,
    NOTHING,
    SEE_OTHER,
    STANDS,
    CurrentSession,
    CurrentSite,
    ItemFilter,
    PostedSession,
    Site,
    redirect,
)
from tagger.review.web.pages import class_filter
from tagger.review.web.sessions import Session

router = APIRouter()


@router.get("/")
def start(session: CurrentSession) -> Response:
    """Send the browser to the queue."""
    return RedirectResponse("/queue", SEE_OTHER)


@router.get("/queue")
def queue(
    request: Request, site: CurrentSite, session: CurrentSession, item_filter: ItemFilter, done: str = ""
) -> Response:
    """Claim and show the next item."""
    return site.pages.next(request, session, item_filter, done=site.action(session, done))


@router.get("/find")
def find(
    site: CurrentSite, session: CurrentSession, item_filter: ItemFilter, item: Annotated[str, Query(alias="id")]
) -> Response:
    """Go to an item by its id."""
    position = site.store.position_of(item.strip())
    if position is None:
        raise HTTPException(404, f"No item {item.strip()!r} is in this review.")
    return redirect(f"items/{position}", item_filter)


@router.post("/skipped")
def show_skipped(site: CurrentSite, session: PostedSession, item_filter: ItemFilter) -> Response:
    """Show skipped items again."""
    site.store.forget_skips(session.key, session.who)
    return redirect("queue", item_filter)


@router.post("/undo")
def undo(
    site: CurrentSite, session: PostedSession, item_filter: ItemFilter, view: Annotated[str, Form()] = "queue"
) -> Response:
    """Undo the last key press, and go to where it was made."""
    return _undo(site, session, item_filter, "grid" if view == "grid" else "queue")


def _undo(site: Site, session: Session, item_filter: Filter, view: str) -> Response:
    positions = site.store.undo(session.key, session.who)
    if positions is None:
        return redirect(view, item_filter, done=NOTHING)
    if not positions:
        action = site.store.last_action(session.key)
        is_unskip = bool(action) and action[0].verdict == UNSKIPPED
        return redirect(view, item_filter, done=DONE if is_unskip else STANDS)
    if view == "queue":
        return redirect(f"items/{positions[0]}", item_filter, done=DONE)
    item = next(iter(site.store.items(positions[:1])), None)
    return redirect("grid", class_filter(item_filter, item, site.review.is_audit), done=DONE)
