"""The pages of a review, made from templates."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import Request
from fastapi.templating import Jinja2Templates
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from tagger.decisions.story import Event
from tagger.review.store.leaves import Leaf
from tagger.review.store.records import Conflict, Filter, Order, QueuedItem, Search, State
from tagger.review.store.settings import COLUMNS
from tagger.review.web import words
from tagger.review.web.check import SAMPLE
from tagger.review.web.clusters import clusters_by_look
from tagger.review.web.filters import GridClass, chips_of, class_filter, class_of, in_class, query_of
from tagger.review.web.images import ItemImage
from tagger.review.web.item_view import Review, item_view
from tagger.review.web.look_alikes import LookAlike
from tagger.review.web.pictures import ORIGINAL, THUMBNAIL
from tagger.review.web.plain_words import named_in
from tagger.review.web.sessions import Session, Sessions
from tagger.review.web.story_words import story_lines
from tagger.review.web.texts import LANGUAGES, Texts, best_language, texts_in
from tagger.review.web.witnesses import most_frequent

GRID_ITEMS = 48
FOUND_ITEMS = 60
_CORRECTIONS = 5
_GRID_ORDER: Order = "certain"
"""Whole pages are right where the model is most certain: that is what the grid is for."""
_AUDIT_GRID_ORDER: Order = "uncertain"
"""In an audit, the labels that are least certain have the suggestions that are most."""
LANGUAGE = "language"
"""The cookie's name for the language that a person chose."""
_RECENT = 10
_SCRIPT_TEXTS = (
    "saving", "not-saved", "not-saved-yet", "open-it", "server-silent", "server-refused", "close",
    "loading-next", "no-picture", "mark-first", "not-seen-yet", "search-none", "rare-needs-arrow", "for-copies",
    "for-this-alone",
)  # fmt: skip
"""Keys of the texts that the script needs."""


def texts_of(request: HTTPConnection) -> Texts:
    """The texts in the language that a person chose, or that the browser prefers."""
    chosen = request.session.get(LANGUAGE)
    accepted = request.headers.get("accept-language", "")
    return texts_in(chosen if chosen in LANGUAGES else best_language(accepted))


def wants_json(request: HTTPConnection) -> bool:
    """Whether the page's script sent a request, rather than a form or a link."""
    return request.headers.get("accept") == "application/json"


