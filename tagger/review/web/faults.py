"""Error responses of the views, in plain words."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from tagger.io.location import first_line
from tagger.review.store.people import PeopleError
from tagger.review.web import words
from tagger.review.web.dependencies import SEE_OTHER, NewSessionError, NoSessionError, Site
from tagger.review.web.pages import texts_of
from tagger.review.web.refusal import RefusalError
from tagger.review.web.views import people


class Faults:
    """Exception handlers of the page.

    Args:
        site: Makes the pages.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pages = site.pages

    def register(self, app: FastAPI) -> None:
        """Add all handlers to an application."""
        app.add_exception_handler(NoSessionError, self._ask_to_sign_in)
        app.add_exception_handler(NewSessionError, self._open_session)
        app.add_exception_handler(RefusalError, self._explain_refusal)
        app.add_exception_handler(PeopleError, self._explain_people)
        app.add_exception_handler(HTTPException, self._explain_status)
        app.add_exception_handler(RequestValidationError, self._explain_value)
        app.add_exception_handler(SQLAlchemyError, self._explain_database)
        app.add_exception_handler(Exception, self._explain_fault)

    def _ask_to_sign_in(self, request: Request, error: Exception) -> Response:
        return self._pages.sign_in(request, _address(request) if request.method == "GET" else "/", "", 401)

    def _open_session(self, request: Request, error: Exception) -> Response:
        """Give a client with the token a session before it claims anything, so that its claims stay with it."""
        if "began" in request.query_params:
            return self._pages.message(request, 400, texts_of(request)("needs-cookies"))
        self._site.sessions.enter(request)
        address = _address(request)
        return RedirectResponse(f"{address}{'&' if '?' in address else '?'}began=1", SEE_OTHER)

    def _explain_refusal(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, RefusalError):
            raise error
        return self._pages.message(request, error.status, texts_of(request)(error.key, **error.values))

    def _explain_people(self, request: Request, error: Exception) -> Response:
        session = self._site.sessions.of(request)
        if not isinstance(error, PeopleError) or session is None:
            raise error
        return people.refused(request, self._site, session, error)

    def _explain_status(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        text = words.status_text(texts_of(request), error.status_code, str(error.detail))
        return self._pages.message(request, error.status_code, text)

    def _explain_value(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        first = error.errors()[0]
        text = words.field_text(texts_of(request), first["loc"][1:], first["msg"])
        return self._pages.message(request, 422, text)

    def _explain_database(self, request: Request, error: Exception) -> Response:
        cause = getattr(error, "orig", None) or error
        self._site.report(f"{request.method} {request.url.path}: the database did not answer: {first_line(cause)}")
        page = self._pages.message(request, 503, texts_of(request)("error-busy"))
        page.headers["Retry-After"] = "5"
        return page

    def _explain_fault(self, request: Request, error: Exception) -> Response:
        return self._pages.message(request, 500, texts_of(request)("error-broken"))


def _address(request: Request) -> str:
    """Path and query of a request."""
    return f"{request.url.path}{f'?{request.url.query}' if request.url.query else ''}"
