"""Refits behind the page: after every 50 answers, in a process of its own, while people go on."""

import threading
from collections.abc import Callable
from types import TracebackType

from tagger.errors import TaggerError
from tagger.review.learning.from_review import request_of
from tagger.review.learning.process import RefitProcess
from tagger.review.learning.refit import Refit, RefitRequest
from tagger.review.store.refits import RefitRecord, RefitTag, UnsureItem
from tagger.review.store.review import ReviewStore
from tagger.similarity.index import VectorIndex

ANSWERS_BETWEEN = 50
DRAWN_SHARE = 0.5
"""Of the questions: drawn at random, which alone shows how precise a refit is. The other half teaches what is hard."""
_LOOK_S = 2.0
_POLL_S = 0.5
_MOST_ITEMS = 20_000
"""Of a longer queue, a refit takes the first of the random order; the others wait until these are decided."""
_MOST_LABELLED = 20_000


class Refitting:
    """Watches a review and refits to its answers; leaving the context ends a refit that is under way.

    Several servers of one review may do so at once: the first to save a refit wins.

    Args:
        store: The review.
        index: Has the vectors of its items, and labelled items.
        target: Precision of what is accepted, 0 to 1.
        report: Takes a line for the terminal.
    """

    def __init__(
        self, store: ReviewStore, index: VectorIndex, target: float, report: Callable[[str], None] = lambda line: None
    ) -> None:
        self.target = target
        self._store = store
        self._index = index
        self._report = report
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="refitting")

    def __enter__(self) -> "Refitting":
        self._store.claims.drawn_share = DRAWN_SHARE
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_S):
            try:
                self.refit_if_due()
            except Exception as error:  # noqa: BLE001 - the page goes on, and the next 50 answers try again
                self._report(f"refit: {type(error).__name__}: {error}")

    def refit_if_due(self) -> RefitRecord | None:
        """Refit if there are 50 answers more than the last time; return what was saved, None if nothing was.

        Raises:
            TaggerError: when the refit failed; that is saved, too.
        """
        last, answers = self._store.refits.last(), self._store.refits.answers()
        if answers < (last.answers if last else 0) + ANSWERS_BETWEEN:
            return None
        number = last.number + 1 if last else 1
        items = self._store.refits.unsure(_MOST_ITEMS)
        request = request_of(items, self._index, self.target, _MOST_LABELLED)
        if request is None:
            return self._saved(RefitRecord(number, answers, 0, 0, 0, "not_in_index"), [])
        try:
            result = self._result(request)
        except TaggerError:
            self._saved(RefitRecord(number, answers, 0, 0, 0, "failed"), [])
            raise
        if result is None:
            return None
        why = str(result.why_none) if result.why_none else None
        tags = _tags(result, items)
        return self._saved(RefitRecord(number, answers, result.drawn, result.answers_needed, len(tags), why), tags)

    def _result(self, request: RefitRequest) -> Refit | None:
        """What the refit finds; None where the page ends meanwhile."""
        with RefitProcess(request) as process:
            while not self._ended.is_set():
                result = process.result(_POLL_S)
                if result is not None:
                    return result
        return None

    def _saved(self, record: RefitRecord, tags: list[RefitTag]) -> RefitRecord | None:
        return record if self._store.refits.save(record, tags) else None


def _tags(result: Refit, items: list[UnsureItem]) -> list[RefitTag]:
    positions = {item.id: item.position for item in items}
    return [
        RefitTag(
            positions[each.id], each.master, each.master_confidence, each.article, each.article_confidence,
            each.for_quality_check,
        )
        for each in result.leaving
    ]  # fmt: skip