class Pages:
    """Makes the pages.

    Args:
        review: What is reviewed.
        sessions: Say whether a token is needed.
    """

    def __init__(self, review: Review, sessions: Sessions) -> None:
        self._review = review
        self._store = review.store
        self._columns = review.store.settings.get(COLUMNS) or {}
        self._templates = Jinja2Templates(Path(__file__).parent / "templates")
        self._templates.env.globals.update(
            query=query_of, image=self._image, like=self._look_alike_image, thumbnail=THUMBNAIL, original=ORIGINAL,
            orders=get_args(Order), leaves=review.leaves, is_audit=review.is_audit, needs_token=sessions.needs_token,
            languages=LANGUAGES, script_texts=_SCRIPT_TEXTS, run_id=review.store.run_id, entry_text=words.entry_text,
            problem_text=words.problem_text, answered_text=words.answered_text, named=words.named,
            named_in=partial(named_in, leaves=review.leaves),
            has_check=bool(review.quality and review.quality.has_sample),
            has_offers=review.offers is not None, has_story=review.ledger_entry is not None, is_blind=review.is_blind,
            has_duplicates=review.store.groups.counts().groups > 0,
        )  # fmt: skip

    def _reasons(self, item_filter: Filter) -> dict[str, int]:
        """Waiting items by reason, of those that pass the rest of a filter; reasons without any are left out."""
        counts = self._store.finder.reasons(replace(item_filter, reason=""))
        return {reason: items for reason, items in counts.items() if items or reason == item_filter.reason}

    def message(self, request: Request, status: int, text: str) -> Response:
        """A page with one message; for the script, the message alone."""
        if wants_json(request):
            return JSONResponse({"problem": text}, status)
        context = {"text": text, "status": status, "name": self._review.name, "t": texts_of(request)}
        return self._templates.TemplateResponse(request, "message.html", context, status)

    def sign_in(self, request: Request, back: str, problem: str = "", status: int = 200) -> Response:
        """A page that asks for the token, where there is one, or says how to come in."""
        t = texts_of(request)
        if wants_json(request):
            return JSONResponse({"problem": t("sign-in")}, status)
        context = {"problem": problem, "name": self._review.name, "back": back, "t": t}
        return self._templates.TemplateResponse(request, "sign_in.html", context, status)

    def invitation(self, request: Request, who: str) -> Response:
        """A page with a button that uses an invitation up."""
        context = {"who": who, "name": self._review.name, "t": texts_of(request)}
        return self._templates.TemplateResponse(request, "invitation.html", context)

    def trial(self, request: Request, session: Session, status: int = 200, **context: Any) -> Response:
        """The page on which an image is tried."""
        ready = self._review.trial is not None
        return self.page(request, session, "try.html", status, view="try", ready=ready, **context)

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
        items = self.claimed(session, item_filter)
        if items:
            return self.item(request, session, item_filter, items[0], problem, status, done)
        return self.page(
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
            to_check=self._store.counts.waiting(SAMPLE),
        )

    def item(
        self,
        request: Request,
        session: Session,
        item_filter: Filter,
        item: QueuedItem,
        problem: str = "",
        status: int = 200,
        done: str = "",
        large: ItemImage | None = None,
        conflict: Conflict | None = None,
    ) -> Response:
        """One item.

        Of an item with several images, `large` is shown large, by default the surest one; `conflict` says who else has
        it open.
        """
        t = texts_of(request)
        opened_by = (conflict.who or t("somebody")) if conflict and conflict.kind == "open" else ""
        return self.page(
            request,
            session,
            "item.html",
            status,
            item_filter=item_filter,
            view="queue",
            problem=problem,
            done=done,
            recent=self._store.recent(session.key, _RECENT),
            **item_view(self._review, t, item, large, opened_by),
        )

    def parts(self, request: Request, session: Session, item_filter: Filter, items: list[QueuedItem]) -> list[str]:
        """Items without the page around them, as HTML."""
        t = texts_of(request)
        template = self._templates.get_template("_item.html")
        shared = {"session": session, "item_filter": item_filter, "t": t}
        return [template.render(shared | item_view(self._review, t, item)) for item in items]

    def found(self, request: Request, session: Session, search: Search, page: int) -> Response:
        """A list of items, waiting or decided."""
        finder = self._store.finder
        total = finder.count(search)
        pages = max(1, -(-total // FOUND_ITEMS))
        page = min(page, pages)
        return self.page(
            request,
            session,
            "items.html",
            item_filter=search.item_filter,
            view="items",
            search=search,
            states=get_args(State),
            people=finder.people(),
            items=finder.find(search, FOUND_ITEMS, (page - 1) * FOUND_ITEMS),
            total=total,
            page=page,
            pages=pages,
        )

    def story(
        self, request: Request, session: Session, item_filter: Filter, item: QueuedItem, events: Sequence[Event]
    ) -> Response:
        """What happened to an item."""
        lines = list(story_lines(texts_of(request), events, self._review.is_audit))
        return self.page(request, session, "story.html", item_filter=item_filter, view="items", item=item, lines=lines)

    def progress(self, request: Request, session: Session) -> str:
        """The progress of the review and of one person, as HTML."""
        context = {"progress": self._store.counts.progress(session.who), "t": texts_of(request)}
        return self._templates.get_template("_progress.html").render(context)

    def recent(self, request: Request, session: Session, item_filter: Filter) -> str:
        """What one person answered last, as HTML."""
        recent = self._store.recent(session.key, _RECENT)
        context = {"recent": recent, "item_filter": item_filter, "t": texts_of(request)}
        return self._templates.get_template("_recent.html").render(context)

    def offer(self, request: Request, item_filter: Filter, item: QueuedItem) -> str:
        """A link to waiting items that look like an answered one, as HTML; empty where there are none."""
        found = self._review.offers.of(item) if self._review.offers else None
        context = {"offer": found, "answered": item, "item_filter": item_filter, "t": texts_of(request)}
        return self._templates.get_template("_offer.html").render(context) if found else ""

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
        queue_filter = class_filter(item_filter, None, is_audit)  # the grid's class is no filter of the queue
        if item_filter.order == Filter().order:
            item_filter = replace(item_filter, order=_AUDIT_GRID_ORDER if is_audit else _GRID_ORDER)
        everything = class_filter(item_filter, None, is_audit)
        classes = self._classes(everything)
        class_ = class_of(item_filter)
        matching = [c for c, _ in classes if all(not a or a == b for a, b in zip(class_, c, strict=True))]
        is_chosen = all(class_) if is_audit else item_filter.master and item_filter.article
        if matching and not is_chosen:
            item_filter = in_class(item_filter, matching[0])
        is_class = item_filter.to_article if is_audit else item_filter.article
        items = self.claimed(session, item_filter, GRID_ITEMS, in_grid=True) if is_class else []
        linked = [(*c, n, query_of(in_class(everything, c)), c == class_of(item_filter)) for c, n in classes]
        return self.page(
            request,
            session,
            "grid.html",
            status,
            item_filter=item_filter,
            view="grid",
            problem=problem,
            done=done,
            items=items,
            clusters=clusters_by_look(items, self._review.look_alikes),
            corrections=self._corrections(item_filter, items),
            classes=linked,
            queue_filter=queue_filter,
            is_filtered=bool(query_of(queue_filter)),
        )

    def claimed(self, session: Session, item_filter: Filter, count: int = 1, in_grid: bool = False) -> list[QueuedItem]:
        """The next items, claimed by those who may decide about them."""
        claims = self._store.claims
        if not session.decides:
            return claims.look(session.key, item_filter, count, in_grid)
        return claims.next(session.key, item_filter, count, in_grid, session.who)

    def _corrections(self, item_filter: Filter, items: Sequence[QueuedItem]) -> list[Leaf]:
        """The classes that the items of a grid are most likely to be instead: by people, by titles, then by the model.

        An audit has its own buttons.
        """
        if self._review.is_audit or not items:
            return []
        of_class = item_filter.master, item_filter.article
        said = [(each.master, each.article) for each in self._store.summary.corrections(_CORRECTIONS, of_class)]
        weights: Counter[tuple[str, str]] = Counter()
        for item in items:
            for each in item.alternatives:
                weights[each["masterCategory"], each["articleType"]] += each["confidence"]
        named = Counter(named_in(item.title or "", self._review.leaves) for item in items)
        by_title = [most_frequent(self._review.leaves, article) for article, _ in named.most_common() if article]
        titled = [(leaf.master, leaf.article) for leaf in by_title if leaf]
        likely = dict.fromkeys([*said, *titled, *(pair for pair, _ in weights.most_common())])
        likely.pop(of_class, None)
        leaves = (self._review.leaves.find(*pair) for pair in likely)
        return [leaf for leaf in leaves if leaf and not leaf.is_rare][:_CORRECTIONS]

    def has_class(self, item_filter: Filter) -> bool:
        """Whether items of a filter's class wait in the grid."""
        return any(c == class_of(item_filter) for c, _ in self._classes(item_filter))

    def _classes(self, item_filter: Filter) -> list[tuple[GridClass, int]]:
        """The grid's classes, or an audit's pairs of label and suggestion, with the items that wait in each."""
        if self._review.is_audit:
            return [((m, a, to_m, to_a), n) for m, a, to_m, to_a, n in self._store.counts.pairs(item_filter)]
        return [((m, a, "", ""), n) for m, a, n in self._store.counts.classes(item_filter)]

    def page(self, request: Request, session: Session, template: str, status: int = 200, **context: Any) -> Response:
        """A page from a template, with what all pages show; `view` is the one that the navigation marks."""
        t = texts_of(request)
        shared = {
            "session": session,
            "progress": self._store.counts.progress(session.who),
            "name": self._review.name,
            "item_filter": Filter(),
            "t": t,
        }
        item_filter: Filter = context.get("item_filter", Filter())
        shared |= {
            "queue_filter": item_filter,
            "is_filtered": bool(query_of(item_filter)),
            "chips": chips_of(t, context.get("queue_filter", item_filter)),
            "columns": self._columns,
            "reasons": self._reasons,
        }
        return self._templates.TemplateResponse(request, template, shared | context, status)

    def _look_alike_image(self, look_alike: LookAlike) -> str:
        query = urlencode({"run": self._store.run_id, "id": look_alike.id, "w": THUMBNAIL})
        return f"/look-alikes/{look_alike.number + 1}?{query}"

    def _image(self, position: int, one_of_several: ItemImage | None = None, w: int | None = None) -> str:
        """An image's address; it names the run, so that no browser shows another run's image from its cache."""
        further = f"/{one_of_several.number}" if one_of_several and not one_of_several.is_surest else ""
        query = {"run": self._store.run_id} | ({"w": w} if w else {})
        return f"/images/{position}{further}?{urlencode(query)}"
