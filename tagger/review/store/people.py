"""Who may use a review, and as what: people are invited, join with their invitation, and have a role."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, and_, func, insert, select, update

from tagger.errors import TaggerError
from tagger.review.store.leases import clock_of
from tagger.review.store.sessions import Role, begin_session, end_sessions, release_claims
from tagger.review.store.tables import READ_ONLY, people, sessions

_LOCK = 7_242_111
"""Key of the advisory lock in PostgreSQL: changes of people are rare, and one waits for the other."""
Why = Literal["not_lead", "unknown", "taken", "changed", "last_lead", "invitation"]
"""`not_lead`: only a lead may. `unknown`: no such person. `taken`: the name differs only by capitals from another's.
`changed`: somebody changed it meanwhile. `last_lead`: a review has a lead. `invitation`: it is not open any more."""


class PeopleError(TaggerError):
    """A change of people that is refused.

    Args:
        why: The reason.
        name: Whom it concerns.
    """

    def __init__(self, why: Why, name: str) -> None:
        super().__init__(f"refused: {why}")
        self.why = why
        self.name = name


@dataclass(frozen=True)
class Person:
    """Somebody who may use the review; times are seconds since 1970 by the database's clock."""

    name: str
    role: Role
    invited_at: float | None
    invited_by: str | None
    """None for who started the command."""
    invited_until: float | None
    """The end of the open invitation; None where none is open."""
    joined_at: float | None
    """None for who has not used an invitation yet."""


