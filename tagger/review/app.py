"""The review page: a queue of single items, a grid by predicted class, and a place to try an image."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Form, HTTPException, Query, Request, UploadFile
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from schemas.decision import Verdict
from schemas.prediction import ReviewReason
from tagger.errors import ImageError, TaggerError
from tagger.review.access import Door, Guard, Session, Sessions, is_forged
from tagger.review.look_alikes import LookAlike, LookAlikes, agreed
from tagger.review.pictures import Pictures
from tagger.review.records import Change, Copies, Filter, Order, QueuedItem
from tagger.review.store import ConflictError, ReviewStore
from tagger.review.trial import Trial

_HERE = Path(__file__).parent
_GRID_ITEMS = 48
_AHEAD = 3
_COPIES_SHOWN = 6
_NAME_LENGTH = 60
_LEFT_ALONE = "{} of them had been decided or opened by somebody else, and were left alone."
_SEE_OTHER = 303


@dataclass(frozen=True)
class Review:
    """One run under review: all that the page needs."""

    name: str
    store: ReviewStore
    pictures: Pictures
    leaves: Sequence[tuple[str, str]]
    """(masterCategory, articleType) pairs to choose from."""
    trial: Trial | None
    """Predicts one image; None where the run's bundle is not at hand."""
    look_alikes: LookAlikes | None = None
    """Finds items that look like one; None where no index is at hand."""

    @cached_property
    def leaf_numbers(self) -> dict[tuple[str, str], int]:
        """Position of each pair among the leaves."""
        return {pair: i for i, pair in enumerate(self.leaves)}


