"""Groups of items that may show one picture: one question at a time, saved at once."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tagger.review.store.groups import GroupConflictError
from tagger.review.store.records import Conflict
from tagger.review.web.dependencies import SEE_OTHER, CurrentSession, CurrentSite, Position, PostedSession, Site
from tagger.review.web.duplicates import (
    APART,
    NOTHING,
    SKIP,
    UNDONE,
    answer_of,
    conflict_text,
    done_text,
    duplicates_view,
    image_ref,
)
from tagger.review.web.pages import texts_of
from tagger.review.web.pictures import PAGE
from tagger.review.web.sessions import Session
from tagger.review.web.views.images import Longest, send_picture

router = APIRouter()


@router.get("/duplicates")
def duplicates(request: Request, site: CurrentSite, session: CurrentSession, done: str = "") -> Response:
    """Claim and show the first group that nobody has answered."""
    return _page(request, site, session, done=done_text(texts_of(request), done))


@router.post("/duplicates/undo")
def undo(site: CurrentSite, session: PostedSession) -> Response:
    """Undo the last answer or skip, and ask about its group again."""
    undone = site.store.groups.undo(session.key, session.who)
    return _next(UNDONE if undone else NOTHING)


@router.post("/duplicates/{number}")
def answer(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    number: Position,
    say: Annotated[str, Form()] = "",
    apart: Annotated[list[int] | None, Form()] = None,
) -> Response:
    """Save whether a group shows one picture, and which of its items do not belong; go to the next one."""
    groups = site.store.groups
    try:
        if say == SKIP:
            groups.skip(session.key, number)
            return _next(SKIP)
        group = groups.get(number)
        if group is None:
            raise GroupConflictError(Conflict("unknown"))
        same, ids = answer_of(group, say, apart or [])
        groups.answer(session.key, session.who, number, same, ids)
    except GroupConflictError as error:
        problem = conflict_text(texts_of(request), error.conflict)
        return _page(request, site, session, problem, 409)
    return _next(APART if ids else say)


@router.get("/duplicates/{number}/images/{item}")
def image(
    request: Request,
    site: CurrentSite,
    session: CurrentSession,
    number: Position,
    item: Position,
    longest: Longest = PAGE,
) -> Response:
    """The image of an item of a group, by its number from 1, which need not be in the queue."""
    return send_picture(request, site, image_ref(site.store.groups.get(number), item), longest)


def _next(done: str) -> Response:
    return RedirectResponse(f"/duplicates?done={done}", SEE_OTHER)


def _page(
    request: Request, site: Site, session: Session, problem: str = "", status: int = 200, done: str = ""
) -> Response:
    context = duplicates_view(site.store, texts_of(request), session) | {"problem": problem, "done": done}
    return site.pages.page(request, session, "duplicates.html", status, view="duplicates", **context)