class People:
    """The people of one run's review.

    Those who change something are named by `by`, and must be leads when it is changed, not only when they asked.

    Args:
        engine: From `open_database`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self.run_id = run_id

    def everyone(self) -> list[Person]:
        """All who belong to the review, by name."""
        with self._reader.begin() as connection:
            return [_person(row) for row in self._rows(connection).values() if row["ended_at"] is None]

    def check_name(self, name: str) -> None:
        """Raise PeopleError for `taken` when a name differs only by capitals from somebody's, who may have left."""
        with self._reader.begin() as connection:
            _need_free(self._rows(connection), name)

    def invite(self, by: str | None, name: str, role: Role, digest: str, seconds: float) -> None:
        """Invite a person, or a person's further browser; an earlier invitation ends.

        Args:
            by: A lead; None for the command itself.
            name: The person.
            role: As what; it becomes the role of a person who is here already.
            digest: SHA-256 of the invitation's key.
            seconds: How long it can be used.

        Raises:
            PeopleError: for `not_lead`, `taken`, `last_lead`.
        """
        with self._engine.begin() as connection:
            rows = self._rows(connection, lock=True)
            if by is not None:
                _need_lead(rows, by)
            _need_free(rows, name)
            _need_another_lead(rows, name, role)
            clock = clock_of(connection)
            self._save(
                connection, name, role=role, invitation=digest, invited_at=clock, invited_by=by,
                invited_until=clock + seconds, ended_at=None, ended_by=None,
            )  # fmt: skip

    def withdraw(self, by: str, name: str) -> None:
        """End a person's open invitation. Raises PeopleError for `not_lead` and `unknown`."""
        with self._engine.begin() as connection:
            rows = self._rows(connection, lock=True)
            _need_lead(rows, by)
            _known(rows, name)
            self._save(connection, name, invitation=None, invited_until=None)

    def is_invited(self, name: str, digest: str) -> bool:
        """Whether a person's open invitation is the one with this digest."""
        with self._reader.begin() as connection:
            row = self._rows(connection).get(name)
            return row is not None and row["ended_at"] is None and row["invitation"] == digest

    def join(self, name: str, digest: str, key: str, browser: str) -> None:
        """Use an invitation up, and open a session. Raises PeopleError for `invitation` when it is not open any more.

        `key` and `browser` are the session's.
        """
        with self._engine.begin() as connection:
            row = self._rows(connection, lock=True).get(name)
            if row is None or row["ended_at"] is not None or row["invitation"] != digest:
                raise PeopleError("invitation", name)
            joined = row["joined_at"] or clock_of(connection)
            self._save(connection, name, invitation=None, invited_until=None, joined_at=joined)
            begin_session(connection, self.run_id, key, name, browser, None)

    def enter(self, name: str, key: str, browser: str, token: str) -> None:
        """Open a session for a lead who knows the token.

        `key` and `browser` are the session's, `token` is the token's digest.
        """
        with self._engine.begin() as connection:
            joined = (self._rows(connection, lock=True).get(name) or {}).get("joined_at") or clock_of(connection)
            self._save(connection, name, role="lead", ended_at=None, ended_by=None, joined_at=joined)
            begin_session(connection, self.run_id, key, name, browser, token)

    def change_role(self, by: str, name: str, role: Role, expected: str) -> None:
        """Give a person another role; who becomes a reader has nothing claimed any more.

        Args:
            by: A lead.
            name: The person.
            role: The new role.
            expected: The role when the page was shown.

        Raises:
            PeopleError: for `not_lead`, `unknown`, `changed`, `last_lead`.
        """
        with self._engine.begin() as connection:
            rows = self._rows(connection, lock=True)
            _need_lead(rows, by)
            if _known(rows, name)["role"] != expected:
                raise PeopleError("changed", name)
            _need_another_lead(rows, name, role)
            self._save(connection, name, role=role)
            if role == "reader":  # what a reader holds, nobody could decide
                release_claims(connection, self.run_id, sessions.c.person == name)

    def remove(self, by: str, name: str) -> None:
        """Take a person out: sessions and invitation end, claims are released, decisions stay.

        Raises:
            PeopleError: for `not_lead`, `unknown`, `last_lead`.
        """
        with self._engine.begin() as connection:
            rows = self._rows(connection, lock=True)
            _need_lead(rows, by)
            _known(rows, name)
            _need_another_lead(rows, name, None)
            ended = {"ended_at": clock_of(connection), "ended_by": by}
            self._save(connection, name, invitation=None, invited_until=None, **ended)
            end_sessions(connection, self.run_id, sessions.c.person == name)

    def _rows(self, connection: Connection, lock: bool = False) -> dict[str, dict[str, Any]]:
        """All people by name, also those who left; `lock` keeps them from changing until the transaction ends."""
        if lock and connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        query = select(people).where(people.c.run_id == self.run_id).order_by(people.c.name)
        return {row["name"]: dict(row) for row in connection.execute(query).mappings()}

    def _save(self, connection: Connection, name: str, **values: object) -> None:
        """Change a person, or add one."""
        if name in self._rows(connection, lock=True):
            of_person = and_(people.c.run_id == self.run_id, people.c.name == name)
            connection.execute(update(people).where(of_person).values(values))
        else:
            connection.execute(insert(people).values(run_id=self.run_id, name=name, **values))


def _person(row: dict[str, Any]) -> Person:
    return Person(**{name: row[name] for name in Person.__dataclass_fields__})


def _known(rows: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    row = rows.get(name)
    if row is None or row["ended_at"] is not None:
        raise PeopleError("unknown", name)
    return row


def _need_free(rows: dict[str, dict[str, Any]], name: str) -> None:
    for other in rows:
        if other != name and other.casefold() == name.casefold():
            raise PeopleError("taken", other)


def _need_lead(rows: dict[str, dict[str, Any]], by: str) -> None:
    row = rows.get(by)
    if row is None or row["ended_at"] is not None or row["role"] != "lead":
        raise PeopleError("not_lead", by)


def _need_another_lead(rows: dict[str, dict[str, Any]], name: str, role: Role | None) -> None:
    """Refuse to take the lead's role from the last lead who has joined."""
    leads = [n for n, row in rows.items() if row["role"] == "lead" and row["joined_at"] and row["ended_at"] is None]
    if leads == [name] and role != "lead":
        raise PeopleError("last_lead", name)
