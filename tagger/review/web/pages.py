"""The pages of a review, made from templates."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from tagger.review.store.claims import ReviewStore
from tagger.review.store.leaves import Leaf, Leaves
from tagger.review.store.records import Filter, QueuedItem
from tagger.review.web import words
from tagger.review.web.access import Door, Session, Sessions
from tagger.review.web.answers import suggestion_of
from tagger.review.web.look_alikes import LookAlike, LookAlikes, agreed
from tagger.review.web.pictures import Pictures
from tagger.review.web.trial import Trial
from tagger.schemas.tables.prediction import ReviewReason

GRID_ITEMS = 48
_AHEAD = 3
_COPIES_SHOWN = 6
_ALTERNATIVES = 5
GridClass = tuple[str, str, str, str]
"""masterCategory and articleType, and in an audit those that are suggested instead, else twice nothing."""


@dataclass(frozen=True)
class Review:
    """One run under review: all that the page needs."""

    name: str
    store: ReviewStore
    pictures: Pictures
    leaves: Leaves
    """What may be chosen."""
    trial: Trial | None
    """Predicts one image; None where the run's bundle is not at hand."""
    look_alikes: LookAlikes | None = None
    """Finds items that look like one; None where no index is at hand."""
    is_audit: bool = False
    """Whether labels are reviewed, with what is suggested in their place, rather than a model's tags."""


def query_of(wanted: Filter, **more: object) -> str:
    """A filter as the query of an address, with a leading question mark where there is any."""
    named = asdict(wanted) | {"least": 100 * wanted.least, "most": 100 * wanted.most}
    usual = asdict(Filter()) | {"least": 0.0, "most": 100.0}
    given = {k: f"{v:g}" if isinstance(v, float) else v for k, v in named.items() if v != usual[k]} | more
    return f"?{urlencode(given)}" if given else ""


def class_filter(wanted: Filter, item: QueuedItem | None, is_audit: bool) -> Filter:
    """A filter for the items of one class of the grid; without an item, for those of all classes."""
    if item is None:
        return replace(wanted, master="", article="", to_master="", to_article="")
    if not is_audit:
        return replace(wanted, master=item.master, article=item.article)
    to_master, to_article = item.suggested_master or "", item.suggested_article or ""
    return replace(wanted, master=item.master, article=item.article, to_master=to_master, to_article=to_article)


