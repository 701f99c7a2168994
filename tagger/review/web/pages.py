"""The pages of a review, made from templates."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
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
from tagger.review.web.answers import suggestion_of
from tagger.review.web.attributes import Attributes, choices_of
from tagger.review.web.images import ItemImage, images_of
from tagger.review.web.look_alikes import LookAlike, LookAlikes, agreed
from tagger.review.web.pictures import Pictures
from tagger.review.web.sessions import Session, Sessions
from tagger.review.web.trial import Trial
from tagger.schemas.tables.prediction import ReviewReason

GRID_ITEMS = 48
_PREFETCHED = 3
_COPIES_SHOWN = 6
_ALTERNATIVES = 5
GridClass = tuple[str, str, str, str]
"""masterCategory and articleType, and in an audit the suggested two; otherwise these are empty."""


@dataclass(frozen=True)
class Review:
    """One run under review, with all that the page needs."""

    name: str
    store: ReviewStore
    pictures: Pictures
    leaves: Leaves
    """What may be chosen."""
    trial: Trial | None
    """Predicts one image; None where the run's bundle is not at hand."""
    look_alikes: LookAlikes | None = None
    """Finds items that look like one; None without an index."""
    is_audit: bool = False
    """Whether labels are reviewed with suggestions for them, rather than a model's tags."""
    attributes: Attributes = field(default_factory=dict)
    """The run's further tags with all their values; an audit has none."""


def query_of(item_filter: Filter, **more: object) -> str:
    """A filter as a URL's query with its question mark; empty where nothing differs from the defaults."""
    named = asdict(item_filter) | {"least": 100 * item_filter.least, "most": 100 * item_filter.most}
    default = asdict(Filter()) | {"least": 0.0, "most": 100.0}
    parameters = {k: f"{v:g}" if isinstance(v, float) else v for k, v in named.items() if v != default[k]} | more
    return f"?{urlencode(parameters)}" if parameters else ""


def class_filter(item_filter: Filter, item: QueuedItem | None, is_audit: bool) -> Filter:
    """A filter for the items of one class of the grid; without an item, for those of all classes."""
    if item is None:
        return replace(item_filter, master="", article="", to_master="", to_article="")
    if not is_audit:
        return replace(item_filter, master=item.master, article=item.article)
    to_master, to_article = item.suggested_master or "", item.suggested_article or ""
    return replace(item_filter, master=item.master, article=item.article, to_master=to_master, to_article=to_article)


