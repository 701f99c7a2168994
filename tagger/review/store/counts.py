"""How many items of a review are decided, wait, or were skipped, in all and by class."""

from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, select

from tagger.review.store import conditions
from tagger.review.store.log import FLAGGED, PROPOSED, SKIPPED, UNDONE, UNSKIPPED, now
from tagger.review.store.records import Filter, Progress
from tagger.review.store.tables import READ_ONLY, decisions, queue, refit_tags, skips

_RATE_WINDOW_S, _SHORTEST_S = 600, 20


class Counts:
    """Counts of one run's review.

    Args:
        engine: From `open_database`, or `open_to_read`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._reader = engine.execution_options(**READ_ONLY)
        self._run_id = run_id

    def progress(self, who: str) -> Progress:
        """Items and decisions so far, and a person's speed."""
        since = now() - timedelta(seconds=_RATE_WINDOW_S)
        with self._reader.begin() as connection:
            items = self._count(connection)
            decided = self._count(connection, queue.c.current.is_not(None))
            by_refit = self._by_refit(connection)
            is_decision = decisions.c.verdict.not_in((UNDONE, SKIPPED, UNSKIPPED, FLAGGED, PROPOSED))
            by_person = and_(decisions.c.run_id == self._run_id, decisions.c.decided_by == who, is_decision)
            recent = and_(by_person, decisions.c.decided_at > since)
            query = select(func.count(), func.min(decisions.c.decided_at)).where(recent)
            count, first = connection.execute(query).one()
        seconds = (now() - first).total_seconds() if first else 0.0
        return Progress(items, decided, by_refit, 3600 * count / seconds if seconds > _SHORTEST_S else None)

    def waiting(self, item_filter: Filter) -> int:
        """Items that wait and pass a filter."""
        with self._reader.begin() as connection:
            return self._count(connection, *conditions.waiting(self._run_id, item_filter))

    def skipped(self, session: str) -> int:
        """Items that a session has skipped and that still wait."""
        same_item = and_(queue.c.run_id == skips.c.run_id, queue.c.position == skips.c.position)
        query = select(func.count()).select_from(skips.join(queue, same_item))
        query = query.where(*conditions.skipped(self._run_id, session), queue.c.current.is_(None))
        with self._reader.begin() as connection:
            return connection.scalar(query) or 0

    def classes(self, item_filter: Filter) -> list[tuple[str, str, int]]:
        """Predicted classes with the items that wait in the grid, the largest first."""
        by = (queue.c.master, queue.c.article)
        in_grid = (*conditions.waiting(self._run_id, item_filter), queue.c.refused.is_(False))
        query = select(*by, func.count().label("items")).where(*in_grid)
        with self._reader.begin() as connection:
            rows = connection.execute(query.group_by(*by).order_by(func.count().desc(), *by))
            return [(row.master, row.article, row.items) for row in rows]

    def pairs(self, item_filter: Filter) -> list[tuple[str, str, str, str, int]]:
        """In an audit, pairs of label and suggestion with the items that wait in the grid, the largest first."""
        by = (queue.c.master, queue.c.article, queue.c.suggested_master, queue.c.suggested_article)
        in_grid = (*conditions.waiting(self._run_id, item_filter), queue.c.refused.is_(False))
        query = select(*by, func.count().label("items")).where(*in_grid, queue.c.suggested_article.is_not(None))
        with self._reader.begin() as connection:
            rows = connection.execute(query.group_by(*by).order_by(func.count().desc(), *by))
            return [(r.master, r.article, r.suggested_master, r.suggested_article, r.items) for r in rows]

    def _by_refit(self, connection: Connection) -> int:
        """Items that a refit accepted, and that nobody has decided."""
        same_item = and_(queue.c.run_id == refit_tags.c.run_id, queue.c.position == refit_tags.c.position)
        query = select(func.count()).select_from(refit_tags.join(queue, same_item))  # hardly any, of a long queue
        query = query.where(refit_tags.c.run_id == self._run_id, queue.c.current.is_(None))
        return connection.scalar(query.where(conditions.accepted_by_refit())) or 0

    def _count(self, connection: Connection, *where: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(queue).where(queue.c.run_id == self._run_id, *where)
        return connection.scalar(query) or 0
