"""One item: look at it, decide about it, skip it."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from tagger.review.store.claims import ConflictError
from tagger.review.web import words
from tagger.review.web.answers import change_of, change_of_copy
from tagger.review.web.attributes import attributes_set
from tagger.review.web.dependencies import (
    Answer,
    AttributeFields,
    CurrentSession,
    CurrentSite,
    ItemFilter,
    Position,
    PostedSession,
    known,
    redirect,
)
from tagger.review.web.images import image_of

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
    claimed = known(site.store.take(session.key, position))
    return site.pages.item(request, session, item_filter, [claimed], done=site.action(session, done))


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
    large = image_of(site.item(position), number)
    claimed = known(site.store.take(session.key, position))
    return site.pages.item(request, session, item_filter, [claimed], large=large)


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
) -> Response:
    """Save a decision, and go to the next item."""
    item = site.item(position)
    site.check_button(answer)
    seen_decision = int(expected) if expected.isdecimal() and len(expected) < 18 else None
    attributes = attributes_set(item, site.review.attributes, fields)
    change = change_of(item, answer, site.review.leaves, seen_decision, attributes)
    others = [change_of_copy(change, other) for other in site.store.waiting_copies(item)] if copies else []
    try:
        decided = site.store.decide(session.key, session.who, [change], optional=others)
    except ConflictError as error:
        return site.pages.next(request, session, item_filter, str(error), 409)
    missed = 1 + len(others) - len(decided)
    if missed:
        return site.pages.next(request, session, item_filter, words.LEFT_ALONE.format(missed), 409)
    return redirect("queue", item_filter)


@router.post("/skip")
def skip(
    site: CurrentSite,
    session: PostedSession,
    item_filter: ItemFilter,
    position: Position,
    copies: Annotated[bool, Form()] = False,
) -> Response:
    """Leave an item to others, and go to the next."""
    item = site.item(position)
    others = site.store.waiting_copies(item) if copies else []
    site.store.skip(session.key, session.who, [position, *(other.position for other in others)])
    return redirect("queue", item_filter)
