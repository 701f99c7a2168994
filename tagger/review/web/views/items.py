"""One item: look at it, decide about it, skip it."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, Response

from tagger.review.store.records import ConflictError, Filter
from tagger.review.web import words
from tagger.review.web.answers import change_of, change_of_copy
from tagger.review.web.attributes import attributes_set
from tagger.review.web.dependencies import (
    DONE,
    Answer,
    AttributeFields,
    CurrentSession,
    CurrentSite,
    ItemFilter,
    Note,
    Position,
    PostedSession,
    Site,
    Stroke,
    known,
    redirect,
)
from tagger.review.web.images import ItemImage, image_of
from tagger.review.web.pages import texts_of, wants_json
from tagger.review.web.refusal import RefusalError
from tagger.review.web.sessions import Session, clean_text

router = APIRouter(prefix="/items/{position}")


@router.get("")
def item(
    request: Request,
    site: CurrentSite,
    session: CurrentSession,
    item_filter: ItemFilter,
    position: Position,
    done: str = "",
) -> Response:
    """Claim and show one item."""
    return _item(request, site, session, item_filter, position, done=site.action(texts_of(request), session, done))


@router.get("/images/{number}")
def item_with_image(
    request: Request,
    site: CurrentSite,
    session: CurrentSession,
    item_filter: ItemFilter,
    position: Position,
    number: Position,
) -> Response:
    """Claim and show one item, with one of its several images large."""
    return _item(request, site, session, item_filter, position, image_of(site.item(position), number))


def _item(
    request: Request,
    site: Site,
    session: Session,
    item_filter: Filter,
    position: int,
    large: ItemImage | None = None,
    done: str = "",
) -> Response:
    if not session.decides:
        return site.pages.item(request, session, item_filter, site.item(position), done=done, large=large)
    taken = site.store.claims.take(session.key, position, session.who)
    claimed, conflict = taken if taken else (known(None), None)
    return site.pages.item(request, session, item_filter, claimed, done=done, large=large, conflict=conflict)


@router.post("/decision")
def decide(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    item_filter: ItemFilter,
    position: Position,
    answer: Answer,
    fields: AttributeFields,
    expected: Annotated[str, Form()] = "",
    copies: Annotated[bool, Form()] = False,
    stroke: Stroke = None,
) -> Response:
    """Save a decision, and go to the next item."""
    t = texts_of(request)
    item = site.item(position)
    seen_decision = int(expected) if expected.isdecimal() and len(expected) < 18 else None
    attributes = attributes_set(item, site.review.attributes, fields)
    change = change_of(item, answer, site.review.leaves, seen_decision, attributes, site.review.is_audit)
    others = [change_of_copy(change, other) for other in site.store.waiting_copies(item)] if copies else []
    try:
        decided = site.store.decide(session.key, session.who, [change], optional=others, stroke=stroke)
    except ConflictError as error:
        return refused(request, site, session, item_filter, words.conflict_text(t, error.conflict))
    missed = 1 + len(others) - len(decided)
    if missed > 0:
        return refused(request, site, session, item_filter, t("left-alone", items=missed))
    return saved(request, site, session, item_filter, position)


@router.post("/skip")
def skip(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    item_filter: ItemFilter,
    position: Position,
    copies: Annotated[bool, Form()] = False,
    stroke: Stroke = None,
) -> Response:
    """Leave an item to others, and go to the next."""
    item = site.item(position)
    others = site.store.waiting_copies(item) if copies else []
    positions = [position, *(other.position for other in others)]
    site.store.skip(session.key, session.who, positions, stroke)
    return saved(request, site, session, item_filter)


@router.post("/flag")
def flag(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    item_filter: ItemFilter,
    position: Position,
    note: Note = "",
    stroke: Stroke = None,
) -> Response:
    """Flag an item with a note for others, and go to the next."""
    if not clean_text(note):
        raise RefusalError(422, "error-note")
    try:
        site.store.flag(session.key, session.who, position, clean_text(note), stroke)
    except ConflictError as error:
        return refused(request, site, session, item_filter, words.conflict_text(texts_of(request), error.conflict))
    return saved(request, site, session, item_filter)


def saved(request: Request, site: Site, session: Session, item_filter: Filter, decided: int | None = None) -> Response:
    """The answer to a saved key press: for the script, what was saved; else the next item.

    After a decision, it offers waiting items that look like the decided one, which is named by its position.
    """
    if not wants_json(request):
        return redirect("queue", item_filter)
    said = site.action(texts_of(request), session, DONE)
    recent = site.pages.recent(request, session, item_filter)
    offer = site.pages.offer(request, item_filter, site.item(decided)) if decided else ""
    progress = site.pages.progress(request, session)
    return JSONResponse({"said": said, "progress": progress, "recent": recent, "offer": offer})


def refused(request: Request, site: Site, session: Session, item_filter: Filter, problem: str) -> Response:
    """The answer to a key press that is refused: why, and for a browser without the script the next item."""
    if wants_json(request):
        return JSONResponse({"problem": problem}, 409)
    return site.pages.next(request, session, item_filter, problem, 409)
