"""The grid: items of one class, decided together."""

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from tagger.review.store.records import Filter
from tagger.review.web.answers import ACCEPT, SKIP, changes_of_grid
from tagger.review.web.dependencies import (
    DONE,
    Answer,
    CurrentSession,
    CurrentSite,
    ItemFilter,
    PostedSession,
    Site,
    redirect,
)
from tagger.review.web.filters import class_filter
from tagger.review.web.pages import GRID_ITEMS, texts_of
from tagger.review.web.refusal import RefusalError
from tagger.review.web.sessions import Session

_ONLY = "only:"
"""Begins the answer that accepts some of the items, by their positions: those of a cluster."""
router = APIRouter(prefix="/grid")


@router.get("")
def grid(
    request: Request, site: CurrentSite, session: CurrentSession, item_filter: ItemFilter, done: str = ""
) -> Response:
    """Claim and show items of one class."""
    return site.pages.grid(request, session, item_filter, done=site.action(texts_of(request), session, done))


@router.post("")
def decide_many(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    item_filter: ItemFilter,
    answer: Answer,
    shown: Annotated[str, Form()],
    wrong: Annotated[list[int] | None, Form()] = None,
) -> Response:
    """Save the decisions about the items that were shown, or only about some of them, and go to the next ones."""
    positions = positions_of(shown)
    if answer.startswith(_ONLY):
        some = set(positions_of(answer.removeprefix(_ONLY)))
        positions, answer = [p for p in positions if p in some], ACCEPT
        if not positions:
            raise RefusalError(422, "not-seen-yet")
    if answer == SKIP:
        site.store.skip(session.key, session.who, positions)
        return redirect("grid", item_filter, done=DONE)
    marked = set(wrong or ())
    if answer != ACCEPT and not marked:
        raise RefusalError(422, "mark-first")
    missed = _decide(site, session, answer, positions, marked)
    if missed:
        problem = texts_of(request)("left-alone", items=missed)
        return site.pages.grid(request, session, item_filter, problem, 409)
    return redirect("grid", _next_class(site, item_filter), done=DONE)


def positions_of(named: str) -> list[int]:
    """Positions that a form names, with commas between them; as many as a page has."""
    return [int(p) for p in named.split(",") if p.isdecimal() and len(p) < 10][:GRID_ITEMS]


def _decide(site: Site, session: Session, answer: str, positions: list[int], marked: Collection[int]) -> int:
    """Save decisions; return how many items were left out, because somebody else has them or decided them."""
    items = site.store.items(positions)
    changes = changes_of_grid(items, answer, marked, site.review.leaves, site.review.is_audit)
    refused = [p for p in positions if p in marked] if answer == ACCEPT else []
    decided = site.store.decide(session.key, session.who, [], refused, optional=changes)
    return len(changes) - len(decided)


def _next_class(site: Site, item_filter: Filter) -> Filter:
    """The same filter while items of its class wait; afterwards one without a class, which shows the next."""
    if site.pages.has_class(item_filter):
        return item_filter
    return class_filter(item_filter, None, site.review.is_audit)
