"""What a review's database says: settings, items, copies, counts, the log, and the decisions that stand."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, and_, func, select
from sqlalchemy import inspect as inspected

from tagger.review.store.log import SKIPPED, UNDONE, UNSKIPPED, Log, entry, now
from tagger.review.store.records import Copies, Entry, Filter, Progress, QueuedItem, Said
from tagger.review.store.tables import READ_ONLY, decisions, queue, settings, skips
from tagger.schemas.tables.decision import Verdict
from tagger.schemas.tables.prediction import ReviewReason

LEAVES = "leaves"
ENDED = "ended:"
BIT = {str(reason): 1 << i for i, reason in enumerate(ReviewReason)}
_RATE_WINDOW_S, _LEAST_S = 600, 20
_ROWS_AT_ONCE = 1000
_COPIES_AT_ONCE = 1000


class ReviewReader:
    """The review of one run, to be looked at.

    Args:
        engine: From `open_database`, or `open_to_read`.
        run_id: The run whose items are reviewed; a database may hold several.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self._log = Log(run_id)
        self.run_id = run_id

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def setting(self, name: str) -> Any:
        """What was set under a name; None where nothing was."""
        with self._reader.begin() as connection:
            mine = and_(settings.c.run_id == self.run_id, settings.c.name == name)
            return connection.scalar(select(settings.c.value).where(mine))

    def is_filled(self) -> bool:
        """Whether the run's items are in the queue."""
        return self.setting(LEAVES) is not None

    def has_decisions(self) -> bool:
        """Whether anything was ever decided here."""
        with self._reader.begin() as connection:
            if not inspected(connection).has_table(decisions.name):
                return False
            mine = and_(decisions.c.run_id == self.run_id, decisions.c.verdict.not_in((SKIPPED, UNSKIPPED)))
            return connection.scalar(select(decisions.c.seq).where(mine).limit(1)) is not None

    def ended_sessions(self) -> set[str]:
        """The sessions that have signed out."""
        with self._reader.begin() as connection:
            mine = and_(settings.c.run_id == self.run_id, settings.c.name.startswith(ENDED, autoescape=True))
            return {name.removeprefix(ENDED) for name in connection.scalars(select(settings.c.name).where(mine))}

    def items(self, positions: Sequence[int]) -> list[QueuedItem]:
        """Items by their numbers, in that order; those that are not there are left out."""
        with self._reader.begin() as connection:
            here = select(queue).where(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            found = {row["position"]: item_of(row) for row in connection.execute(here).mappings()}
        return [found[p] for p in positions if p in found]

    def copies(self, item: QueuedItem, count: int) -> Copies:
        """The other items that have an item's picture, so many of them to be shown."""
        if item.picture is None:
            return Copies([], 0, 0, in_conflict=False)
        alike = and_(queue.c.run_id == self.run_id, queue.c.picture == item.picture)
        others = and_(alike, queue.c.position != item.position)
        decided_first = (queue.c.current.is_(None), queue.c.position)
        standing = and_(alike, decisions.c.seq == queue.c.current)
        with self._reader.begin() as connection:
            rows = connection.execute(select(queue).where(others).order_by(*decided_first).limit(count)).mappings()
            shown = [item_of(row) for row in rows]
            current = decisions.c.seq.in_([item.current for item in shown if item.current is not None])
            said = connection.execute(select(decisions).where(current)).mappings().all()
            entries = {row["seq"]: entry(row) for row in said}
            waits = and_(others, queue.c.current.is_(None), queue.c.refused.is_(False))
            waiting = connection.scalar(select(func.count()).where(waits)) or 0
            labels = select(queue.c.known_master, queue.c.known_article).where(
                alike, queue.c.known_article.is_not(None)
            )
            predictions = select(queue.c.master, queue.c.article).where(alike)
            decided = select(decisions.c.verdict != Verdict.UNUSABLE, decisions.c.master, decisions.c.article)
            selected = (labels, predictions, decided.where(standing))
            kinds = (connection.execute(found.distinct().limit(2)).all() for found in selected)
            return Copies(
                [(item, entries.get(item.current or 0)) for item in shown],
                min(waiting, _COPIES_AT_ONCE),
                waiting,
                in_conflict=any(len(found) > 1 for found in kinds),
            )

    def waiting_copies(self, item: QueuedItem) -> list[QueuedItem]:
        """The other items with an item's picture that wait and are not marked wrong, a thousand at most."""
        if item.picture is None:
            return []
        alike = and_(queue.c.run_id == self.run_id, queue.c.picture == item.picture, queue.c.current.is_(None))
        others = select(queue).where(alike, queue.c.position != item.position, queue.c.refused.is_(False))
        with self._reader.begin() as connection:
            rows = connection.execute(others.order_by(queue.c.position).limit(_COPIES_AT_ONCE)).mappings()
            return [item_of(row) for row in rows]

    def position_of(self, item_id: str) -> int | None:
        """The number of an item by its id."""
        with self._reader.begin() as connection:
            here = select(queue.c.position).where(queue.c.run_id == self.run_id, queue.c.id == item_id)
            return connection.scalar(here)

    def history(self, position: int) -> list[Entry]:
        """All that was said of an item, the oldest first."""
        with self._reader.begin() as connection:
            return self._log.of(connection, position)

    def last_said(self, session: str) -> list[Said]:
        """What a session's last key press did, undo included; nothing where it has not pressed any."""
        with self._reader.begin() as connection:
            return self._log.last_said(connection, session)

    def progress(self, who: str) -> Progress:
        """How far the review is."""
        since = now() - timedelta(seconds=_RATE_WINDOW_S)
        with self._reader.begin() as connection:
            items = self._count(connection)
            decided = self._count(connection, queue.c.current.is_not(None))
            counts = decisions.c.verdict.not_in((UNDONE, SKIPPED, UNSKIPPED))
            by_me = and_(decisions.c.run_id == self.run_id, decisions.c.decided_by == who, counts)
            recent = select(func.count(), func.min(decisions.c.decided_at)).where(by_me, decisions.c.decided_at > since)
            count, first = connection.execute(recent).one()
        seconds = (now() - first).total_seconds() if first else 0.0
        return Progress(items, decided, 3600 * count / seconds if seconds > _LEAST_S else None)

    def waiting(self, wanted: Filter) -> int:
        """How many items wait."""
        with self._reader.begin() as connection:
            return self._count(connection, *self._waiting(wanted))

    def skipped(self, session: str) -> int:
        """How many items a session has skipped that still wait."""
        here = and_(queue.c.run_id == skips.c.run_id, queue.c.position == skips.c.position)
        with self._reader.begin() as connection:
            chosen = select(func.count()).select_from(skips.join(queue, here))
            return connection.scalar(chosen.where(*self._skipped(session), queue.c.current.is_(None))) or 0

    def classes(self, wanted: Filter) -> list[tuple[str, str, int]]:
        """Predicted classes, with how many items wait in each for the grid, the fullest first."""
        by = (queue.c.master, queue.c.article)
        with self._reader.begin() as connection:
            chosen = select(*by, func.count().label("items")).where(*self._waiting(wanted), queue.c.refused.is_(False))
            rows = connection.execute(chosen.group_by(*by).order_by(func.count().desc(), *by))
            return [(row.master, row.article, row.items) for row in rows]

    def pairs(self, wanted: Filter) -> list[tuple[str, str, str, str, int]]:
        """In an audit, labels and what is suggested instead, with how many items wait of each, the most first."""
        by = (queue.c.master, queue.c.article, queue.c.suggested_master, queue.c.suggested_article)
        waits = (*self._waiting(wanted), queue.c.refused.is_(False), queue.c.suggested_article.is_not(None))
        with self._reader.begin() as connection:
            chosen = select(*by, func.count().label("items")).where(*waits).group_by(*by)
            rows = connection.execute(chosen.order_by(func.count().desc(), *by))
            return [(r.master, r.article, r.suggested_master, r.suggested_article, r.items) for r in rows]

    def standing(self) -> Iterator[Sequence[RowMapping]]:
        """All decisions that stand, in the queue's order, in pieces: id, prediction, verdict, names, who and when."""
        here = and_(queue.c.run_id == self.run_id, decisions.c.seq == queue.c.current)
        columns = [
            queue.c.id, queue.c.master.label("before_master"), queue.c.article.label("before_article"),
            decisions.c.run_id, decisions.c.verdict, decisions.c.master, decisions.c.article, decisions.c.decided_by,
            decisions.c.decided_at,
        ]  # fmt: skip
        chosen = select(*columns).join(queue, here).order_by(queue.c.position)
        with self._reader.connect().execution_options(yield_per=_ROWS_AT_ONCE) as connection:
            yield from connection.execute(chosen).mappings().partitions()

    def _waiting(self, wanted: Filter) -> list[Any]:
        conditions: list[Any] = [queue.c.run_id == self.run_id, queue.c.current.is_(None)]
        if wanted.reason in BIT:
            conditions.append(queue.c.reason_bits.op("&")(BIT[wanted.reason]) != 0)
        if wanted.master:
            conditions.append(queue.c.master == wanted.master)
        if wanted.article:
            conditions.append(queue.c.article == wanted.article)
        if wanted.to_master:
            conditions.append(queue.c.suggested_master == wanted.to_master)
        if wanted.to_article:
            conditions.append(queue.c.suggested_article == wanted.to_article)
        if wanted.least > 0:
            conditions.append(queue.c.article_confidence >= wanted.least)
        if wanted.most < 1:
            conditions.append(queue.c.article_confidence <= wanted.most)
        return conditions

    def _skipped(self, session: str) -> list[Any]:
        return [skips.c.run_id == self.run_id, skips.c.session == session]

    def _count(self, connection: Connection, *conditions: Any) -> int:
        chosen = select(func.count()).select_from(queue).where(queue.c.run_id == self.run_id, *conditions)
        return connection.scalar(chosen) or 0


def item_of(row: RowMapping) -> QueuedItem:
    """A row of the queue."""
    return QueuedItem(**{name: row[name] for name in QueuedItem.__dataclass_fields__})
