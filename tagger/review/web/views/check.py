"""The quality check: items of the sample, one by one and without their tag, and what the answers show."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tagger.review.store.records import ConflictError
from tagger.review.web import words
from tagger.review.web.answers import SKIP, change_of
from tagger.review.web.check import SAMPLE, check_view, is_settled, sentences
from tagger.review.web.dependencies import (
    DONE,
    SEE_OTHER,
    Answer,
    CurrentSession,
    CurrentSite,
    Position,
    PostedSession,
    Site,
    Stroke,
)
from tagger.review.web.pages import texts_of
from tagger.review.web.refusal import RefusalError
from tagger.review.web.sessions import Session
from tagger.schemas.tables.prediction import ReviewReason

router = APIRouter()


@router.get("/check")
def check(request: Request, site: CurrentSite, session: CurrentSession, done: str = "", more: bool = False) -> Response:
    """Claim and show the next item of the sample; none once every target is shown or lost, unless more is set."""
    return _page(request, site, session, more, done=site.action(texts_of(request), session, done))


@router.post("/check/{position}")
def answer(
    request: Request,
    site: CurrentSite,
    session: PostedSession,
    position: Position,
    answer: Answer,
    more: bool = False,
    stroke: Stroke = None,
) -> Response:
    """Save what a person says without having seen the tag, and go to the next item."""
    item = site.item(position)
    if ReviewReason.QA_SAMPLE not in item.reasons:
        raise RefusalError(404, "error-no-item")
    if answer == SKIP:
        site.store.skip(session.key, session.who, [position], stroke)
    else:
        change = change_of(item, answer, site.review.leaves)
        try:
            site.store.decide(session.key, session.who, [change], stroke=stroke)
        except ConflictError as error:
            problem = words.conflict_text(texts_of(request), error.conflict)
            return _page(request, site, session, more, problem, 409)
    return RedirectResponse(f"/check?done={DONE}{'&more=true' if more else ''}", SEE_OTHER)


def _page(
    request: Request,
    site: Site,
    session: Session,
    more: bool,
    problem: str = "",
    status: int = 200,
    done: str = "",
) -> Response:
    """The next item of the sample, without its tag, and what the answers show so far."""
    quality = site.review.quality
    if quality is None or not quality.has_sample:
        raise RefusalError(404, "check-none")
    shown = quality.shown()
    settled = is_settled(shown.promises)
    asks = session.decides and (more or not settled)
    items = site.pages.claimed(session, SAMPLE) if asks else []
    return site.pages.page(
        request,
        session,
        "check.html",
        status,
        view="check",
        problem=problem,
        done=done,
        sentences=list(sentences(texts_of(request), shown.promises)),
        held=shown.held,
        skipped=site.store.counts.skipped(session.key),
        settled=settled,
        more=more,
        waiting=site.store.counts.waiting(SAMPLE),
        **(check_view(items[0], site.review.leaves) if items else {}),
    )
