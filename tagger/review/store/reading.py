"""Reads a review: items, their copies and history, and the current decisions."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Engine, RowMapping, and_, func, null, select
from sqlalchemy import inspect as inspected

from tagger.review.store import conditions
from tagger.review.store.conditions import BIT
from tagger.review.store.counts import Counts
from tagger.review.store.finding import Finder
from tagger.review.store.log import FLAGGED, PROPOSED, SKIPPED, UNSKIPPED, Log, entry
from tagger.review.store.records import Action, Answered, Copies, Entry, Filter, QueuedItem
from tagger.review.store.refits import Refits
from tagger.review.store.settings import LEAVES, Settings
from tagger.review.store.summary import Summary
from tagger.review.store.tables import READ_ONLY, decisions, queue
from tagger.schemas.tables.decision import Verdict
from tagger.schemas.tables.prediction import ReviewReason

_ROWS_AT_ONCE = 1000
_COPIES_AT_ONCE = 1000
_DECIDED_TOGETHER = (
    queue.c.current.is_(None),
    queue.c.refused.is_(False),
    queue.c.proposal.is_(None),
    queue.c.reason_bits.op("&")(BIT[ReviewReason.QA_SAMPLE]) == 0,
)
"""Which of the items with one picture are decided with one of them: those that the queue would ask about."""


class ReviewReader:
    """The review of one run, to be read.

    Args:
        engine: From `open_database`, or `open_to_read`.
        run_id: The run whose items are reviewed; a database may hold several.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self._log = Log(run_id)
        self.run_id = run_id
        self.settings = Settings(engine, run_id)
        self.counts = Counts(engine, run_id)
        self.finder = Finder(engine, run_id)
        self.summary = Summary(engine, run_id)
        self.refits = Refits(engine, run_id)

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def is_filled(self) -> bool:
        """Whether the run's items are in the queue."""
        return self.settings.get(LEAVES) is not None

    def has_decisions(self) -> bool:
        """Whether the log holds a decision, undone ones included."""
        with self._reader.begin() as connection:
            if not inspected(connection).has_table(decisions.name):
                return False
            of_run = and_(
                decisions.c.run_id == self.run_id, decisions.c.verdict.not_in((SKIPPED, UNSKIPPED, FLAGGED, PROPOSED))
            )
            return connection.scalar(select(decisions.c.seq).where(of_run).limit(1)) is not None

    def items(self, positions: Sequence[int]) -> list[QueuedItem]:
        """Items by their positions, in the order that was asked for; unknown positions are left out."""
        with self._reader.begin() as connection:
            query = select(queue).where(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            items = {row["position"]: item_of(row) for row in connection.execute(query).mappings()}
        return [items[p] for p in positions if p in items]

    def position_of(self, item_id: str) -> int | None:
        """The position of an item by its id."""
        with self._reader.begin() as connection:
            query = select(queue.c.position).where(queue.c.run_id == self.run_id, queue.c.id == item_id)
            return connection.scalar(query)

    def ids(self) -> dict[str, int]:
        """The positions of all items by their ids."""
        with self._reader.begin() as connection:
            query = select(queue.c.id, queue.c.position).where(queue.c.run_id == self.run_id)
            return dict(connection.execute(query).tuples().all())

    def waiting_of(self, positions: Sequence[int]) -> list[int]:
        """Which of some items wait for somebody in the queue, by their positions, in the order that was asked for."""
        these = (*conditions.waiting(self.run_id, Filter()), queue.c.position.in_(positions))
        with self._reader.begin() as connection:
            waiting = set(connection.scalars(select(queue.c.position).where(*these, queue.c.refused.is_(False))))
        return [position for position in positions if position in waiting]

    def copies(self, item: QueuedItem, count: int) -> Copies:
        """The other items with an item's picture, at most `count` of them in full."""
        if item.picture is None:
            return Copies([], 0, 0, in_conflict=False)
        same_picture = and_(queue.c.run_id == self.run_id, queue.c.picture == item.picture)
        others = and_(same_picture, queue.c.position != item.position)
        decided_first = (queue.c.current.is_(None), queue.c.position)
        with self._reader.begin() as connection:
            rows = connection.execute(select(queue).where(others).order_by(*decided_first).limit(count)).mappings()
            shown = [item_of(row) for row in rows]
            current = decisions.c.seq.in_([item.current for item in shown if item.current is not None])
            entries = {
                row["seq"]: entry(row) for row in connection.execute(select(decisions).where(current)).mappings()
            }
            waits = and_(others, *_DECIDED_TOGETHER)
            waiting = connection.scalar(select(func.count()).where(waits)) or 0
            return Copies(
                [(item, entries.get(item.current or 0)) for item in shown],
                min(waiting, _COPIES_AT_ONCE),
                waiting,
                in_conflict=self._in_conflict(connection, item.picture),
            )

    def _in_conflict(self, connection: Connection, picture: str) -> bool:
        """Whether items with one picture have different labels, predictions, or decisions."""
        same_picture = and_(queue.c.run_id == self.run_id, queue.c.picture == picture)
        labels = select(queue.c.known_master, queue.c.known_article)
        predictions = select(queue.c.master, queue.c.article)
        decided = select(decisions.c.verdict != Verdict.UNUSABLE, decisions.c.master, decisions.c.article)
        queries = (
            labels.where(same_picture, queue.c.known_article.is_not(None)),
            predictions.where(same_picture),
            decided.where(same_picture, decisions.c.seq == queue.c.current),
        )
        return any(len(connection.execute(query.distinct().limit(2)).all()) > 1 for query in queries)

    def waiting_copies(self, item: QueuedItem) -> list[QueuedItem]:
        """The other items with an item's picture that wait and are not marked wrong, a thousand at most."""
        if item.picture is None:
            return []
        same_picture = and_(queue.c.run_id == self.run_id, queue.c.picture == item.picture)
        others = select(queue).where(same_picture, queue.c.position != item.position, *_DECIDED_TOGETHER)
        with self._reader.begin() as connection:
            rows = connection.execute(others.order_by(queue.c.position).limit(_COPIES_AT_ONCE)).mappings()
            return [item_of(row) for row in rows]

    def history(self, position: int) -> list[Entry]:
        """An item's log entries, the oldest first."""
        with self._reader.begin() as connection:
            return self._log.of(connection, position)

    def recent(self, session: str, count: int) -> list[Answered]:
        """The items that a session answered last, without what it undid; each once, the newest first."""
        with self._reader.begin() as connection:
            return self._log.recent(connection, session, count)

    def last_action(self, session: str) -> list[Action]:
        """A session's last key press, undo included; empty where it has not pressed any."""
        with self._reader.begin() as connection:
            return self._log.last_action(connection, session)

    def standing(self, reason: str | None = None) -> Iterator[Sequence[RowMapping]]:
        """The current decisions, in the queue's order, in batches: id, prediction, verdict, tags, who and when.

        Args:
            reason: Only of items that are reviewed for this reason.
        """
        with self._reader.begin() as connection:  # a database of an older version is read as it is
            stored = {column["name"] for column in inspected(connection).get_columns(decisions.name)}
        attributes = decisions.c.attributes if "attributes" in stored else null().label("attributes")
        current = and_(queue.c.run_id == self.run_id, decisions.c.seq == queue.c.current)
        columns = [
            queue.c.id, queue.c.master.label("before_master"), queue.c.article.label("before_article"),
            decisions.c.run_id, decisions.c.verdict, decisions.c.master, decisions.c.article, attributes,
            decisions.c.decided_by, decisions.c.decided_at,
        ]  # fmt: skip
        query = select(*columns).join(queue, current).order_by(queue.c.position)
        if reason:
            query = query.where(queue.c.reason_bits.op("&")(BIT[reason]) != 0)
        with self._reader.connect().execution_options(yield_per=_ROWS_AT_ONCE) as connection:
            yield from connection.execute(query).mappings().partitions()


def standing_of(item: QueuedItem, history: Sequence[Entry]) -> Entry | None:
    """An item's current decision, of its log entries; None while it waits."""
    return next((entry for entry in history if entry.seq == item.current), None)


def item_of(row: RowMapping) -> QueuedItem:
    """A row of the queue."""
    return QueuedItem(**{name: row[name] for name in QueuedItem.__dataclass_fields__})
