"""The append-only log of a review: every key press that said something, what it said, and what took it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, exists, func, insert, select

from tagger.review.store.records import Entry, Said
from tagger.review.store.tables import decisions, queue

UNDONE, REFUSED, SKIPPED, UNSKIPPED = "undone", "refused", "skipped", "shown again"
"""Beside the verdicts of people: what else one key press may do to an item."""
LEAVE_IT_WAITING = (REFUSED, SKIPPED, UNSKIPPED)


@dataclass(frozen=True)
class Line:
    """What is to be written of one item."""

    position: int
    verdict: str
    master: str | None = None
    article: str | None = None
    before: int | None = None
    """The decision that stood before."""
    undoes: int | None = None
    """The entry that this one takes back."""


class Log:
    """The log of one run's review.

    Args:
        run_id: The run.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def append(self, connection: Connection, session: str, who: str, stroke: str, lines: Sequence[Line]) -> list[int]:
        """Write what one key press said; return the new entries' numbers, in order."""
        if not lines:
            return []
        everywhere = {
            "run_id": self._run_id, "session": session, "decided_by": who, "decided_at": now(), "stroke": stroke,
        }  # fmt: skip
        written = insert(decisions).returning(decisions.c.seq, sort_by_parameter_order=True)
        return list(connection.scalars(written, [everywhere | vars(line) for line in lines]))

    def of(self, connection: Connection, position: int) -> list[Entry]:
        """All that was said of an item, the oldest first."""
        mine = and_(decisions.c.run_id == self._run_id, decisions.c.position == position)
        rows = connection.execute(select(decisions).where(mine).order_by(decisions.c.seq)).mappings()
        return [entry(row) for row in rows]

    def last_to_undo(self, connection: Connection, session: str) -> Sequence[Any]:
        """The entries of a session's last key press that was not taken back, their items locked in order."""
        later = decisions.alias()
        standing = and_(
            decisions.c.run_id == self._run_id,
            decisions.c.session == session,
            decisions.c.verdict != UNDONE,
            ~exists(select(later.c.seq).where(later.c.undoes == decisions.c.seq)),
        )
        last = select(decisions.c.stroke).where(standing).order_by(decisions.c.seq.desc()).limit(1)
        return connection.execute(
            select(
                decisions.c.seq, decisions.c.position, decisions.c.verdict, decisions.c.before, queue.c.current,
                queue.c.claimed_by, queue.c.claimed_until,
            )
            .join(queue, and_(queue.c.run_id == decisions.c.run_id, queue.c.position == decisions.c.position))
            .where(standing, decisions.c.stroke == last.scalar_subquery())
            .order_by(queue.c.position)
            .with_for_update(of=queue)
        ).all()  # fmt: skip

    def standing_before(self, connection: Connection, seq: int | None) -> int | None:
        """A decision, or the nearest one before it that was not taken back."""
        while seq is not None:
            undone = select(decisions.c.seq).where(decisions.c.undoes == seq).limit(1)
            if connection.scalar(undone) is None:
                return seq
            seq = connection.scalar(select(decisions.c.before).where(decisions.c.seq == seq))
        return None

    def last_said(self, connection: Connection, session: str) -> list[Said]:
        """What a session's last key press did, undo included: how many items by verdict and class, the most first."""
        mine = and_(decisions.c.run_id == self._run_id, decisions.c.session == session)
        last = select(decisions.c.stroke).where(mine).order_by(decisions.c.seq.desc()).limit(1).scalar_subquery()
        undone = decisions.alias()
        said = func.coalesce(undone.c.verdict, decisions.c.verdict).label("verdict")
        master = func.coalesce(undone.c.master, decisions.c.master).label("master")
        article = func.coalesce(undone.c.article, decisions.c.article).label("article")
        taken_back = decisions.c.undoes.is_not(None).label("taken_back")
        by = (said, master, article, taken_back)
        rows = connection.execute(
            select(*by, func.count().label("items"))
            .select_from(decisions.outerjoin(undone, undone.c.seq == decisions.c.undoes))
            .where(mine, decisions.c.stroke == last)
            .group_by(*by)
            .order_by(func.count().desc(), said)
        )
        return [Said(row.verdict, row.master, row.article, row.items, bool(row.taken_back)) for row in rows]


def entry(row: RowMapping) -> Entry:
    """A row of the log."""
    return Entry(**{name: row[name] for name in Entry.__dataclass_fields__})


def now() -> datetime:
    """The time as the log has it: UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)
