"""What a review has come to: decisions by class and by correction, and the log as a person's pace is reckoned from."""

from collections.abc import Iterator

from sqlalchemy import Engine, and_, case, func, select

from tagger.review.store import conditions
from tagger.review.store.log import LEAVE_IT_WAITING, UNDONE
from tagger.review.store.records import ClassSummary, Correction, LogRow
from tagger.review.store.tables import READ_ONLY, decisions, queue
from tagger.schemas.tables.decision import Verdict

_ROWS_AT_ONCE = 10_000


class Summary:
    """Sums up one run's review.

    Args:
        engine: From `open_database`, or `open_to_read`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._reader = engine.execution_options(**READ_ONLY)
        self._run_id = run_id
        same_item = and_(queue.c.run_id == decisions.c.run_id, queue.c.position == decisions.c.position)
        self._joined = decisions.join(queue, same_item)
        self._stands = and_(decisions.c.run_id == run_id, decisions.c.seq == queue.c.current)

    def verdicts(self) -> dict[str, int]:
        """Number of decided items by verdict."""
        query = select(decisions.c.verdict, func.count()).select_from(self._joined).where(self._stands)
        with self._reader.begin() as connection:
            rows = connection.execute(query.group_by(decisions.c.verdict))
            return {row[0]: row[1] for row in rows}

    def classes(self) -> list[ClassSummary]:
        """The classes that people gave items, the largest first; where only the category is, the type is None."""
        by = (decisions.c.master, decisions.c.article)
        corrected = func.sum(case((decisions.c.verdict == str(Verdict.CORRECTED), 1), else_=0))
        query = select(*by, func.count().label("items"), corrected).select_from(self._joined)
        of_class = query.where(self._stands, decisions.c.master.is_not(None)).group_by(*by)
        with self._reader.begin() as connection:
            rows = connection.execute(of_class.order_by(func.count().desc(), *by))
            return [ClassSummary(master, article, items, int(among)) for master, article, items, among in rows]

    def corrections(self, count: int, of_class: tuple[str, str] | None = None) -> list[Correction]:
        """What was predicted, and what people said instead, the most frequent first.

        Args:
            count: How many at most.
            of_class: Only of items with this prediction, a master category and an article type.
        """
        by = (queue.c.master, queue.c.article, decisions.c.master, decisions.c.article)
        query = select(*by, func.count().label("items")).select_from(self._joined)
        is_corrected = decisions.c.verdict == str(Verdict.CORRECTED)
        of_corrected = conditions.with_decision(self._run_id, is_corrected)
        corrected = query.where(self._stands, is_corrected, of_corrected).group_by(*by)
        if of_class:
            corrected = corrected.where(queue.c.master == of_class[0], queue.c.article == of_class[1])
        with self._reader.begin() as connection:
            rows = connection.execute(corrected.order_by(func.count().desc(), *by).limit(count))
            return [Correction(*row) for row in rows]

    def log(self, newest: int | None = None) -> Iterator[LogRow]:
        """The entries of people, of which those that were undone or decided anew are marked.

        Args:
            newest: How many, the latest; all by default.
        """
        is_answer = decisions.c.verdict.not_in((UNDONE, *LEAVE_IT_WAITING))
        undone = and_(is_answer, func.coalesce(queue.c.current, 0) != decisions.c.seq).label("undone")
        columns = (decisions.c.decided_by, decisions.c.decided_at, decisions.c.verdict, undone)
        query = select(*columns).select_from(self._joined).where(decisions.c.run_id == self._run_id)
        query = query.order_by(decisions.c.seq.desc()).limit(newest)
        with self._reader.connect().execution_options(yield_per=_ROWS_AT_ONCE) as connection:
            for person, at, verdict, is_undone in connection.execute(query):
                yield LogRow(person, at, verdict, bool(is_undone))
