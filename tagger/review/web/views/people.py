"""The people of the review: leads invite, give roles, and end sessions; everybody sees and ends their own."""

from typing import Annotated, get_args

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tagger.review.store.log import now
from tagger.review.store.people import PeopleError
from tagger.review.store.sessions import Role
from tagger.review.web.dependencies import (
    SEE_OTHER,
    CurrentSession,
    CurrentSite,
    Lead,
    Name,
    PostedByAnyone,
    Site,
)
from tagger.review.web.pages import texts_of
from tagger.review.web.people_page import browsers_of, members_of, team_agreement
from tagger.review.web.refusal import RefusalError
from tagger.review.web.sessions import Session, clean_text

PEOPLE = "/people"
_STATUS = {"not_lead": 403, "unknown": 404}
router = APIRouter(prefix=PEOPLE)


@router.get("")
def people(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """All people, for a lead; for others, their own browsers."""
    return _page(request, site, session)


@router.post("")
def invite(
    request: Request, site: CurrentSite, session: Lead, name: Name, role: Annotated[Role, Form()] = "reviewer"
) -> Response:
    """Invite a person, and show the link."""
    if not clean_text(name):
        raise RefusalError(422, "error-name")
    return _invited(request, site, session, clean_text(name), role)


@router.post("/link")
def new_link(request: Request, site: CurrentSite, session: Lead, name: Name) -> Response:
    """Invite a person once more, in the role that they have."""
    person = next((person for person in site.store.people.everyone() if person.name == name), None)
    if person is None:
        raise PeopleError("unknown", name)
    return _invited(request, site, session, person.name, person.role)


def _invited(request: Request, site: Site, session: Session, name: str, role: Role) -> Response:
    path = site.invitations.make(session.who, name, role)
    origin = site.origins.public_origin or f"{request.url.scheme}://{request.headers.get('host', '')}"
    return _page(request, site, session, link=f"{origin}{path}", invited=name)


@router.post("/role")
def change_role(
    site: CurrentSite,
    session: Lead,
    name: Name,
    role: Annotated[Role, Form()],
    expected: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Give a person another role."""
    site.store.people.change_role(session.who, name, role, expected)
    return RedirectResponse(PEOPLE, SEE_OTHER)


@router.post("/withdraw")
def withdraw(site: CurrentSite, session: Lead, name: Name) -> Response:
    """End a person's open invitation."""
    site.store.people.withdraw(session.who, name)
    return RedirectResponse(PEOPLE, SEE_OTHER)


@router.post("/remove")
def remove(site: CurrentSite, session: Lead, name: Name) -> Response:
    """Take a person out."""
    site.store.people.remove(session.who, name)
    return RedirectResponse(PEOPLE, SEE_OTHER)


@router.post("/sessions")
def end_session(
    request: Request, site: CurrentSite, session: PostedByAnyone, handle: Annotated[str, Form(max_length=64)]
) -> Response:
    """End one browser's session: an own one, or as a lead anybody's."""
    stored = next((one for one in site.store.sessions.open() if one.handle == handle), None)
    if stored is None or not (session.leads or stored.person == session.who):
        raise RefusalError(404, "people-no-session")
    if stored.key == session.key:
        site.sessions.end(request, session)
        return site.pages.message(request, 200, texts_of(request)("signed-out"))
    site.store.sessions.end(stored.key)
    return RedirectResponse(PEOPLE, SEE_OTHER)


def refused(request: Request, site: Site, session: Session, error: PeopleError) -> Response:
    """The page again, with what could not be done, and why."""
    problem = texts_of(request)(f"people-{error.why}", name=error.name)
    status = _STATUS.get(error.why, 409)
    return _page(request, site, session, status, problem=problem)


def _page(request: Request, site: Site, session: Session, status: int = 200, **context: object) -> Response:
    if not session.leads:
        own = [browser for browser in browsers_of(site.store, session) if browser.person == session.who]
        return site.pages.page(request, session, "people.html", status, view="people", own=own, **context)
    team = {"members": members_of(site.store, session, now()), "agreement": team_agreement(site.store)}
    return site.pages.page(
        request, session, "people.html", status, view="people", roles=get_args(Role), **team, **context
    )
