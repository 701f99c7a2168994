"""Items that look like the one just answered: one key press gives them its class."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from tagger.review.store.records import QueuedItem
from tagger.review.web.answers import change_of, leaf_answer
from tagger.review.web.dependencies import (
    DONE,
    CurrentSession,
    CurrentSite,
    ItemFilter,
    Position,
    PostedSession,
    Site,
    redirect,
)
from tagger.review.web.offers import Offer
from tagger.review.web.pages import texts_of
from tagger.review.web.refusal import RefusalError
from tagger.review.web.views.grid import positions_of
from tagger.review.web.views.items import refused

router = APIRouter(prefix="/alike/{position}")


@router.get("")
def alike(
    request: Request,
    site: CurrentSite,
    session: CurrentSession,
    item_filter: ItemFilter,
    position: Position,
    done: str = "",
) -> Response:
    """Claim and show waiting items that look like an answered one."""
    item = site.item(position)
    offer = _offer(site, item)
    shown = site.store.claims.these(
        session.key, offer.positions if offer else (), session.who if session.decides else None
    )
    return site.pages.page(
        request,
        session,
        "alike.html",
        view="queue",
        item_filter=item_filter,
        done=site.action(texts_of(request), session, done),
        answered=item,
        offer=offer,
        offers=site.review.offers,
        items=shown,
    )


@router.post("")
def decide(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    item_filter: ItemFilter,
    position: Position,
    leaf: Annotated[int, Form()],
    shown: Annotated[str, Form()],
    wrong: Annotated[list[int] | None, Form()] = None,
) -> Response:
    """Give the items that were shown, and not marked, the class of the answered one; the marked ones keep waiting.

    Raises RefusalError where the answered item has another class meanwhile.
    """
    offer = _offer(site, site.item(position))
    if offer is None or leaf != offer.leaf.number:
        raise RefusalError(409, "alike-changed")
    offered = [p for p in positions_of(shown) if p in offer.positions]
    declined = [p for p in offered if p in (wrong or ())]
    chosen = [p for p in offered if p not in declined]
    items = site.store.items(chosen)
    changes = [change_of(item, str(leaf_answer(offer.leaf)), site.review.leaves) for item in items]
    decided = site.store.decide(session.key, session.who, [], optional=changes)
    if site.review.offers:
        site.review.offers.count(offer, decided, declined)
    if missed := len(chosen) - len(decided):
        return refused(request, site, session, item_filter, texts_of(request)("left-alone", items=missed))
    return redirect("queue", item_filter, done=DONE)


def _offer(site: Site, item: QueuedItem) -> Offer | None:
    offers = site.review.offers
    return offers.of(item) if offers else None
