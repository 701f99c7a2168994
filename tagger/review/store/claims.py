"""Who has which item open: sessions claim waiting items for a time, and nobody else gets them meanwhile."""

import random
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, Engine, and_, select

from tagger.review.store import conditions
from tagger.review.store.leases import BEAT_S, OPEN_S, Leases, clock_of, conflict, free
from tagger.review.store.reading import item_of
from tagger.review.store.records import Ahead, Conflict, Filter, OpenItem, QueuedItem
from tagger.review.store.tables import READ_ONLY, queue, skips


class Claims:
    """Hands out the items of one run's review.

    Args:
        engine: From `open_database`.
        run_id: The run.
        drawn_share: Of the items that the unfiltered queue gives out, 0 to 1: drawn at random from those that a refit
            may accept, whether or not one has. Answers about these show how precise a refit is.
    """

    def __init__(self, engine: Engine, run_id: str, drawn_share: float = 0.0) -> None:
        self._engine = engine
        self._run_id = run_id
        self._leases = Leases(run_id)
        self.drawn_share = drawn_share

    def release(self, session: str) -> None:
        """Release what a session has claimed."""
        with self._engine.begin() as connection:
            self._leases.release(connection, session)

    def opened(self) -> list[OpenItem]:
        """Who has which items open now, those who opened theirs first at the beginning."""
        columns = (
            queue.c.position, queue.c.id, queue.c.title, queue.c.claimed_by, queue.c.claimed_who, queue.c.claimed_since,
        )  # fmt: skip
        with self._engine.execution_options(**READ_ONLY).begin() as connection:
            is_open = and_(queue.c.claimed_until >= clock_of(connection), queue.c.claimed_ahead.is_(False))
            held = and_(queue.c.run_id == self._run_id, queue.c.claimed_by.is_not(None), is_open)
            rows = connection.execute(select(*columns).where(held).order_by(queue.c.claimed_since, queue.c.position))
            return [OpenItem(*row) for row in rows]

    def look(self, session: str, item_filter: Filter, count: int = 1, in_grid: bool = False) -> list[QueuedItem]:
        """What `next` would give, claimed for nobody: for those who only look."""
        with self._engine.execution_options(**READ_ONLY).begin() as connection:
            return self._items(connection, session, item_filter, count, clock_of(connection), in_grid, lock=False)

    def next(
        self, session: str, item_filter: Filter, count: int = 1, in_grid: bool = False, who: str = ""
    ) -> list[QueuedItem]:
        """Claim the next waiting items: for ten minutes no other session gets them, or items with their picture.

        Args:
            session: The calling session; what it had claimed before is released, and comes first.
            item_filter: Which items.
            count: How many at most.
            in_grid: Leave out what was marked wrong in the grid.
            who: The person's name.
        """
        with self._engine.begin() as connection:
            clock = clock_of(connection)
            self._leases.release(connection, session)
            items = self._items(connection, session, item_filter, count, clock, in_grid)
            self._leases.claim(connection, session, who, [item.position for item in items], clock, OPEN_S)
            return items

    def these(self, session: str, positions: Sequence[int], who: str | None) -> list[QueuedItem]:
        """Claim those of some items that wait and nobody holds, in their order; `who` is None for those who only look.

        Items that were marked wrong in the grid are left out.
        """
        where = [*conditions.waiting(self._run_id, Filter()), queue.c.refused.is_(False)]
        where.append(queue.c.position.in_(positions))
        with self._engine.begin() as connection:
            clock = clock_of(connection)
            if who is not None:
                self._leases.release(connection, session)
            count = len(positions)
            items = self._free(connection, session, where, Filter(), count, clock, (), lock=who is not None)
            if who is not None:
                self._leases.claim(connection, session, who, [item.position for item in items], clock, OPEN_S)
        return sorted(items, key=lambda item: positions.index(item.position))

    def ahead(
        self,
        session: str,
        who: str,
        item_filter: Filter,
        open_items: Sequence[int],
        have: Sequence[int],
        count: int,
    ) -> Ahead:
        """Keep the claims of a page that is open, and fetch items ahead for it.

        Args:
            session: The page's.
            who: The person's name.
            item_filter: Which items to fetch.
            open_items: The item that is shown, and those with an answer that is still on its way; they stay the page's.
            have: Further items that it has fetched ahead.
            count: How many more to fetch; 0 only keeps the claims.
        """
        with self._engine.begin() as connection:
            clock = clock_of(connection)
            held = self._leases.held(connection, session, [*open_items, *have], clock)
            self._leases.release(connection, session, held)
            self._leases.claim(connection, session, who, [p for p in held if p in open_items], clock, BEAT_S)
            self._leases.claim(connection, session, who, [p for p in held if p not in open_items], clock, BEAT_S, True)
            lost = sorted({*open_items, *have}.difference(held))
            items = self._items(connection, session, item_filter, count, clock, but={*open_items, *have})
            self._leases.claim(connection, session, who, [i.position for i in items], clock, BEAT_S, True)
            return Ahead(items, lost)

    def _items(
        self,
        connection: Connection,
        session: str,
        item_filter: Filter,
        count: int,
        clock: float,
        in_grid: bool = False,
        but: Collection[int] = (),
        lock: bool = True,
    ) -> list[QueuedItem]:
        """Items for a page; those of the unfiltered queue are in part drawn at random, in turn with the others."""
        where = conditions.waiting(self._run_id, item_filter)
        if in_grid:
            where.append(queue.c.refused.is_(False))
        items = self._free(connection, session, where, item_filter, count, clock, but, lock)
        if not self.drawn_share or item_filter != Filter() or in_grid or not items:
            return items
        wanted = sum(random.random() < self.drawn_share for _ in range(count))
        where = [*conditions.unsure(self._run_id), queue.c.current.is_(None), queue.c.proposal.is_(None)]
        but = {*but, *(item.position for item in items)}
        drawn = self._free(connection, session, where, Filter(order="random"), wanted, clock, but, lock)
        return [*drawn, *items[: count - len(drawn)]]

    def _free(
        self,
        connection: Connection,
        session: str,
        where: Sequence[ColumnElement[bool]],
        item_filter: Filter,
        count: int,
        clock: float,
        but: Collection[int],
        lock: bool,
    ) -> list[QueuedItem]:
        """Items that nobody holds, in a filter's order; where there are none, one that another page has fetched ahead.

        Args:
            connection: In a transaction that may write, if the items are locked.
            session: Whose skipped items are left out.
            where: Which items.
            item_filter: Says the order.
            count: How many at most.
            clock: The database's.
            but: Positions to leave out; where there are any, no other page's items are taken.
            lock: Whether to lock them.
        """
        if not count:
            return []
        skipped = select(skips.c.position).where(*conditions.skipped(self._run_id, session))
        where = [*where, queue.c.position.not_in(skipped), queue.c.position.not_in(but)]
        query = select(queue).order_by(*conditions.order(item_filter))
        query = query.with_for_update(skip_locked=True) if lock else query
        untaken = free(clock, self._leases.pictures(connection, clock))
        rows = connection.execute(query.where(*where, *untaken).limit(count)).mappings().all()
        if not rows and not but:
            others = and_(queue.c.claimed_ahead.is_(True), queue.c.claimed_by != session)
            rows = connection.execute(query.where(*where, others).limit(1)).mappings().all()
        return [item_of(row) for row in rows]

    def take(self, session: str, position: int, who: str = "") -> tuple[QueuedItem, Conflict | None] | None:
        """One item by its position, claimed if it is free.

        Returns:
            The item, and who has it open where somebody else has; None where there is no such item.
        """
        with self._engine.begin() as connection:
            clock = clock_of(connection)
            self._leases.release(connection, session)
            query = select(queue).where(queue.c.run_id == self._run_id, queue.c.position == position)
            row = connection.execute(query.with_for_update()).mappings().first()
            if row is None:
                return None
            why = conflict(row, row["current"], session, clock)
            if row["current"] is None and not why:
                self._leases.claim(connection, session, who, [position], clock, OPEN_S)
            return item_of(row), why
