"""Classes that people miss: one proposes, one settles."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from tagger.review.store.proposals import ACCEPTED, DECLINED, MERGED
from tagger.review.store.records import ConflictError, Filter
from tagger.review.web import words
from tagger.review.web.answers import leaf_of
from tagger.review.web.dependencies import (
    CurrentSession,
    CurrentSite,
    ItemFilter,
    Lead,
    Position,
    PostedSession,
    Stroke,
    redirect,
)
from tagger.review.web.pages import texts_of
from tagger.review.web.refusal import RefusalError
from tagger.review.web.sessions import clean_text
from tagger.review.web.views.items import refused, saved

_LENGTH = 80
Named = Annotated[str, Form(max_length=_LENGTH)]
router = APIRouter()


@router.post("/items/{position}/propose")
def propose(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    item_filter: ItemFilter,
    position: Position,
    proposed: Named = "",
    proposed_master: Named = "",
    stroke: Stroke = None,
) -> Response:
    """Say that an item has a class that cannot be chosen, and go to the next."""
    pair = clean_text(proposed_master), clean_text(proposed)
    if not all(pair):
        raise RefusalError(422, "error-proposal")
    known = site.review.leaves.like(*pair)
    if known:
        raise RefusalError(422, "error-proposal-known", name=known.name)
    try:
        site.store.proposals.propose(session.key, session.who, position, pair, stroke)
    except ConflictError as error:
        return refused(request, site, session, item_filter, words.conflict_text(texts_of(request), error.conflict))
    return saved(request, site, session, item_filter)


@router.get("/proposals")
def proposals(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """The open proposals, with pictures."""
    return site.pages.page(request, session, "proposals.html", view="proposals", proposals=site.store.proposals.open())


@router.post("/proposals")
def settle(
    request: Request,
    site: CurrentSite,
    session: Lead,
    key: Annotated[str, Form(max_length=4 * _LENGTH)],
    how: Annotated[str, Form()],
    into: Annotated[str, Form()] = "",
) -> Response:
    """Accept a class, merge it into another one, or send its items back to the queue."""
    pair = None
    own = next((p for p in site.store.proposals.open() if p.key == key), None)
    if own is None:
        raise RefusalError(409, "error-proposal-settled")
    if how == ACCEPTED:
        pair = own.master, own.article
    elif how == MERGED:
        leaf = leaf_of(into, site.review.leaves)
        pair = leaf.master, leaf.article
    elif how != DECLINED:
        raise RefusalError(422, "error-unknown-answer", answer=how[:40])
    if site.store.proposals.settle(session.key, session.who, key, pair) is None:
        raise RefusalError(409, "error-proposal-settled")
    if how == ACCEPTED:
        site.review.leaves.add((own.master, own.article))
    return redirect("proposals", Filter())
