"""Groups of items that show one picture: who is asked about which, what they say, and what follows for the queue.

A group is one question. A session claims it for a time, as it claims items. An answer that says that items do not show
the group's picture takes the key from them by which the review decides copies together; undoing it gives it back.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, RowMapping, and_, case, func, insert, or_, select, update

from tagger.errors import TaggerError
from tagger.review.store.leases import OPEN_S, clock_of
from tagger.review.store.records import Conflict, Group, GroupCounts, GroupItem
from tagger.review.store.tables import READ_ONLY, groups, queue

_ROWS_AT_ONCE = 500
_T = TypeVar("_T")
_FREE = {"claimed_by": None, "claimed_who": None, "claimed_until": 0.0}
_UNANSWERED = {"same": None, "apart": None, "unbound": None, "decided_by": None, "decided_at": None}


class GroupConflictError(TaggerError):
    """An answer about a group that is refused."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(f"refused: {conflict.kind}")
        self.conflict = conflict


class Groups:
    """The groups of one run's review.

    Args:
        engine: From `open_database`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self._run_id = run_id

    def counts(self) -> GroupCounts:
        """How many there are, and how many are answered."""
        waits = groups.c.same.is_(None)
        left = func.sum(case((and_(waits, groups.c.conflict), 1), else_=0))
        query = select(func.count(), func.count(groups.c.same), left).where(groups.c.run_id == self._run_id)
        with self._reader.begin() as connection:
            total, answered, conflicts = connection.execute(query).one()
            return GroupCounts(total, answered, int(conflicts or 0))

    def get(self, number: int) -> Group | None:
        """A group by its number."""
        with self._reader.begin() as connection:
            row = connection.execute(select(groups).where(self._is(number))).mappings().first()
            return _group_of(row) if row else None

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        """The positions in the queue of those items that are in it, by id."""
        found: dict[str, int] = {}
        with self._reader.begin() as connection:
            for some in _batches(ids):
                of_ids = and_(queue.c.run_id == self._run_id, queue.c.id.in_(some))
                rows = connection.execute(select(queue.c.id, queue.c.position).where(of_ids))
                found |= {row.id: row.position for row in rows}
        return found

    def next(self, session: str, who: str) -> Group | None:
        """Claim the first group without an answer that nobody else has; None where there is none.

        Args:
            session: The calling session; the group that it has already comes first.
            who: The person's name.
        """
        with self._engine.begin() as connection:
            clock = clock_of(connection)
            is_free = or_(groups.c.claimed_until < clock, groups.c.claimed_by == session)
            query = select(groups).where(groups.c.run_id == self._run_id, groups.c.same.is_(None), is_free)
            own_first = case((groups.c.claimed_by == session, 0), else_=1)
            query = query.order_by(own_first, groups.c.skipped, groups.c.number).limit(1)
            row = connection.execute(query.with_for_update(skip_locked=True)).mappings().first()
            if row is None:
                return None
            self._release(connection, session)
            self._claim(connection, row["number"], session, who, clock)
            return _group_of(row)

    def release(self, session: str) -> None:
        """Release what a session has claimed."""
        with self._engine.begin() as connection:
            self._release(connection, session)

    def answer(self, session: str, who: str, number: int, same: bool, apart: Sequence[str] = ()) -> None:
        """Save what a person says about a group; the same answer of the same session, sent again, changes nothing.

        Args:
            session: Whose claim ends.
            who: The person's name.
            number: The group.
            same: Whether its items show one picture.
            apart: Ids of items of it that do not, where the others do.

        Raises:
            GroupConflictError: when somebody has answered, or has it open, or there is no such group.
        """
        with self._engine.begin() as connection:
            row = self._locked(connection, number)
            if row["same"] is not None:
                if (row["session"], row["same"], row["apart"]) == (session, same, [*apart]):
                    return
                raise GroupConflictError(Conflict("decided", who=row["decided_by"], is_own=row["session"] == session))
            self._refuse_claimed(connection, row, session)
            unbound = self._unbind(connection, row, same, apart)
            said = {"same": same, "apart": [*apart], "unbound": unbound, "decided_by": who}
            now = datetime.now(UTC).replace(tzinfo=None)
            action = self._next_action(connection)
            self._set(connection, number, **said, decided_at=now, session=session, action=action, **_FREE)

    def skip(self, session: str, number: int) -> None:
        """Put a group at the end, where people are asked about it again.

        Raises:
            GroupConflictError: when somebody has answered, or has it open, or there is no such group.
        """
        with self._engine.begin() as connection:
            row = self._locked(connection, number)
            if row["same"] is not None:
                raise GroupConflictError(Conflict("decided", who=row["decided_by"], is_own=row["session"] == session))
            self._refuse_claimed(connection, row, session)
            values = {"skipped": row["skipped"] + 1, "session": session, "action": self._next_action(connection)}
            self._set(connection, number, **values, **_FREE)

    def undo(self, session: str, who: str) -> int | None:
        """Undo a session's last answer or skip, and claim its group again where nobody else has it.

        Returns:
            The group's number; None when there is nothing left to undo.
        """
        with self._engine.begin() as connection:
            mine = and_(groups.c.run_id == self._run_id, groups.c.session == session, groups.c.action.is_not(None))
            query = select(groups).where(mine).order_by(groups.c.action.desc()).limit(1)
            row = connection.execute(query.with_for_update()).mappings().first()
            if row is None:
                return None
            values: dict[str, Any] = {"action": None, "session": None}
            if row["same"] is None:
                values["skipped"] = row["skipped"] - 1
            else:
                self._bind(connection, row)
                values |= _UNANSWERED
            self._set(connection, row["number"], **values)
            clock = clock_of(connection)
            if row["claimed_by"] in (None, session) or row["claimed_until"] < clock:
                self._release(connection, session)
                self._claim(connection, row["number"], session, who, clock)
            return int(row["number"])

    def answered(self) -> Iterator[Group]:
        """The groups with an answer, in order."""
        query = select(groups).where(groups.c.run_id == self._run_id, groups.c.same.is_not(None))
        with self._reader.connect().execution_options(yield_per=_ROWS_AT_ONCE) as connection:
            for row in connection.execute(query.order_by(groups.c.number)).mappings():
                yield _group_of(row)

    def _is(self, number: int) -> Any:
        return and_(groups.c.run_id == self._run_id, groups.c.number == number)

    def _locked(self, connection: Connection, number: int) -> RowMapping:
        row = connection.execute(select(groups).where(self._is(number)).with_for_update()).mappings().first()
        if row is None:
            raise GroupConflictError(Conflict("unknown"))
        return row

    def _refuse_claimed(self, connection: Connection, row: RowMapping, session: str) -> None:
        if row["claimed_by"] not in (None, session) and row["claimed_until"] >= clock_of(connection):
            raise GroupConflictError(Conflict("open", who=row["claimed_who"] or ""))

    def _next_action(self, connection: Connection) -> int:
        return (connection.scalar(select(func.max(groups.c.action)).where(groups.c.run_id == self._run_id)) or 0) + 1

    def _set(self, connection: Connection, number: int, **values: Any) -> None:
        connection.execute(update(groups).where(self._is(number)).values(**values))

    def _claim(self, connection: Connection, number: int, session: str, who: str, clock: float) -> None:
        self._set(connection, number, claimed_by=session, claimed_who=who, claimed_until=clock + OPEN_S)

    def _release(self, connection: Connection, session: str) -> None:
        mine = and_(groups.c.run_id == self._run_id, groups.c.claimed_by == session)
        connection.execute(update(groups).where(mine).values(**_FREE))

    def _unbind(self, connection: Connection, row: RowMapping, same: bool, apart: Sequence[str]) -> list[int]:
        """Take the group's key from all items that do not show its picture; return their positions.

        Where some were marked, only the others of the group keep it: what the person has not seen does not.
        """
        if same and not apart:
            return []
        kept = {item["id"] for item in row["items"]}.difference(apart) if same else set()
        bound = and_(queue.c.run_id == self._run_id, queue.c.picture == row["picture"])
        query = select(queue.c.position, queue.c.id).where(bound).order_by(queue.c.position)
        rows = connection.execute(query.with_for_update()).all()  # in the order of key presses: no deadlock
        positions = [each.position for each in rows if each.id not in kept]
        self._set_picture(connection, positions, None)
        return positions

    def _bind(self, connection: Connection, row: RowMapping) -> None:
        """Give the group's key back to the items that an answer took it from."""
        self._set_picture(connection, row["unbound"] or [], row["picture"])

    def _set_picture(self, connection: Connection, positions: Sequence[int], picture: str | None) -> None:
        for some in _batches(sorted(positions)):
            of_items = and_(queue.c.run_id == self._run_id, queue.c.position.in_(some))
            locked = select(queue.c.position).where(of_items).order_by(queue.c.position).with_for_update()
            connection.execute(locked).all()
            connection.execute(update(queue).where(of_items).values(picture=picture))


def add_groups(connection: Connection, run_id: str, rows: Iterable[dict[str, Any]]) -> None:
    """Store groups in a transaction that fills a review.

    Args:
        connection: In a transaction that may write.
        run_id: The run.
        rows: Of each group, found_as, picture, conflict and items, in the order in which people are asked.
    """
    numbered = ({**row, "number": number, "run_id": run_id} for number, row in enumerate(rows, 1))
    for some in _batches(numbered):
        connection.execute(insert(groups), some)


def _group_of(row: RowMapping) -> Group:
    items = [GroupItem(**item) for item in row["items"]]
    names = ("number", "found_as", "conflict", "same", "decided_by", "decided_at")
    return Group(items=items, apart=row["apart"] or [], **{name: row[name] for name in names})


def _batches(values: Iterable[_T]) -> Iterator[list[_T]]:
    stream = iter(values)
    while some := list(islice(stream, _ROWS_AT_ONCE)):
        yield some
