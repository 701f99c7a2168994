"""Claims on items: a session holds an item for a time (a lease), so that no two people decide about it.

A page keeps its claims by saying every half minute that it is still open, and gives them back when it closes. The items
that it has fetched ahead are claimed, too, but nobody looks at them yet: where nothing else is left, another session
takes them over.
"""

import time
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, or_, select, update

from tagger.review.store.records import Conflict
from tagger.review.store.tables import queue

OPEN_S = 600.0
"""Seconds that an item stays claimed when a page without a script, which cannot ask for more, has opened it."""
BEAT_S = 90.0
"""Seconds that it stays claimed when a page's script has said that it is still open."""


class Leases:
    """The claims of one run's review.

    Args:
        run_id: The run.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def claim(
        self,
        connection: Connection,
        session: str,
        who: str,
        positions: Collection[int],
        clock: float,
        seconds: float,
        ahead: bool = False,
    ) -> None:
        """Give items to a session.

        Args:
            connection: In a transaction that may write.
            session: Which gets them.
            who: The person's name, for others who open them.
            positions: The items.
            clock: The database's.
            seconds: How long the claim lasts.
            ahead: Whether they are only fetched ahead.
        """
        if positions:
            of_items = and_(queue.c.run_id == self._run_id, queue.c.position.in_(positions))
            is_same = and_(queue.c.claimed_by == session, queue.c.claimed_ahead.is_(ahead))
            since = case((is_same, func.coalesce(queue.c.claimed_since, clock)), else_=clock)
            values = {
                "claimed_by": session, "claimed_who": who, "claimed_until": clock + seconds, "claimed_since": since,
                "claimed_ahead": ahead,
            }  # fmt: skip
            connection.execute(update(queue).where(of_items).values(values))

    def release(self, connection: Connection, session: str, keep: Collection[int] = ()) -> None:
        """End the claims of a session, but for those of some items."""
        claimed = and_(queue.c.run_id == self._run_id, queue.c.claimed_by == session)
        if keep:
            claimed = and_(claimed, queue.c.position.not_in(keep))
        connection.execute(update(queue).where(claimed).values(NOT_CLAIMED))

    def held(self, connection: Connection, session: str, positions: Collection[int], clock: float) -> list[int]:
        """Which items of some wait, and are a session's or nobody's; they are locked in order."""
        if not positions:
            return []
        of_items = and_(queue.c.run_id == self._run_id, queue.c.position.in_(positions))
        is_held = or_(queue.c.claimed_by == session, queue.c.claimed_until < clock)
        waiting = and_(of_items, is_held, queue.c.current.is_(None))
        query = select(queue.c.position).where(waiting).order_by(queue.c.position).with_for_update()
        return list(connection.scalars(query))

    def pictures(self, connection: Connection, clock: float) -> set[str]:
        """The pictures of all claimed items; other items with them are not handed out meanwhile."""
        claimed = and_(queue.c.claimed_by.is_not(None), queue.c.claimed_until >= clock)
        of_run = and_(queue.c.run_id == self._run_id, queue.c.picture.is_not(None))
        return set(connection.scalars(select(queue.c.picture).where(of_run, claimed)))


NOT_CLAIMED = {
    "claimed_by": None, "claimed_who": None, "claimed_until": 0.0, "claimed_since": None, "claimed_ahead": False,
}  # fmt: skip
"""Values of an item that nobody holds."""
CLAIM = (
    queue.c.position, queue.c.current, queue.c.claimed_by, queue.c.claimed_who, queue.c.claimed_until,
    queue.c.claimed_ahead,
)  # fmt: skip
"""Columns by which a conflict is found."""


def free(clock: float, pictures: Collection[str]) -> list[ColumnElement[bool]]:
    """Items that nobody holds, and whose picture nobody has open.

    Args:
        clock: The database's.
        pictures: Those of claimed items.
    """
    return [queue.c.claimed_until < clock, or_(queue.c.picture.is_(None), queue.c.picture.not_in(pictures))]


def clock_of(connection: Connection) -> float:
    """Seconds since 1970 by the database's clock, which all servers of a review share; SQLite has this machine's."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)
    return time.time()


def conflict(row: RowMapping | None, expected: int | None, session: str, clock: float) -> Conflict | None:
    """Why a session must not decide an item; None if it may.

    Args:
        row: The item's `CLAIM` columns; None where there is no such item.
        expected: The decision when the item was shown.
        session: Whose key press it is.
        clock: The database's.
    """
    if row is None:
        return Conflict("unknown")
    if row["current"] != expected:
        return Conflict("decided", row["current"])
    is_claimed = row["claimed_by"] not in (None, session) and row["claimed_until"] >= clock
    return Conflict("open", who=row["claimed_who"] or "") if is_claimed and not row["claimed_ahead"] else None
