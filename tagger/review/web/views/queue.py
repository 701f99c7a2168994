"""The queue: the next item, search by id, and what concerns the last key press."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

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
    PostedByAnyone,
    PostedSession,
    Site,
    Stroke,
    redirect,
)
from tagger.review.web.filters import class_filter
from tagger.review.web.pages import texts_of, wants_json
from tagger.review.web.refusal import RefusalError
from tagger.review.web.sessions import Session
from tagger.schemas.tables.prediction import ReviewReason

_AHEAD = 8
"""Most items that a page may fetch ahead at once."""
router = APIRouter()


@router.get("/queue")
def queue(
    request: Request, site: CurrentSite, session: CurrentSession, item_filter: ItemFilter, done: str = ""
) -> Response:
    """Claim and show the next item; those of the quality sample are shown by the check, without their tag."""
    if item_filter.reason == ReviewReason.QA_SAMPLE and not site.review.is_audit:
        return RedirectResponse("/check", SEE_OTHER)
    return site.pages.next(request, session, item_filter, done=site.action(texts_of(request), session, done))


@router.post("/ahead")
def ahead(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    item_filter: ItemFilter,
    opened: Annotated[list[int] | None, Form(alias="open", max_length=500)] = None,
    have: Annotated[list[int] | None, Form(max_length=500)] = None,
    count: Annotated[int, Form(ge=0, le=_AHEAD)] = 0,
) -> Response:
    """Keep the claims of a page that is open, and fetch items ahead for it."""
    fetched = site.store.claims.ahead(session.key, session.who, item_filter, opened or [], have or [], count)
    parts = site.pages.parts(request, session, item_filter, list(fetched.items))
    items = [{"position": item.position, "html": html} for item, html in zip(fetched.items, parts, strict=True)]
    return JSONResponse({"items": items, "lost": list(fetched.lost)})


@router.post("/release")
def release(site: CurrentSite, session: PostedByAnyone) -> Response:
    """Give back what a page had claimed, when it closes."""
    site.store.release(session.key)
    return Response(status_code=204)


@router.get("/find")
def find(
    site: CurrentSite, session: CurrentSession, item_filter: ItemFilter, item: Annotated[str, Query(alias="id")]
) -> Response:
    """Go to an item by its id."""
    position = site.store.position_of(item.strip())
    if position is None:
        raise RefusalError(404, "error-no-item-id", id=item.strip()[:80])
    return redirect(f"items/{position}", item_filter)


@router.post("/skipped")
def show_skipped(
    site: CurrentSite, session: PostedSession, item_filter: ItemFilter, view: Annotated[str, Form()] = "queue"
) -> Response:
    """Show skipped items again."""
    site.store.forget_skips(session.key, session.who)
    if view == "check":
        return RedirectResponse("/check", SEE_OTHER)
    return redirect("queue", item_filter)


@router.post("/undo")
def undo(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    item_filter: ItemFilter,
    view: Annotated[str, Form()] = "queue",
    stroke: Stroke = None,
) -> Response:
    """Undo the last key press, and go to where it was made."""
    positions = site.store.undo(session.key, session.who, stroke)
    done = _done(site, session, positions)
    if wants_json(request):
        said = site.action(texts_of(request), session, done)
        progress = site.pages.progress(request, session)
        recent = site.pages.recent(request, session, item_filter)
        return JSONResponse({"said": said, "progress": progress, "recent": recent, "positions": positions or []})
    if view == "check":
        return RedirectResponse(f"/check?done={done}", SEE_OTHER)
    view = "grid" if view == "grid" else "queue"
    if not positions:
        return redirect(view, item_filter, done=done)
    if view == "queue":
        return redirect(f"items/{positions[0]}", item_filter, done=DONE)
    return redirect("grid", _class_of(site, item_filter, positions), done=DONE)


def _done(site: Site, session: Session, positions: list[int] | None) -> str:
    """What an undo did, as the parameter `done`."""
    if positions is None:
        return NOTHING
    if positions:
        return DONE
    action = site.store.last_action(session.key)
    return DONE if action and action[0].verdict == UNSKIPPED else STANDS


def _class_of(site: Site, item_filter: Filter, positions: list[int]) -> Filter:
    item = next(iter(site.store.items(positions[:1])), None)
    return class_filter(item_filter, item, site.review.is_audit)