def review_app(review: Review, sessions: Sessions, door: Door, upload_bytes: int) -> ASGIApp:
    """The page as an ASGI application.

    Args:
        review: What is reviewed.
        sessions: Who may.
        door: Where it may be asked for.
        upload_bytes: Largest image to try.
    """
    app = FastAPI(title="catalog-tagger review", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    _Pages(review, sessions, door).register(app)
    return Guard(app, door, lambda request: sessions.of(request) is not None, {"/try": upload_bytes})


class _NotAdmittedError(Exception):
    pass


class _NewSessionError(Exception):
    """A browser that may come in, and has no session yet."""


def _filter(
    reason: str = "",
    master: str = "",
    article: str = "",
    least: Annotated[float, Query(ge=0, le=100)] = 0.0,
    most: Annotated[float, Query(ge=0, le=100)] = 100.0,
    order: Order = "uncertain",
) -> Filter:
    return Filter(reason, master, article, least / 100, most / 100, order)


def _said(say: Annotated[str, Form()], chosen: Annotated[str, Form()] = "") -> str:
    """The button that was pressed; without a script, one that points to a list."""
    return chosen if say == "chosen" else say


def _address(request: Request) -> str:
    """What a request asked for, without the host."""
    return f"{request.url.path}{f'?{request.url.query}' if request.url.query else ''}"


Position = Annotated[int, PathParameter(ge=1, lt=2**31)]
Wanted = Annotated[Filter, Depends(_filter)]
Said = Annotated[str, Depends(_said)]


def _query(wanted: Filter, **more: object) -> str:
    """A filter as the query of an address, with a leading question mark where there is any."""
    named = asdict(wanted) | {"least": 100 * wanted.least, "most": 100 * wanted.most}
    usual = asdict(Filter()) | {"least": 0.0, "most": 100.0}
    given = {k: f"{v:g}" if isinstance(v, float) else v for k, v in named.items() if v != usual[k]} | more
    return f"?{urlencode(given)}" if given else ""


class _Pages:
    """The answers to each address. Every one but the sign-in and the static files needs a session."""

    def __init__(self, review: Review, sessions: Sessions, door: Door) -> None:
        self._review = review
        self._door = door
        self._store = review.store
        self._sessions = sessions
        self._templates = Jinja2Templates(_HERE / "templates")
        self._templates.env.filters["percent"] = _percent
        self._templates.env.globals.update(
            query=_query, image=self._image, like=self._look_alike_image, reasons=[str(r) for r in ReviewReason]
        )

    def register(self, app: FastAPI) -> None:
        """Put all addresses in the application."""
        session = Annotated[Session, Depends(self._session)]
        posted = Annotated[Session, Depends(self._posted)]

        @app.get("/")
        def start(session: session) -> Response:
            return RedirectResponse("/queue", _SEE_OTHER)

        @app.get("/queue")
        def queue(request: Request, session: session, wanted: Wanted) -> Response:
            return self._next_page(request, session, wanted)

        @app.get("/items/{position}")
        def item(request: Request, session: session, wanted: Wanted, position: Position) -> Response:
            return self._item_page(request, session, wanted, [self._found(self._store.take(session.key, position))])

        @app.get("/find")
        def find(session: session, wanted: Wanted, item: Annotated[str, Query(alias="id")]) -> Response:
            position = self._store.position_of(item.strip())
            if position is None:
                raise HTTPException(404, f"No item {item.strip()!r} is in this review.")
            return RedirectResponse(f"/items/{position}{_query(wanted)}", _SEE_OTHER)

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
            item = self._found(next(iter(self._store.items([position])), None))
            change = self._change(item, say, int(expected) if expected.isdecimal() and len(expected) < 18 else None)
            beside = [_as(change, other) for other in self._store.waiting_copies(item)] if copies else []
            try:
                done = self._store.decide(session.key, session.who, [change], beside=beside)
            except ConflictError as error:
                return self._next_page(request, session, wanted, str(error), 409)
            missed = 1 + len(beside) - len(done)
            if missed:
                return self._next_page(request, session, wanted, _LEFT_ALONE.format(missed), 409)
            return RedirectResponse(f"/queue{_query(wanted)}", _SEE_OTHER)

        @app.post("/items/{position}/skip")
        def skip(
            session: posted, wanted: Wanted, position: Position, copies: Annotated[bool, Form()] = False
        ) -> Response:
            item = self._found(next(iter(self._store.items([position])), None))
            beside = self._store.waiting_copies(item) if copies else []
            self._store.skip(session.key, [position, *(other.position for other in beside)])
            return RedirectResponse(f"/queue{_query(wanted)}", _SEE_OTHER)

        @app.post("/skipped")
        def see_skipped(session: posted, wanted: Wanted) -> Response:
            self._store.forget_skips(session.key)
            return RedirectResponse(f"/queue{_query(wanted)}", _SEE_OTHER)

        @app.post("/undo")
        def undo(session: posted, wanted: Wanted, view: Annotated[str, Form()] = "queue") -> Response:
            back = self._store.undo(session.key, session.who)
            if back and view == "queue":
                return RedirectResponse(f"/items/{back[0]}{_query(wanted)}", _SEE_OTHER)
            return RedirectResponse(f"/{'grid' if view == 'grid' else 'queue'}{_query(wanted)}", _SEE_OTHER)

        @app.get("/grid")
        def grid(request: Request, session: session, wanted: Wanted) -> Response:
            return self._grid_page(request, session, wanted)

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

        @app.get("/images/{position}")
        def image(session: session, position: Position) -> Response:
            item = self._found(next(iter(self._store.items([position])), None))
            return self._picture(item.image_ref)

        @app.get("/look-alikes/{number}")
        def look_alike(session: session, number: Position) -> Response:
            look_alikes = self._review.look_alikes
            return self._picture(look_alikes.image_ref(number - 1) if look_alikes else None)

        @app.get("/leaves.json")
        def leaves(session: session) -> Response:
            return JSONResponse(self._review.leaves)

        @app.get("/try")
        def try_one(request: Request, session: session) -> Response:
            return self._page(request, session, "try.html", view="try", ready=self._review.trial is not None)

        @app.post("/try")
        def predict(request: Request, session: posted, image: UploadFile) -> Response:
            return self._predict(request, session, image.file.read())

        @app.get("/sign-in")
        def sign_in(request: Request) -> Response:
            return self._sign_in(request, "/queue")

        @app.post("/sign-in")
        def signed_in(
            request: Request,
            token: Annotated[str, Form()] = "",
            who: Annotated[str, Form(max_length=_NAME_LENGTH)] = "",
            back: Annotated[str, Form()] = "/queue",
        ) -> Response:
            if self._door.is_elsewhere(request):
                raise HTTPException(403, "This form was sent by another page.")
            if not re.fullmatch(r"/[A-Za-z][^\\]*", back):  # an address on this page, and on no other
                back = "/queue"
            if not self._sessions.admits(token):
                return self._sign_in(request, back, "That is not the token.", 403)
            return self._remembered(request, self._sessions.new(who.strip()), RedirectResponse(back, _SEE_OTHER))

        @app.post("/name")
        def rename(
            request: Request, session: posted, who: Annotated[str, Form(min_length=1, max_length=_NAME_LENGTH)]
        ) -> Response:
            renamed = self._sessions.renamed(session, who.strip() or session.who)
            return self._remembered(request, renamed, RedirectResponse("/queue", _SEE_OTHER))

        app.add_exception_handler(_NotAdmittedError, self._refuse)
        app.add_exception_handler(_NewSessionError, self._begin)
        app.add_exception_handler(AnyHTTPException, self._explain)
        app.add_exception_handler(RequestValidationError, self._explain_values)

    async def _session(self, request: Request) -> Session:
        session = self._sessions.of(request)
        if session is None:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ") or None
            raise _NewSessionError if self._sessions.admits(bearer) else _NotAdmittedError
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
        return self._sign_in(request, _address(request) if request.method == "GET" else "/queue", "", 401)

    def _begin(self, request: Request, error: Exception) -> Response:
        """Give the browser a session before it sees anything: what it then takes is its own, and stays so."""
        if "began" in request.query_params:
            return self._message(request, 400, "This page needs cookies: it tells reviewers apart by them.")
        address = _address(request)
        back = RedirectResponse(f"{address}{'&' if '?' in address else '?'}began=1", _SEE_OTHER)
        return self._remembered(request, self._sessions.new(), back)

    def _explain(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, AnyHTTPException)
        return self._message(request, error.status_code, str(error.detail))

    def _explain_values(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = error.errors()[0]
        return self._message(request, 422, f"{'.'.join(str(part) for part in found['loc'][1:])}: {found['msg']}")

    def _message(self, request: Request, status: int, text: str) -> Response:
        context = {"text": text, "status": status, "name": self._review.name}
        return self._templates.TemplateResponse(request, "message.html", context, status)

    def _sign_in(self, request: Request, back: str, problem: str = "", status: int = 200) -> Response:
        context = {"problem": problem, "name": self._review.name, "back": back}
        return self._templates.TemplateResponse(request, "sign_in.html", context, status)

    def _page(self, request: Request, session: Session, template: str, status: int = 200, **context: Any) -> Response:
        progress = self._store.progress(session.who)
        everywhere = {"session": session, "progress": progress, "name": self._review.name, "wanted": Filter()}
        page = self._templates.TemplateResponse(request, template, everywhere | context, status)
        return self._remembered(request, session, page)

    def _remembered(self, request: Request, session: Session, response: Response) -> Response:
        if self._sessions.of(request) != session:
            self._sessions.remember(session, response, secure=self._door.origin(request).startswith("https"))
        return response

    def _next_page(
        self, request: Request, session: Session, wanted: Filter, problem: str = "", status: int = 200
    ) -> Response:
        found = self._store.next(session.key, wanted, _AHEAD)
        if found:
            return self._item_page(request, session, wanted, found, problem, status)
        return self._page(
            request, session, "nothing.html", status, wanted=wanted, view="queue", problem=problem,
            waiting=self._store.waiting(wanted), skipped=self._store.skipped(session.key),
            leaves=self._review.leaves, masters=self._masters,
        )  # fmt: skip

    def _item_page(
        self,
        request: Request,
        session: Session,
        wanted: Filter,
        items: Sequence[QueuedItem],
        problem: str = "",
        status: int = 200,
    ) -> Response:
        """The first of some items; the images of the others are fetched while that is looked at."""
        item, *upcoming = items
        numbers = self._review.leaf_numbers
        copies = self._store.copies(item, _COPIES_SHOWN)
        alternatives = [
            (numbers[pair], *pair, a["confidence"])
            for a in item.alternatives
            if (pair := (a["masterCategory"], a["articleType"])) in numbers
        ]
        return self._page(
            request, session, "item.html", status, wanted=wanted, view="queue", problem=problem, item=item,
            alternatives=alternatives, why=self._why(item, copies), history=self._store.history(item.position),
            predicted=numbers.get((item.master, item.article)), waiting=self._store.waiting(wanted),
            leaves=self._review.leaves, masters=self._masters, upcoming=[i.position for i in upcoming],
            copies=copies, **self._look_alikes(item),
        )  # fmt: skip

    def _grid_page(
        self, request: Request, session: Session, wanted: Filter, problem: str = "", status: int = 200
    ) -> Response:
        everything = replace(wanted, master="", article="")
        classes = self._store.classes(everything)
        here = [c for c in classes if wanted.master in ("", c[0]) and wanted.article in ("", c[1])]
        if here and not (wanted.master and wanted.article):
            wanted = replace(wanted, master=here[0][0], article=here[0][1])
        found = self._store.next(session.key, wanted, _GRID_ITEMS, in_grid=True) if wanted.article else []
        return self._page(
            request, session, "grid.html", status, wanted=wanted, view="grid", problem=problem, items=found,
            classes=[(m, a, n, _query(replace(wanted, master=m, article=a))) for m, a, n in classes],
            everything=everything, leaves=self._review.leaves, masters=self._masters,
        )  # fmt: skip

    def _decide_many(
        self, request: Request, session: Session, wanted: Filter, say: str, shown: str, wrong: set[int]
    ) -> Response:
        positions = [int(p) for p in shown.split(",") if p.isdecimal() and len(p) < 10][:_GRID_ITEMS]
        items = self._store.items(positions)
        if say == "accept":
            changes = [
                Change(i.position, Verdict.ACCEPTED, i.master, i.article) for i in items if i.position not in wrong
            ]
            refused = [p for p in positions if p in wrong]
        elif say == "skip":
            self._store.skip(session.key, positions)
            changes, refused = [], []
        else:
            changes = [self._change(i, say, None) for i in items if i.position in wrong]
            refused = []
        done = self._store.decide(session.key, session.who, [], refused, beside=changes)
        missed = len(changes) - len(done)
        if missed:
            return self._grid_page(request, session, wanted, _LEFT_ALONE.format(missed), 409)
        if not any((m, a) == (wanted.master, wanted.article) for m, a, _ in self._store.classes(wanted)):
            wanted = replace(wanted, master="", article="")  # the class is through: the next one
        return RedirectResponse(f"/grid{_query(wanted)}", _SEE_OTHER)

    def _look_alike_image(self, found: LookAlike) -> str:
        return f"/look-alikes/{found.number + 1}?{urlencode({'run': self._store.run_id, 'id': found.id})}"

    def _picture(self, ref: str | None) -> Response:
        try:
            picture = self._review.pictures.of(ref)
        except ImageError as error:
            raise HTTPException(404, f"No image: {error.message}") from error
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(picture.data, media_type=picture.media_type, headers=headers)

    def _look_alikes(self, item: QueuedItem) -> dict[str, object]:
        """The items that look like one, and the leaf that most of them have, where it can be chosen."""
        found = self._review.look_alikes.of(item.id) if self._review.look_alikes else []
        leaf = agreed(found)
        number = self._review.leaf_numbers.get(leaf) if leaf else None
        return {"look_alikes": found, "like_these": None if number is None else (number, *(leaf or ()))}

    def _image(self, position: int) -> str:
        """An image's address; another run's has another, so that no browser shows what it kept of that."""
        return f"/images/{position}?run={self._store.run_id}"

    def _predict(self, request: Request, session: Session, data: bytes) -> Response:
        if self._review.trial is None:
            raise HTTPException(404, "The run's bundle is not at hand.")
        try:
            found = self._review.trial.of(data)
        except ImageError as error:
            return self._page(request, session, "try.html", 422, view="try", ready=True, problem=error.message)
        except TaggerError as error:
            return self._page(request, session, "try.html", 500, view="try", ready=True, problem=str(error))
        return self._page(request, session, "try.html", view="try", ready=True, found=found)

    def _change(self, item: QueuedItem, say: str, expected: int | None) -> Change:
        """What a button says of an item. Raises HTTPException."""
        if say == "master":
            return Change(item.position, Verdict.MASTER_ONLY, item.master, None, expected)
        if say == "unusable":
            return Change(item.position, Verdict.UNUSABLE, None, None, expected)
        kind, _, number = say.partition(":")
        known = kind == "leaf" and number.isdecimal() and len(number) < 8 and int(number) < len(self._review.leaves)
        if not known:
            raise HTTPException(422, f"{say!r} says nothing that this page knows.")
        master, article = self._review.leaves[int(number)]
        same = (master, article) == (item.master, item.article)
        return Change(item.position, Verdict.ACCEPTED if same else Verdict.CORRECTED, master, article, expected)

    def _why(self, item: QueuedItem, copies: Copies) -> Iterator[str]:
        if copies.in_conflict and ReviewReason.DUPLICATE_CONFLICT not in item.reasons:
            yield "items with this picture do not agree"
        for reason in item.reasons:
            match reason:
                case ReviewReason.LOW_CONFIDENCE:
                    yield f"not sure enough: {_percent(item.article_confidence)}"
                case ReviewReason.BLURRY_IMAGE:
                    yield "the image is blurry"
                case ReviewReason.TAXONOMY_CONFLICT:
                    yield _conflict(item)
                case ReviewReason.QA_SAMPLE:
                    yield "a random sample of what is accepted"
                case ReviewReason.LABEL_ERROR:
                    yield f"the label is likely wrong: {_percent(item.article_confidence)} sure of it"
                case ReviewReason.IMAGE_DISAGREES:
                    yield "the image speaks against it"
                case ReviewReason.TITLE_DISAGREES:
                    yield "the title speaks against it"
                case ReviewReason.DUPLICATE_CONFLICT:
                    yield "another item with this picture has another label"
                case ReviewReason.OUTLIER:
                    yield "no other image is like this one"
                case _:
                    yield reason
        if item.refused:
            yield "marked as wrong in the grid"

    @cached_property
    def _masters(self) -> list[str]:
        return sorted({master for master, _ in self._review.leaves})

    @staticmethod
    def _found(item: QueuedItem | None) -> QueuedItem:
        if item is None:
            raise HTTPException(404, "There is no such item in this review.")
        return item


def _as(change: Change, other: QueuedItem) -> Change:
    """What was said of an item, of another that waits with the same picture."""
    verdict = change.verdict
    if verdict in (Verdict.ACCEPTED, Verdict.CORRECTED):
        same = (change.master, change.article) == (other.master, other.article)
        verdict = Verdict.ACCEPTED if same else Verdict.CORRECTED
    return replace(change, position=other.position, verdict=verdict, expected=None)


def _conflict(item: QueuedItem) -> str:
    if item.known_master == item.master:  # of an audit, whose predictions are the catalogue's labels
        return f"most items that are {item.article} are not {item.master}"
    return f"the catalogue says {item.known_master}, the model {item.master}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.9995 else "100 %"
