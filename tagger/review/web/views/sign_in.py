"""Coming in and going out: an invitation or the token opens a session; and the language of the page."""

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tagger.review.store.people import PeopleError
from tagger.review.web.dependencies import SEE_OTHER, CurrentSite, PostedByAnyone
from tagger.review.web.invitations import PATH
from tagger.review.web.origins import client_address
from tagger.review.web.pages import LANGUAGE, texts_of
from tagger.review.web.refusal import RefusalError
from tagger.review.web.texts import LANGUAGES

_START = "/"
router = APIRouter()


@router.get("/sign-in")
def sign_in(request: Request, site: CurrentSite) -> Response:
    """The form for the token."""
    return site.pages.sign_in(request, _START)


@router.post("/sign-in")
def open_session(
    request: Request, site: CurrentSite, token: Annotated[str, Form()] = "", back: Annotated[str, Form()] = _START
) -> Response:
    """Open a lead's session for a client that has the token."""
    if site.origins.is_cross_origin(request):
        raise RefusalError(403, "error-cross")
    if not re.fullmatch(r"/([A-Za-z][^\\]*)?", back):  # a path of this page, never another site's address
        back = _START
    address = client_address(request)
    wait = site.sessions.wait_s(address)
    if wait:
        return site.pages.sign_in(request, back, texts_of(request)("too-many-tokens", seconds=wait), 429)
    if not site.sessions.admits(token, address):
        return site.pages.sign_in(request, back, texts_of(request)("wrong-token"), 403)
    site.sessions.enter(request)
    return RedirectResponse(back, SEE_OTHER)


@router.get(f"{PATH}{{signed}}")
def invitation(request: Request, site: CurrentSite, signed: str) -> Response:
    """The page on which an invitation is used; looking at it does not use it up, as chat programs look at links."""
    session = site.sessions.of(request)
    if session and session.who == site.invitations.read(signed).name:
        return RedirectResponse(_START, SEE_OTHER)
    return site.pages.invitation(request, site.invitations.open(signed).name)


@router.post(f"{PATH}{{signed}}")
def join(request: Request, site: CurrentSite, signed: str) -> Response:
    """Use an invitation up, and open a session."""
    if site.origins.is_cross_origin(request):
        raise RefusalError(403, "error-cross")
    invited = site.invitations.open(signed)
    try:
        site.sessions.join(request, invited.name, invited.digest)
    except PeopleError as error:  # another browser was faster
        raise RefusalError(410, "invitation-over") from error
    return RedirectResponse(_START, SEE_OTHER)


@router.post("/sign-out")
def sign_out(request: Request, site: CurrentSite, session: PostedByAnyone) -> Response:
    """Revoke the session, and release what it has claimed."""
    site.sessions.end(request, session)
    return site.pages.message(request, 200, texts_of(request)("signed-out"))


@router.post("/name")
def choose_language(request: Request, session: PostedByAnyone, language: Annotated[str, Form()] = "") -> Response:
    """Change the language of the page. Names are the leads' matter."""
    if language not in LANGUAGES:
        raise RefusalError(422, "error-language", language=language[:20])
    request.session[LANGUAGE] = language
    return RedirectResponse(_START, SEE_OTHER)
