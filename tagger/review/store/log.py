"""The append-only log of a review: every effective key press, its changes, and its undo."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, and_, exists, func, insert, select

from tagger.review.store.records import Action, Answered, Conflict, Entry, SetAttributes
from tagger.review.store.tables import decisions, queue

UNDONE, REFUSED, SKIPPED, UNSKIPPED = "undone", "refused", "skipped", "shown again"
FLAGGED, PROPOSED = "flagged", "proposed"
"""Log entries of key presses that do not decide an item."""
LEAVE_IT_WAITING = (REFUSED, SKIPPED, UNSKIPPED, FLAGGED, PROPOSED)


@dataclass(frozen=True)
class Line:
    """One item's entry, to be written."""

    position: int
    verdict: str
    master: str | None = None
    article: str | None = None
    before: int | None = None
    """The previous decision."""
    undoes: int | None = None
    """The entry that this one undoes."""
    attributes: SetAttributes | None = None
    note: str | None = None


class Log:
    """The log of one run's review.

    Args:
        run_id: The run.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def append(
        self, connection: Connection, session: str, who: str, stroke: str | None, lines: Sequence[Line]
    ) -> list[int]:
        """Write the entries of one key press, under its key or a new one; return their sequence numbers, in order."""
        if not lines:
            return []
        action_id = stroke or uuid.uuid4().hex
        shared = {
            "run_id": self._run_id, "session": session, "decided_by": who, "decided_at": now(), "action_id": action_id,
        }  # fmt: skip
        written = insert(decisions).returning(decisions.c.seq, sort_by_parameter_order=True)
        return list(connection.scalars(written, [shared | vars(line) for line in lines]))

    def of_stroke(self, connection: Connection, session: str, stroke: str | None) -> list[Line]:
        """What a key press of a session has written; empty where nothing is saved under that key."""
        if stroke is None:
            return []
        of_session = and_(decisions.c.run_id == self._run_id, decisions.c.session == session)
        query = select(decisions.c.position, decisions.c.verdict).where(of_session, decisions.c.action_id == stroke)
        return [Line(row.position, row.verdict) for row in connection.execute(query.order_by(decisions.c.seq))]

    def explained(self, connection: Connection, conflict: Conflict, session: str) -> Conflict:
        """A conflict, with who decided where somebody did."""
        query = select(decisions.c.decided_by, decisions.c.session).where(decisions.c.seq == conflict.current)
        row = connection.execute(query).first() if conflict.current is not None else None
        return replace(conflict, who=row.decided_by, is_own=row.session == session) if row else conflict

    def of(self, connection: Connection, position: int) -> list[Entry]:
        """An item's entries, the oldest first."""
        of_item = and_(decisions.c.run_id == self._run_id, decisions.c.position == position)
        rows = connection.execute(select(decisions).where(of_item).order_by(decisions.c.seq)).mappings()
        return [entry(row) for row in rows]

    def recent(self, connection: Connection, session: str, count: int) -> list[Answered]:
        """The items that a session answered last, without what it undid; each once, the newest first."""
        later = decisions.alias()
        standing = and_(
            decisions.c.run_id == self._run_id,
            decisions.c.session == session,
            decisions.c.verdict.not_in((UNDONE, UNSKIPPED)),
            ~exists(select(later.c.seq).where(later.c.undoes == decisions.c.seq)),
        )
        columns = (
            decisions.c.position, queue.c.id, queue.c.title, decisions.c.verdict, decisions.c.master,
            decisions.c.article,
        )  # fmt: skip
        same_item = and_(queue.c.run_id == decisions.c.run_id, queue.c.position == decisions.c.position)
        query = select(*columns).join(queue, same_item).where(standing).order_by(decisions.c.seq.desc())
        newest: dict[int, Answered] = {}
        for row in connection.execute(query.limit(4 * count)):
            newest.setdefault(row.position, Answered(*row))
        return list(newest.values())[:count]

    def last_to_undo(self, connection: Connection, session: str) -> Sequence[RowMapping]:
        """The entries of a session's last key press that was not undone; their items are locked in order."""
        later = decisions.alias()
        standing = and_(
            decisions.c.run_id == self._run_id,
            decisions.c.session == session,
            decisions.c.verdict != UNDONE,
            ~exists(select(later.c.seq).where(later.c.undoes == decisions.c.seq)),
        )
        last = select(decisions.c.action_id).where(standing).order_by(decisions.c.seq.desc()).limit(1)
        return connection.execute(
            select(
                decisions.c.seq, decisions.c.position, decisions.c.verdict, decisions.c.before, queue.c.current,
                queue.c.claimed_by, queue.c.claimed_until, queue.c.claimed_ahead,
            )
            .join(queue, and_(queue.c.run_id == decisions.c.run_id, queue.c.position == decisions.c.position))
            .where(standing, decisions.c.action_id == last.scalar_subquery())
            .order_by(queue.c.position)
            .with_for_update(of=queue)
        ).mappings().all()  # fmt: skip

    def standing_before(self, connection: Connection, seq: int | None) -> int | None:
        """A decision, or the nearest one before it that was not undone."""
        while seq is not None:
            undone = select(decisions.c.seq).where(decisions.c.undoes == seq).limit(1)
            if connection.scalar(undone) is None:
                return seq
            seq = connection.scalar(select(decisions.c.before).where(decisions.c.seq == seq))
        return None

    def last_action(self, connection: Connection, session: str) -> list[Action]:
        """What a session's last key press did, undo included: items by verdict and class, the most frequent first."""
        by_session = and_(decisions.c.run_id == self._run_id, decisions.c.session == session)
        last = select(decisions.c.action_id).where(by_session).order_by(decisions.c.seq.desc()).limit(1)
        undone = decisions.alias()
        verdict = func.coalesce(undone.c.verdict, decisions.c.verdict).label("verdict")
        master = func.coalesce(undone.c.master, decisions.c.master).label("master")
        article = func.coalesce(undone.c.article, decisions.c.article).label("article")
        is_undo = decisions.c.undoes.is_not(None).label("is_undo")
        by = (verdict, master, article, is_undo)
        rows = connection.execute(
            select(*by, func.count().label("items"))
            .select_from(decisions.outerjoin(undone, undone.c.seq == decisions.c.undoes))
            .where(by_session, decisions.c.action_id == last.scalar_subquery())
            .group_by(*by)
            .order_by(func.count().desc(), verdict)
        )
        return [Action(row.verdict, row.master, row.article, row.items, bool(row.is_undo)) for row in rows]


def entry(row: RowMapping) -> Entry:
    """A row of the log."""
    return Entry(**{name: row[name] for name in Entry.__dataclass_fields__})


def now() -> datetime:
    """The time in the log's form: UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)
