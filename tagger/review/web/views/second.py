"""Second answers: what a colleague has decided, asked once more without the first answer."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tagger.review.web.answers import change_of
from tagger.review.web.check import check_view
from tagger.review.web.dependencies import DONE, SEE_OTHER, Answer, CurrentSession, CurrentSite, Position, PostedSession
from tagger.review.web.pages import texts_of

router = APIRouter(prefix="/second")


@router.get("")
def second(request: Request, site: CurrentSite, session: CurrentSession, done: str = "") -> Response:
    """Show an item that somebody else has decided."""
    answers = site.store.second_answers
    item = answers.next(session.who) if session.decides else None
    said = texts_of(request)("second-saved") if done else ""
    asked = check_view(item, site.review.leaves) if item else {}
    return site.pages.page(request, session, "check.html", view="second", done=said, sentences=[], held=0, **asked)


@router.post("/{position}")
def answer(site: CurrentSite, session: PostedSession, position: Position, answer: Answer) -> Response:
    """Save a second answer; where a colleague was faster, the next item comes all the same."""
    change = change_of(site.item(position), answer, site.review.leaves)
    is_saved = site.store.second_answers.answer(session.who, change)
    return RedirectResponse(f"/second?done={DONE}" if is_saved else "/second", SEE_OTHER)