class Pages:
    """Makes the pages.

    Args:
        review: What is reviewed.
        sessions: Gives browsers their cookies.
        door: Under which addresses they ask.
    """

    def __init__(self, review: Review, sessions: Sessions, door: Door) -> None:
        self._review = review
        self._store = review.store
        self._sessions = sessions
        self._door = door
        self._templates = Jinja2Templates(Path(__file__).parent / "templates")
        self._templates.env.filters.update(percent=words.percent, entry=words.entry_text)
        self._templates.env.globals.update(
            query=query_of, image=self._image, like=self._look_alike_image, reasons=[str(r) for r in ReviewReason],
            leaves=review.leaves, is_audit=review.is_audit, needs_token=sessions.needs_token,
        )  # fmt: skip

    def message(self, request: Request, status: int, text: str) -> Response:
        """A page that says one thing."""
        context = {"text": text, "status": status, "name": self._review.name}
        return self._templates.TemplateResponse(request, "message.html", context, status)

    def sign_in(self, request: Request, back: str, problem: str = "", status: int = 200) -> Response:
        """A page that asks for the token and a name."""
        context = {"problem": problem, "name": self._review.name, "back": back}
        return self._templates.TemplateResponse(request, "sign_in.html", context, status)

    def remembered(self, request: Request, session: Session, response: Response) -> Response:
        """An answer that gives the browser its session, where it has not got it."""
        if self._sessions.of(request) != session:
            self._sessions.remember(session, response, secure=self._door.is_secure(request))
        return response

    def trial(self, request: Request, session: Session, status: int = 200, **context: Any) -> Response:
        """The page on which an image is tried."""
        ready = self._review.trial is not None
        return self._page(request, session, "try.html", status, view="try", ready=ready, **context)

    def next(
        self, request: Request, session: Session, wanted: Filter, problem: str = "", status: int = 200, done: str = ""
    ) -> Response:
        """The next item of the queue, or that there is none."""
        items = self._store.next(session.key, wanted, _AHEAD)
        if items:
            return self.item(request, session, wanted, items, problem, status, done)
        return self._page(
            request, session, "nothing.html", status, wanted=wanted, view="queue", problem=problem, done=done,
            waiting=self._store.waiting(wanted), skipped=self._store.skipped(session.key),
        )  # fmt: skip

    def item(
        self,
        request: Request,
        session: Session,
        wanted: Filter,
        items: Sequence[QueuedItem],
        problem: str = "",
        status: int = 200,
        done: str = "",
    ) -> Response:
        """The first of some items; the images of the others are fetched while that is looked at."""
        item, *upcoming = items
        leaves = self._review.leaves
        copies = self._store.copies(item, _COPIES_SHOWN)
        tag = leaves.find(item.master, item.article)
        suggestion = suggestion_of(item, leaves) if self._review.is_audit else None
        return self._page(
            request, session, "item.html", status, wanted=wanted, view="queue", problem=problem, done=done, item=item,
            alternatives=self._alternatives(item, suggestion or tag), tag=tag, suggestion=suggestion, copies=copies,
            why=words.why(item, copies, self._review.is_audit), history=self._store.history(item.position),
            waiting=self._store.waiting(wanted), upcoming=[i.position for i in upcoming], **self._look_alikes(item),
        )  # fmt: skip

    def _alternatives(self, item: QueuedItem, first: Leaf | None) -> list[tuple[Leaf, float]]:
        """The classes to take by a number, with their confidences; what `a` takes stands first."""
        offered = ((self._review.leaves.find(a["masterCategory"], a["articleType"]), a) for a in item.alternatives)
        found = [(leaf, float(a["confidence"])) for leaf, a in offered if leaf]
        if first is None:
            return found[:_ALTERNATIVES]
        sure = item.suggested_confidence if self._review.is_audit else item.article_confidence
        of_first = dict(found).get(first, 0.0 if sure is None else sure)
        return [(first, of_first), *((leaf, s) for leaf, s in found if leaf != first)][:_ALTERNATIVES]

    def grid(
        self, request: Request, session: Session, wanted: Filter, problem: str = "", status: int = 200, done: str = ""
    ) -> Response:
        """Items of one class; in an audit, of one label with one suggestion."""
        is_audit = self._review.is_audit
        everything = class_filter(wanted, None, is_audit)
        classes = self._classes(everything)
        asked = (wanted.master, wanted.article, wanted.to_master, wanted.to_article)
        fitting = [c for c, _ in classes if all(not a or a == b for a, b in zip(asked, c, strict=True))]
        chosen = all(asked) if is_audit else wanted.master and wanted.article
        if fitting and not chosen:
            wanted = in_class(wanted, fitting[0])
        is_class = wanted.to_article if is_audit else wanted.article
        items = self._store.next(session.key, wanted, GRID_ITEMS, in_grid=True) if is_class else []
        linked = [(*c, n, query_of(in_class(everything, c)), c == asked_of(wanted)) for c, n in classes]
        return self._page(
            request, session, "grid.html", status, wanted=wanted, view="grid", problem=problem, done=done, items=items,
            classes=linked, everything=everything,
        )  # fmt: skip

    def has_class(self, wanted: Filter) -> bool:
        """Whether items of the class that a filter asks for wait in the grid."""
        return any(c == asked_of(wanted) for c, _ in self._classes(wanted))

    def _classes(self, wanted: Filter) -> list[tuple[GridClass, int]]:
        """What the grid shows by: classes, or pairs of label and suggestion, with how many items wait in each."""
        if self._review.is_audit:
            return [((m, a, to_m, to_a), n) for m, a, to_m, to_a, n in self._store.pairs(wanted)]
        return [((m, a, "", ""), n) for m, a, n in self._store.classes(wanted)]

    def _page(self, request: Request, session: Session, template: str, status: int = 200, **context: Any) -> Response:
        progress = self._store.progress(session.who)
        everywhere = {"session": session, "progress": progress, "name": self._review.name, "wanted": Filter()}
        page = self._templates.TemplateResponse(request, template, everywhere | context, status)
        return self.remembered(request, session, page)

    def _look_alikes(self, item: QueuedItem) -> dict[str, object]:
        """The items that look like one, and the leaf that most of them have, where it can be chosen."""
        found = self._review.look_alikes.of(item.id) if self._review.look_alikes else []
        leaf = agreed(found)
        return {"look_alikes": found, "like_these": self._review.leaves.find(*leaf) if leaf else None}

    def _look_alike_image(self, found: LookAlike) -> str:
        return f"/look-alikes/{found.number + 1}?{urlencode({'run': self._store.run_id, 'id': found.id})}"

    def _image(self, position: int) -> str:
        """An image's address; another run's has another, so that no browser shows what it kept of that."""
        return f"/images/{position}?run={self._store.run_id}"


def asked_of(wanted: Filter) -> GridClass:
    """The class that a filter asks for."""
    return wanted.master, wanted.article, wanted.to_master, wanted.to_article


def in_class(wanted: Filter, asked: GridClass) -> Filter:
    """A filter for one class of the grid."""
    master, article, to_master, to_article = asked
    return replace(wanted, master=master, article=article, to_master=to_master, to_article=to_article)
