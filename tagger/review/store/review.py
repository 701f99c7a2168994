"""A review at work: what people decide about its items, skip and undo; nothing is overwritten."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tagger.review.store import conditions
from tagger.review.store.claims import Claims
from tagger.review.store.filling import Filling
from tagger.review.store.groups import Groups
from tagger.review.store.leases import CLAIM, NOT_CLAIMED, OPEN_S, Leases, clock_of, conflict
from tagger.review.store.log import FLAGGED, LEAVE_IT_WAITING, PROPOSED, REFUSED, SKIPPED, UNDONE, UNSKIPPED, Line
from tagger.review.store.people import People
from tagger.review.store.proposals import Proposals
from tagger.review.store.reading import ReviewReader
from tagger.review.store.records import Change, ConflictError
from tagger.review.store.second_answers import SecondAnswers
from tagger.review.store.sessions import BrowserSessions
from tagger.review.store.settings import SUGGESTIONS
from tagger.review.store.tables import queue, skips


class ReviewStore(ReviewReader):
    """The review of one run, to be written to.

    Args:
        engine: From `open_database`.
        run_id: The run whose items are reviewed; a database may hold several.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        super().__init__(engine, run_id)
        self.claims = Claims(engine, run_id)
        self.proposals = Proposals(engine, run_id)
        self.people = People(engine, run_id)
        self.sessions = BrowserSessions(engine, run_id)
        self.groups = Groups(engine, run_id)
        self.second_answers = SecondAnswers(engine, run_id)
        self._filling = Filling(engine, run_id)
        self._leases = Leases(run_id)

    def suggest(self, suggestions: Iterable[tuple[str, str, str, float]]) -> None:
        """Store an audit's suggestions, once: id, masterCategory, articleType, confidence."""
        try:
            self._filling.suggest(suggestions)
        except IntegrityError:
            if not self.settings.get(SUGGESTIONS):  # otherwise another process was first
                raise

    def count_witness(self, said: Mapping[int, str]) -> None:
        """Count what one more witness says, article types by position, into the order that begins with disputes."""
        self._filling.count_witness(said)

    def fill(
        self,
        rows: Iterable[dict[str, Any]],
        leaves: Sequence[tuple[str, str]],
        earlier: Iterable[dict[str, Any]] = (),
        duplicates: str | None = None,
        groups: Iterable[dict[str, Any]] = (),
    ) -> int | None:
        """Put a run's items into the empty queue, in one transaction.

        Args:
            rows: The items, by the queue's columns.
            leaves: (masterCategory, articleType) pairs to choose from.
            earlier: Decisions that were made outside this database, by DECISION; those of unknown items are ignored.
            duplicates: Address of the table of items that share a picture; stored as a setting.
            groups: Its groups, as `add_groups` takes them.

        Returns:
            The number of items; None where another process has filled the queue meanwhile.
        """
        try:
            return self._filling.fill(rows, leaves, earlier, duplicates, groups)
        except IntegrityError:
            if self.is_filled():
                return None
            raise

    def release(self, session: str) -> None:
        """Release the items and the group that a session has claimed."""
        self.claims.release(session)
        self.groups.release(session)

    def decide(
        self,
        session: str,
        who: str,
        changes: Sequence[Change],
        refused: Sequence[int] = (),
        optional: Sequence[Change] = (),
        stroke: str | None = None,
    ) -> list[int]:
        """Save the decisions of one key press; return the positions of the items that were decided.

        Args:
            session: Whose claims end.
            who: Name in the log.
            changes: One per item; a conflict in one of them refuses the whole key press.
            refused: Items whose prediction is wrong, and which wait to be seen one by one.
            optional: Changes of other items; those in conflict are left out.
            stroke: A key of the key press, random; one that was saved already is not saved again.

        Raises:
            ConflictError: when the key press is refused; nothing is written then.
        """
        with self._engine.begin() as connection:
            rows = self._locked(connection, [c.position for c in changes])
            saved = self._log.of_stroke(connection, session, stroke)
            if saved:
                return [line.position for line in saved if line.verdict != REFUSED]
            clock = clock_of(connection)
            # optional items that another transaction has locked are left out, so that nobody waits for them
            rows |= self._locked(connection, [*(c.position for c in optional), *refused], skip_locked=True)
            for change in changes:
                why = conflict(rows.get(change.position), change.expected, session, clock)
                if why:
                    raise ConflictError(self._log.explained(connection, why, session))
            decided = [*changes]
            decided += [c for c in optional if not conflict(rows.get(c.position), c.expected, session, clock)]
            marked = [p for p in refused if not conflict(rows.get(p), None, session, clock)]
            lines = [
                Line(c.position, str(c.verdict), c.master, c.article, c.expected, attributes=c.attributes)
                for c in decided
            ]
            lines += [Line(p, REFUSED) for p in marked]
            seqs = self._log.append(connection, session, who, stroke, lines)
            for change, seq in zip(decided, seqs, strict=False):
                self._set(connection, change.position, current=seq, **NOT_CLAIMED)
            for position in marked:
                self._set(connection, position, refused=True, **NOT_CLAIMED)
        return [c.position for c in decided]

    def _locked(
        self, connection: Connection, positions: Sequence[int], skip_locked: bool = False
    ) -> dict[int, RowMapping]:
        """Items by their positions, locked in that order, so that two key presses never deadlock."""
        rows = connection.execute(
            select(*CLAIM)
            .where(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            .order_by(queue.c.position)
            .with_for_update(skip_locked=skip_locked)
        ).mappings()
        return {row["position"]: row for row in rows}

    def skip(self, session: str, who: str, positions: Sequence[int], stroke: str | None = None) -> None:
        """Leave items to others, until `forget_skips`; `undo` undoes it.

        `stroke` is as in `decide`.
        """
        with self._engine.begin() as connection:
            of_items = and_(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            known = sorted(connection.scalars(select(queue.c.position).where(of_items).with_for_update()))
            if self._log.of_stroke(connection, session, stroke):
                return
            self._add_skips(connection, session, known)
            self._log.append(connection, session, who, stroke, [Line(p, SKIPPED) for p in known])
            held = and_(of_items, queue.c.claimed_by == session)
            connection.execute(update(queue).where(held).values(NOT_CLAIMED))

    def flag(self, session: str, who: str, position: int, note: str, stroke: str | None = None) -> None:
        """Flag an item with a note, and leave it to others; `undo` undoes it.

        `stroke` is as in `decide`.

        Raises:
            ConflictError: when there is no such item, or somebody has decided about it or has it open.
        """
        with self._engine.begin() as connection:
            row = self._locked(connection, [position]).get(position)
            if self._log.of_stroke(connection, session, stroke):
                return
            why = conflict(row, None, session, clock_of(connection))
            if why:
                raise ConflictError(self._log.explained(connection, why, session))
            self._log.append(connection, session, who, stroke, [Line(position, FLAGGED, note=note)])
            self._add_skips(connection, session, [position])
            self._set(connection, position, flag=note, **NOT_CLAIMED)

    def forget_skips(self, session: str, who: str) -> None:
        """Show a session again what it skipped; `undo` undoes it."""
        skipped = conditions.skipped(self.run_id, session)
        with self._engine.begin() as connection:
            positions = sorted(connection.scalars(select(skips.c.position).where(*skipped)))
            connection.execute(delete(skips).where(*skipped))
            self._log.append(connection, session, who, None, [Line(p, UNSKIPPED) for p in positions])

    def undo(self, session: str, who: str, stroke: str | None = None) -> list[int] | None:
        """Undo a session's last key press, and claim its items again.

        Later decisions by others stay. `stroke` is as in `decide`.

        Returns:
            The items' positions, in the order of the decisions; None when there is nothing left to undo.
        """
        with self._engine.begin() as connection:
            rows = self._log.last_to_undo(connection, session)
            saved = self._log.of_stroke(connection, session, stroke)
            if saved:
                return [line.position for line in saved]
            lines = [Line(r["position"], UNDONE, before=r["seq"], undoes=r["seq"]) for r in rows]
            self._log.append(connection, session, who, stroke, lines)
            positions = {
                verdict: [r["position"] for r in rows if r["verdict"] == verdict] for verdict in LEAVE_IT_WAITING
            }
            self._add_skips(connection, session, positions[UNSKIPPED])
            skipped = skips.c.position.in_([*positions[SKIPPED], *positions[FLAGGED]])
            connection.execute(delete(skips).where(*conditions.skipped(self.run_id, session), skipped))
            undone = [r for r in rows if r["current"] == (None if r["verdict"] in LEAVE_IT_WAITING else r["seq"])]
            clock = clock_of(connection)
            for row in undone:
                self._restore(connection, row, session, who, clock)
            shown = [row for row in undone if row["verdict"] != UNSKIPPED]
            return [row["position"] for row in sorted(shown, key=lambda row: row["seq"])] if rows else None

    def _restore(self, connection: Connection, row: RowMapping, session: str, who: str, clock: float) -> None:
        """Give an item the state that it had before an entry of the log, and claim it if it is free."""
        values: dict[str, Any] = {}
        if row["verdict"] == REFUSED:
            values["refused"] = False
        elif row["verdict"] == FLAGGED:
            values["flag"] = None
        elif row["verdict"] == PROPOSED:
            values["proposal"] = None
        elif row["verdict"] not in LEAVE_IT_WAITING:
            values["current"] = self._log.standing_before(connection, row["before"])
        if values:
            self._set(connection, row["position"], **values)
        is_free = row["claimed_by"] in (None, session) or row["claimed_until"] < clock or row["claimed_ahead"]
        if is_free and row["verdict"] != UNSKIPPED:
            self._leases.claim(connection, session, who, [row["position"]], clock, OPEN_S)

    def _add_skips(self, connection: Connection, session: str, positions: Sequence[int]) -> None:
        skipped = select(skips.c.position).where(*conditions.skipped(self.run_id, session))
        known = set(connection.scalars(skipped))
        values = [{"run_id": self.run_id, "session": session, "position": p} for p in positions if p not in known]
        if values:
            connection.execute(insert(skips), values)

    def _set(self, connection: Connection, position: int, **values: Any) -> None:
        of_items = and_(queue.c.run_id == self.run_id, queue.c.position == position)
        connection.execute(update(queue).where(of_items).values(**values))