class Pages:
    """Makes the pages.

    Args:
        review: What is reviewed.
        sessions: Say whether a token is needed.
    """

    def __init__(self, review: Review, sessions: Sessions) -> None:
        self._review = review
        self._store = review.store
        self._templates = Jinja2Templates(Path(__file__).parent / "templates")
        self._templates.env.filters.update(percent=words.percent, entry=words.entry_text)
        self._templates.env.globals.update(
            query=query_of, image=self._image, like=self._look_alike_image, reasons=[str(r) for r in ReviewReason],
            leaves=review.leaves, is_audit=review.is_audit, needs_token=sessions.needs_token,
        )  # fmt: skip

    def message(self, request: Request, status: int, text: str) -> Response:
        """A page with one message."""
        context = {"text": text, "status": status, "name": self._review.name}
        return self._templates.TemplateResponse(request, "message.html", context, status)

    def sign_in(self, request: Request, back: str, problem: str = "", status: int = 200) -> Response:
        """A page that asks for the token and a name."""
        context = {"problem": problem, "name": self._review.name, "back": back}
        return self._templates.TemplateResponse(request, "sign_in.html", context, status)

    def trial(self, request: Request, session: Session, status: int = 200, **context: Any) -> Response:
        """The page on which an image is tried."""
        ready = self._review.trial is not None
        return self._page(request, session, "try.html", status, view="try", ready=ready, **context)

    def next(
        self,
        request: Request,
        session: Session,
        item_filter: Filter,
        problem: str = "",
        status: int = 200,
        done: str = "",
    ) -> Response:
        """The next item of the queue, or that there is none."""
        items = self._store.next(session.key, item_filter, _PREFETCHED)
        if items:
            return self.item(request, session, item_filter, items, problem, status, done)
        return self._page(
            request,
            session,
            "nothing.html",
            status,
            item_filter=item_filter,
            view="queue",
            problem=problem,
            done=done,
            waiting=self._store.counts.waiting(item_filter),
            skipped=self._store.counts.skipped(session.key),
        )

    def item(
        self,
        request: Request,
        session: Session,
        item_filter: Filter,
        items: Sequence[QueuedItem],
        problem: str = "",
        status: int = 200,
        done: str = "",
        large: ItemImage | None = None,
    ) -> Response:
        """The first of some items; the browser prefetches the images of the others.

        Of an item with several images, `large` is shown large, by default the surest one.
        """
        item, *upcoming = items
        images = images_of(item)
        leaves = self._review.leaves
        copies = self._store.copies(item, _COPIES_SHOWN)
        tag = leaves.find(item.master, item.article)
        suggestion = suggestion_of(item, leaves) if self._review.is_audit else None
        history = self._store.history(item.position)
        standing = next((entry.attributes for entry in history if entry.seq == item.current), None)
        return self._page(
            request,
            session,
            "item.html",
            status,
            item_filter=item_filter,
            view="queue",
            problem=problem,
            done=done,
            item=item,
            images=images,
            large=large or next(iter(images), None),
            alternatives=self._alternatives(item, suggestion or tag),
            tag=tag,
            suggestion=suggestion,
            copies=copies,
            why=words.why(item, copies, self._review.is_audit),
            history=history,
            attributes=list(choices_of(item, self._review.attributes, standing)),
            waiting=self._store.counts.waiting(item_filter),
            upcoming=[i.position for i in upcoming],
            **self._look_alikes(item),
        )

    def _alternatives(self, item: QueuedItem, first: Leaf | None) -> list[tuple[Leaf, float]]:
        """The classes to choose by a number key, with their confidences; the key `a` takes the first one."""
        offered = ((self._review.leaves.find(a["masterCategory"], a["articleType"]), a) for a in item.alternatives)
        choices = [(leaf, float(a["confidence"])) for leaf, a in offered if leaf]
        if first is None:
            return choices[:_ALTERNATIVES]
        confidence = item.suggested_confidence if self._review.is_audit else item.article_confidence
        of_first = dict(choices).get(first, 0.0 if confidence is None else confidence)
        return [(first, of_first), *((leaf, c) for leaf, c in choices if leaf != first)][:_ALTERNATIVES]

    def grid(
        self,
        request: Request,
        session: Session,
        item_filter: Filter,
        problem: str = "",
        status: int = 200,
        done: str = "",
    ) -> Response:
        """Items of one class; in an audit, of one label with one suggestion."""
        is_audit = self._review.is_audit
        everything = class_filter(item_filter, None, is_audit)
        classes = self._classes(everything)
        class_ = class_of(item_filter)
        matching = [c for c, _ in classes if all(not a or a == b for a, b in zip(class_, c, strict=True))]
        is_chosen = all(class_) if is_audit else item_filter.master and item_filter.article
        if matching and not is_chosen:
            item_filter = in_class(item_filter, matching[0])
        is_class = item_filter.to_article if is_audit else item_filter.article
        items = self._store.next(session.key, item_filter, GRID_ITEMS, in_grid=True) if is_class else []
        linked = [(*c, n, query_of(in_class(everything, c)), c == class_of(item_filter)) for c, n in classes]
        return self._page(
            request,
            session,
            "grid.html",
            status,
            item_filter=item_filter,
            view="grid",
            problem=problem,
            done=done,
            items=items,
            classes=linked,
            everything=everything,
        )

    def has_class(self, item_filter: Filter) -> bool:
        """Whether items of a filter's class wait in the grid."""
        return any(c == class_of(item_filter) for c, _ in self._classes(item_filter))

    def _classes(self, item_filter: Filter) -> list[tuple[GridClass, int]]:
        """The grid's classes, or an audit's pairs of label and suggestion, with the items that wait in each."""
        if self._review.is_audit:
            return [((m, a, to_m, to_a), n) for m, a, to_m, to_a, n in self._store.counts.pairs(item_filter)]
        return [((m, a, "", ""), n) for m, a, n in self._store.counts.classes(item_filter)]

    def _page(self, request: Request, session: Session, template: str, status: int = 200, **context: Any) -> Response:
        progress = self._store.counts.progress(session.who)
        shared = {"session": session, "progress": progress, "name": self._review.name, "item_filter": Filter()}
        return self._templates.TemplateResponse(request, template, shared | context, status)

    def _look_alikes(self, item: QueuedItem) -> dict[str, object]:
        """The items that look like one, and the leaf that most of them have, where it can be chosen."""
        look_alikes = self._review.look_alikes.of(item.id) if self._review.look_alikes else []
        leaf = agreed(look_alikes)
        return {"look_alikes": look_alikes, "like_these": self._review.leaves.find(*leaf) if leaf else None}

    def _look_alike_image(self, look_alike: LookAlike) -> str:
        query = urlencode({"run": self._store.run_id, "id": look_alike.id})
        return f"/look-alikes/{look_alike.number + 1}?{query}"

    def _image(self, position: int, one_of_several: ItemImage | None = None) -> str:
        """An image's address; it names the run, so that no browser shows another run's image from its cache."""
        further = f"/{one_of_several.number}" if one_of_several and not one_of_several.is_surest else ""
        return f"/images/{position}{further}?run={self._store.run_id}"


def class_of(item_filter: Filter) -> GridClass:
    """The class that a filter names; empty parts match all."""
    return item_filter.master, item_filter.article, item_filter.to_master, item_filter.to_article


def in_class(item_filter: Filter, grid_class: GridClass) -> Filter:
    """A filter for one class of the grid."""
    master, article, to_master, to_article = grid_class
    return replace(item_filter, master=master, article=article, to_master=to_master, to_article=to_article)
