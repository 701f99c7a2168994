"""The browsers in which people use a review: each has a session, which ends when somebody ends it or nobody uses it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, insert, select, update

from tagger.review.store.leases import Leases, clock_of
from tagger.review.store.tables import READ_ONLY, groups, people, sessions

Role = Literal["lead", "reviewer", "reader"]
"""A reader sees everything; a reviewer decides, too; a lead also says who may use the review, and as what."""

SESSION_S = 30 * 86_400.0
"""Seconds after which a session that nobody uses ends."""
_SEEN_EVERY_S = 60.0
_BROWSER_LENGTH = 200


@dataclass(frozen=True)
class BrowserSession:
    """A session that is open."""

    key: str
    """Random; claims are held under it."""
    person: str
    role: Role
    """The person's, now."""
    browser: str
    """The browser's name for itself (User-Agent); empty where it gave none."""
    token: str | None
    """Digest of the token that opened it; None where an invitation did."""
    began: float
    seen: float
    """The last request, to the minute; both in seconds since 1970."""

    @property
    def handle(self) -> str:
        """What a page may show of the key: nobody gets a session by it."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]


class BrowserSessions:
    """The sessions of one run's review.

    Args:
        engine: From `open_database`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self._run_id = run_id

    def find(self, key: str) -> BrowserSession | None:
        """An open session, which counts as seen; None where there is none with this key, or its person has left."""
        with self._reader.begin() as connection:
            clock = clock_of(connection)
            found = next(iter(self._open(connection, clock, sessions.c.key == key)), None)
        if found and clock - found.seen > _SEEN_EVERY_S:
            with self._engine.begin() as connection:
                of_key = and_(sessions.c.run_id == self._run_id, sessions.c.key == key)
                connection.execute(update(sessions).where(of_key).values(seen=clock))
        return found

    def open(self) -> list[BrowserSession]:
        """All open sessions, the newest first."""
        with self._reader.begin() as connection:
            return self._open(connection, clock_of(connection))

    def end(self, key: str) -> None:
        """End a session, and release what it has claimed."""
        with self._engine.begin() as connection:
            end_sessions(connection, self._run_id, sessions.c.key == key)

    def _open(self, connection: Connection, clock: float, *where: ColumnElement[bool]) -> list[BrowserSession]:
        same_person = and_(people.c.run_id == sessions.c.run_id, people.c.name == sessions.c.person)
        columns = (
            sessions.c.key, sessions.c.person, people.c.role, sessions.c.browser, sessions.c.token, sessions.c.began,
            sessions.c.seen,
        )  # fmt: skip
        is_open = [sessions.c.run_id == self._run_id, sessions.c.ended.is_(None), people.c.ended_at.is_(None)]
        query = select(*columns).join(people, same_person).where(*is_open, sessions.c.seen > clock - SESSION_S, *where)
        rows: Sequence[object] = connection.execute(query.order_by(sessions.c.began.desc(), sessions.c.key)).all()
        return [BrowserSession(*row) for row in rows]  # type: ignore[misc]


def begin_session(connection: Connection, run_id: str, key: str, person: str, browser: str, token: str | None) -> None:
    """Open a session within a transaction, and delete those that nobody has used for `SESSION_S`.

    Args:
        connection: In a transaction that may write.
        run_id: The run.
        key: A new, random key.
        person: Who has it.
        browser: The browser's name for itself; the first 200 characters are kept.
        token: Digest of the token that opens it; None where an invitation does.
    """
    clock = clock_of(connection)
    connection.execute(delete(sessions).where(sessions.c.run_id == run_id, sessions.c.seen < clock - SESSION_S))
    values = {"person": person, "browser": browser[:_BROWSER_LENGTH], "token": token, "began": clock, "seen": clock}
    connection.execute(insert(sessions).values(run_id=run_id, key=key, **values))


def end_sessions(connection: Connection, run_id: str, which: ColumnElement[bool]) -> None:
    """End sessions of a run within a transaction, and release what they have claimed."""
    release_claims(connection, run_id, which)
    ended = and_(sessions.c.run_id == run_id, sessions.c.ended.is_(None), which)
    connection.execute(update(sessions).where(ended).values(ended=clock_of(connection)))


def release_claims(connection: Connection, run_id: str, which: ColumnElement[bool]) -> None:
    """Release what open sessions of a run have claimed, within a transaction."""
    opened = and_(sessions.c.run_id == run_id, sessions.c.ended.is_(None), which)
    for key in list(connection.scalars(select(sessions.c.key).where(opened))):
        Leases(run_id).release(connection, key)
        held = and_(groups.c.run_id == run_id, groups.c.claimed_by == key)
        connection.execute(update(groups).where(held).values(claimed_by=None, claimed_who=None, claimed_until=0.0))
