"""One item's whole story: predictions, decisions, exports, undos."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from tagger.decisions.story import story_of
from tagger.review.web.dependencies import CurrentSession, CurrentSite, ItemFilter, Position

router = APIRouter(prefix="/items/{position}")


@router.get("/story")
def story(
    request: Request, site: CurrentSite, session: CurrentSession, item_filter: ItemFilter, position: Position
) -> Response:
    """What happened to an item in this run; nothing is claimed."""
    item = site.item(position)
    entry = site.review.ledger_entry
    events = story_of([entry], item.id, store=site.store) if entry else []
    return site.pages.story(request, session, item_filter, item, events)
