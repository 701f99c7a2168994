"""The list of items, waiting or decided: to find one again, or what somebody decided."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tagger.review.store.records import Search, State
from tagger.review.web.dependencies import CurrentSession, CurrentSite, ItemFilter

router = APIRouter()


@router.get("/items")
def found(
    request: Request,
    site: CurrentSite,
    session: CurrentSession,
    item_filter: ItemFilter,
    state: State = "all",
    person: Annotated[str, Query(max_length=60)] = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> Response:
    """List items; nothing is claimed."""
    search = Search(item_filter, state, person, session.who, session.key)
    return site.pages.found(request, session, search, page)
