"""Signing in and out, and the reviewer's name."""

import re
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from tagger.review.web.dependencies import SEE_OTHER, CurrentSite, Name, PostedSession
from tagger.review.web.origins import client_address
from tagger.review.web.sessions import clean_name

_START = "/queue"
router = APIRouter()


@router.get("/sign-in")
def sign_in(request: Request, site: CurrentSite) -> Response:
    """The form for the token."""
    return site.pages.sign_in(request, _START)


@router.post("/sign-in")
def open_session(
    request: Request,
    site: CurrentSite,
    token: Annotated[str, Form()] = "",
    who: Name = "",
    back: Annotated[str, Form()] = _START,
) -> Response:
    """Open a session for a client that has the token."""
    if site.origins.is_cross_origin(request):
        raise HTTPException(403, "This form was sent by another page.")
    if not re.fullmatch(r"/[A-Za-z][^\\]*", back):  # a path of this page, never another site's address
        back = _START
    address = client_address(request)
    wait = site.sessions.wait_s(address)
    if wait:
        text = f"Too many wrong tokens came from here. Wait {wait:.0f} s, then try again."
        return site.pages.sign_in(request, back, text, 429)
    if not site.sessions.admits(token, address):
        return site.pages.sign_in(request, back, "That is not the token.", 403)
    site.sessions.save(request, site.sessions.new(clean_name(who)))
    return RedirectResponse(back, SEE_OTHER)


@router.post("/sign-out")
def sign_out(request: Request, site: CurrentSite, session: PostedSession) -> Response:
    """Revoke the session, and release what it has claimed."""
    site.store.end_session(session.key)
    site.sessions.end(request, session)
    return site.pages.message(request, 200, "You are signed out.")


@router.post("/name")
def rename(request: Request, site: CurrentSite, session: PostedSession, who: Name) -> Response:
    """Change the name under which decisions are logged."""
    site.sessions.save(request, site.sessions.renamed(session, clean_name(who) or session.who))
    return RedirectResponse(_START, SEE_OTHER)
