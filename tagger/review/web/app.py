"""The review page: a queue of single items, a grid by predicted class, and a place to try an image."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Form, HTTPException, Query, Request, UploadFile
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from tagger.errors import ImageError, TaggerError
from tagger.io.location import first_line
from tagger.review.store.claims import ConflictError
from tagger.review.store.log import UNSKIPPED
from tagger.review.store.records import Filter, Order, QueuedItem
from tagger.review.web import words
from tagger.review.web.access import Door, Guard, Session, Sessions, address_of, clean_name, is_forged
from tagger.review.web.answers import ACCEPT, KEEP, SKIP, change_of, change_of_copy, changes_of_grid
from tagger.review.web.pages import GRID_ITEMS, Pages, Review, class_filter, query_of
from tagger.review.web.pictures import BusyError

_NAME_LENGTH = 60
_SEE_OTHER = 303
_PAGES = ("/queue", "/grid", "/try", "/find", "/items/")
DONE, NOTHING, STANDS = "1", "nothing", "stands"
"""Values of the address's `done`: say what the last key press did, or why it did nothing."""


def review_app(
    review: Review, sessions: Sessions, door: Door, upload_bytes: int, say: Callable[[str], None] = lambda line: None
) -> ASGIApp:
    """The page as an ASGI application.

    Args:
        review: What is reviewed.
        sessions: Who may.
        door: Where it may be asked for.
        upload_bytes: Largest image to try.
        say: Takes a line for the terminal about what went wrong.
    """
    app = FastAPI(title="catalog-tagger review", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    _Answers(review, sessions, door, say).register(app)
    unknown = 401 if sessions.needs_token else 200
    return Guard(app, door, lambda request: sessions.of(request) is not None, {"/try": upload_bytes}, _PAGES, unknown)


class _NotAdmittedError(Exception):
    pass


class _NewSessionError(Exception):
    """A browser that may come in, and has no session yet."""


def _filter(
    reason: str = "",
    master: str = "",
    article: str = "",
    to_master: str = "",
    to_article: str = "",
    least: Annotated[float, Query(ge=0, le=100)] = 0.0,
    most: Annotated[float, Query(ge=0, le=100)] = 100.0,
    order: Order = "uncertain",
) -> Filter:
    return Filter(reason, master, article, least / 100, most / 100, order, to_master, to_article)


def _said(say: Annotated[str, Form()], chosen: Annotated[str, Form()] = "") -> str:
    """The button that was pressed; without a script, one that points to a list."""
    return chosen if say == "chosen" else say


def _address(request: Request) -> str:
    """What a request asked for, without the host."""
    return f"{request.url.path}{f'?{request.url.query}' if request.url.query else ''}"


def _see(view: str, wanted: Filter, **more: object) -> Response:
    return RedirectResponse(f"/{view}{query_of(wanted, **more)}", _SEE_OTHER)


Position = Annotated[int, PathParameter(ge=1, lt=2**31)]
Wanted = Annotated[Filter, Depends(_filter)]
Said = Annotated[str, Depends(_said)]
Name = Annotated[str, Form(max_length=_NAME_LENGTH)]


class _Answers:
    """The answers to each address. Every one but the sign-in and the static files needs a session."""

    def __init__(self, review: Review, sessions: Sessions, door: Door, say: Callable[[str], None]) -> None:
        self._review = review
        self._door = door
        self._store = review.store
        self._sessions = sessions
        self._pages = Pages(review, sessions, door)
        self._say = say

    def register(self, app: FastAPI) -> None:
        """Put all addresses in the application."""
        self._register_queue(app)
        self._register_grid(app)
        self._register_images(app)
        self._register_door(app)
        app.add_exception_handler(_NotAdmittedError, self._refuse)
        app.add_exception_handler(_NewSessionError, self._begin)
        app.add_exception_handler(AnyHTTPException, self._explain)
        app.add_exception_handler(RequestValidationError, self._explain_values)
        app.add_exception_handler(SQLAlchemyError, self._explain_database)
        app.add_exception_handler(Exception, self._explain_fault)

    def _register_queue(self, app: FastAPI) -> None:
        session = Annotated[Session, Depends(self._session)]
        posted = Annotated[Session, Depends(self._posted)]

        @app.get("/")
        def start(session: session) -> Response:
            return RedirectResponse("/queue", _SEE_OTHER)

        @app.get("/queue")
        def queue(request: Request, session: session, wanted: Wanted, done: str = "") -> Response:
            return self._pages.next(request, session, wanted, done=self._done(session, done))

        @app.get("/items/{position}")
        def item(request: Request, session: session, wanted: Wanted, position: Position, done: str = "") -> Response:
            found = _known(self._store.take(session.key, position))
            return self._pages.item(request, session, wanted, [found], done=self._done(session, done))

        @app.get("/find")
        def find(session: session, wanted: Wanted, item: Annotated[str, Query(alias="id")]) -> Response:
            position = self._store.position_of(item.strip())
            if position is None:
                raise HTTPException(404, f"No item {item.strip()!r} is in this review.")
            return _see(f"items/{position}", wanted)

        @app.post("/items/{position}/decision")
        def decide(
            request: Request,
            session: posted,
            wanted: Wanted,
            position: Position,
            say: Said,
            expected: Annotated[str, Form()] = "",
            copies: Annotated[bool, Form()] = False,
        ) -> Response:
            before = int(expected) if expected.isdecimal() and len(expected) < 18 else None
            return self._decide(request, session, wanted, position, say, before, copies)

        @app.post("/items/{position}/skip")
        def skip(
            session: posted, wanted: Wanted, position: Position, copies: Annotated[bool, Form()] = False
        ) -> Response:
            item = self._item(position)
            beside = self._store.waiting_copies(item) if copies else []
            self._store.skip(session.key, session.who, [position, *(other.position for other in beside)])
            return _see("queue", wanted)

        @app.post("/skipped")
        def see_skipped(session: posted, wanted: Wanted) -> Response:
            self._store.forget_skips(session.key, session.who)
            return _see("queue", wanted)

        @app.post("/undo")
        def undo(session: posted, wanted: Wanted, view: Annotated[str, Form()] = "queue") -> Response:
            return self._undo(session, wanted, "grid" if view == "grid" else "queue")

    def _register_grid(self, app: FastAPI) -> None:
        session = Annotated[Session, Depends(self._session)]
        posted = Annotated[Session, Depends(self._posted)]

        @app.get("/grid")
        def grid(request: Request, session: session, wanted: Wanted, done: str = "") -> Response:
            return self._pages.grid(request, session, wanted, done=self._done(session, done))

        @app.post("/grid")
        def decide_many(
            request: Request,
            session: posted,
            wanted: Wanted,
            say: Said,
            shown: Annotated[str, Form()],
            wrong: Annotated[list[int] | None, Form()] = None,
        ) -> Response:
            return self._decide_many(request, session, wanted, say, shown, set(wrong or ()))

    def _register_images(self, app: FastAPI) -> None:
        session = Annotated[Session, Depends(self._session)]
        posted = Annotated[Session, Depends(self._posted)]

        @app.get("/images/{position}")
        def image(session: session, position: Position) -> Response:
            return self._picture(self._item(position).image_ref)

        @app.get("/look-alikes/{number}")
        def look_alike(session: session, number: Position) -> Response:
            look_alikes = self._review.look_alikes
            return self._picture(look_alikes.image_ref(number - 1) if look_alikes else None)

        @app.get("/leaves.json")
        def leaves(session: session) -> Response:
            return JSONResponse(self._review.leaves.for_script())

        @app.get("/try")
        def try_one(request: Request, session: session) -> Response:
            return self._pages.trial(request, session)

        @app.post("/try")
        def predict(request: Request, session: posted, image: UploadFile) -> Response:
            return self._predict(request, session, image.file.read())

    def _register_door(self, app: FastAPI) -> None:
        posted = Annotated[Session, Depends(self._posted)]

        @app.get("/sign-in")
        def sign_in(request: Request) -> Response:
            return self._pages.sign_in(request, "/queue")

        @app.post("/sign-in")
        def signed_in(
            request: Request,
            token: Annotated[str, Form()] = "",
            who: Name = "",
            back: Annotated[str, Form()] = "/queue",
        ) -> Response:
            if self._door.is_elsewhere(request):
                raise HTTPException(403, "This form was sent by another page.")
            if not re.fullmatch(r"/[A-Za-z][^\\]*", back):  # an address on this page, and on no other
                back = "/queue"
            wait = self._sessions.wait_s(address_of(request))
            if wait:
                text = f"Too many wrong tokens came from here. Wait {wait:.0f} s, then try again."
                return self._pages.sign_in(request, back, text, 429)
            if not self._sessions.admits(token, address_of(request)):
                return self._pages.sign_in(request, back, "That is not the token.", 403)
            session = self._sessions.new(clean_name(who))
            return self._pages.remembered(request, session, RedirectResponse(back, _SEE_OTHER))

        @app.post("/sign-out")
        def sign_out(request: Request, session: posted) -> Response:
            self._store.end_session(session.key)
            self._sessions.end(session)
            page = self._pages.message(request, 200, "You are signed out.")
            self._sessions.forget(page, self._door.is_secure(request))
            return page

        @app.post("/name")
        def rename(request: Request, session: posted, who: Annotated[str, Form(max_length=_NAME_LENGTH)]) -> Response:
            renamed = self._sessions.renamed(session, clean_name(who) or session.who)
            return self._pages.remembered(request, renamed, RedirectResponse("/queue", _SEE_OTHER))

    async def _session(self, request: Request) -> Session:
        session = self._sessions.of(request)
        if session is None:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ") or None
            raise _NewSessionError if self._sessions.admits(bearer, address_of(request)) else _NotAdmittedError
        return session

    async def _posted(self, request: Request) -> Session:
        """The session of a request that changes something."""
        session = self._sessions.of(request)
        if session is None:
            raise _NotAdmittedError
        form = await request.form()
        if self._door.is_elsewhere(request) or is_forged(session, str(form.get("csrf", ""))):
            raise HTTPException(403, "This form was sent by another page, or is too old. Load the page again.")
        return session

    def _refuse(self, request: Request, error: Exception) -> Response:
        return self._pages.sign_in(request, _address(request) if request.method == "GET" else "/queue", "", 401)

    def _begin(self, request: Request, error: Exception) -> Response:
        """Give the browser a session before it sees anything: what it then takes is its own, and stays so."""
        if "began" in request.query_params:
            return self._pages.message(request, 400, "This page needs cookies: it tells reviewers apart by them.")
        address = _address(request)
        back = RedirectResponse(f"{address}{'&' if '?' in address else '?'}began=1", _SEE_OTHER)
        return self._pages.remembered(request, self._sessions.new(), back)

    def _explain(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, AnyHTTPException):
            raise error
        text = words.status_text(error.status_code, str(error.detail))
        return self._pages.message(request, error.status_code, text)

    def _explain_values(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        first = error.errors()[0]
        return self._pages.message(request, 422, words.field_text(first["loc"][1:], first["msg"]))

    def _explain_database(self, request: Request, error: Exception) -> Response:
        cause = getattr(error, "orig", None) or error
        self._say(f"{request.method} {request.url.path}: the database did not answer: {first_line(cause)}")
        page = self._pages.message(request, 503, words.BUSY)
        page.headers["Retry-After"] = "5"
        return page

    def _explain_fault(self, request: Request, error: Exception) -> Response:
        return self._pages.message(request, 500, words.BROKEN)

    def _done(self, session: Session, done: str) -> str:
        """What is to be said of the last key press."""
        if done == DONE:
            return words.said_text(self._store.last_said(session.key), self._review.is_audit)
        return {NOTHING: words.NOTHING_TO_UNDO, STANDS: words.DECIDED_SINCE}.get(done, "")

    def _check_button(self, say: str) -> None:
        if say == KEEP and not self._review.is_audit:
            raise HTTPException(422, "Only an audit has labels to keep.")

    def _decide(
        self,
        request: Request,
        session: Session,
        wanted: Filter,
        position: int,
        say: str,
        before: int | None,
        copies: bool,
    ) -> Response:
        item = self._item(position)
        self._check_button(say)
        change = change_of(item, say, self._review.leaves, before)
        beside = [change_of_copy(change, other) for other in self._store.waiting_copies(item)] if copies else []
        try:
            decided = self._store.decide(session.key, session.who, [change], beside=beside)
        except ConflictError as error:
            return self._pages.next(request, session, wanted, str(error), 409)
        missed = 1 + len(beside) - len(decided)
        if missed:
            return self._pages.next(request, session, wanted, words.LEFT_ALONE.format(missed), 409)
        return _see("queue", wanted)

    def _decide_many(
        self, request: Request, session: Session, wanted: Filter, say: str, shown: str, marked: set[int]
    ) -> Response:
        positions = [int(p) for p in shown.split(",") if p.isdecimal() and len(p) < 10][:GRID_ITEMS]
        if say == SKIP:
            self._store.skip(session.key, session.who, positions)
            return _see("grid", wanted, done=DONE)
        self._check_button(say)
        if say != ACCEPT and not marked:
            raise HTTPException(422, "Mark the items first.")
        items = self._store.items(positions)
        changes = changes_of_grid(items, say, marked, self._review.leaves, self._review.is_audit)
        refused = [p for p in positions if p in marked] if say == ACCEPT else []
        decided = self._store.decide(session.key, session.who, [], refused, beside=changes)
        missed = len(changes) - len(decided)
        if missed:
            return self._pages.grid(request, session, wanted, words.LEFT_ALONE.format(missed), 409)
        if not self._pages.has_class(wanted):  # it is through: the next one
            wanted = class_filter(wanted, None, self._review.is_audit)
        return _see("grid", wanted, done=DONE)

    def _undo(self, session: Session, wanted: Filter, view: str) -> Response:
        """Take back the last key press, and go to where that was."""
        back = self._store.undo(session.key, session.who)
        if back is None:
            return _see(view, wanted, done=NOTHING)
        if not back:
            said = self._store.last_said(session.key)
            return _see(view, wanted, done=DONE if said and said[0].verdict == UNSKIPPED else STANDS)
        if view == "queue":
            return _see(f"items/{back[0]}", wanted, done=DONE)
        item = next(iter(self._store.items(back[:1])), None)
        return _see("grid", class_filter(wanted, item, self._review.is_audit), done=DONE)

    def _picture(self, ref: str | None) -> Response:
        try:
            picture = self._review.pictures.of(ref)
        except ImageError as error:
            raise HTTPException(404, f"No image: {error.message}") from error
        except BusyError as error:
            raise HTTPException(503, str(error), {"Retry-After": "5"}) from error
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(picture.data, media_type=picture.media_type, headers=headers)

    def _predict(self, request: Request, session: Session, data: bytes) -> Response:
        if self._review.trial is None:
            raise HTTPException(404, "The run's bundle is not at hand.")
        try:
            found = self._review.trial.of(data)
        except ImageError as error:
            return self._pages.trial(request, session, 422, problem=f"This image cannot be used: {error.message}")
        except BusyError as error:
            return self._pages.trial(request, session, 503, problem=str(error))
        except TaggerError as error:
            return self._pages.trial(request, session, 500, problem=str(error))
        return self._pages.trial(request, session, found=found)

    def _item(self, position: int) -> QueuedItem:
        return _known(next(iter(self._store.items([position])), None))


def _known(item: QueuedItem | None) -> QueuedItem:
    if item is None:
        raise HTTPException(404, "There is no such item in this review.")
    return item
