"""The review's queue at work: sessions claim items for a time (a lease) and decide them; nothing is overwritten."""

import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from tagger.errors import TaggerError
from tagger.review.store import conditions
from tagger.review.store.conditions import BIT
from tagger.review.store.log import LEAVE_IT_WAITING, REFUSED, SKIPPED, UNDONE, UNSKIPPED, Line
from tagger.review.store.reading import ReviewReader, item_of
from tagger.review.store.records import Change, Filter, QueuedItem
from tagger.review.store.settings import DUPLICATES, LEAVES, SUGGESTIONS
from tagger.review.store.tables import decisions, queue, settings, skips

_IMPORTED = "elsewhere"
"""The session of decisions that were made outside this database."""
_LEASE_S = 600
_ROWS_AT_ONCE = 1000


class ConflictError(TaggerError):
    """Somebody else has claimed the item, or has decided it meanwhile."""


class ReviewStore(ReviewReader):
    """The review of one run, to be written to."""

    def end_session(self, session: str) -> None:
        """Remember that a session has signed out, and release what it had claimed."""
        self.settings.end_session(session)
        with self._engine.begin() as connection:
            self._release(connection, session)

    def suggest(self, suggestions: Iterable[tuple[str, str, str, float]]) -> None:
        """Store an audit's suggestions, once: id, masterCategory, articleType, confidence."""
        try:
            self._suggest(suggestions)
        except IntegrityError:
            if not self.settings.get(SUGGESTIONS):  # otherwise another process was first
                raise

    def _suggest(self, suggestions: Iterable[tuple[str, str, str, float]]) -> None:
        of_item = and_(queue.c.run_id == self.run_id, queue.c.id == bindparam("item"))
        names = ("item", "to_master", "to_article", "to_confidence")
        values: dict[str, Any] = {f"suggested_{name.removeprefix('to_')}": bindparam(name) for name in names[1:]}
        with self._engine.begin() as connection:
            connection.execute(insert(settings).values(run_id=self.run_id, name=SUGGESTIONS, value=True))
            stream = iter(suggestions)
            while batch := list(islice(stream, _ROWS_AT_ONCE)):
                rows = [dict(zip(names, row, strict=True)) for row in batch]
                connection.execute(update(queue).where(of_item).values(values), rows)

    def fill(
        self,
        rows: Iterable[dict[str, Any]],
        leaves: Sequence[tuple[str, str]],
        earlier: Iterable[dict[str, Any]] = (),
        duplicates: str | None = None,
    ) -> int | None:
        """Put a run's items into the empty queue, in one transaction.

        Args:
            rows: The items, by the queue's columns.
            leaves: (masterCategory, articleType) pairs to choose from.
            earlier: Decisions that were made outside this database, by DECISION; those of unknown items are ignored.
            duplicates: Address of the table of items that share a picture; stored as a setting.

        Returns:
            The number of items; None where another process has filled the queue meanwhile.
        """
        try:
            return self._fill(rows, {LEAVES: leaves, DUPLICATES: duplicates}, earlier)
        except IntegrityError:
            if self.is_filled():
                return None
            raise

    def _fill(self, rows: Iterable[dict[str, Any]], values: dict[str, Any], earlier: Iterable[dict[str, Any]]) -> int:
        count = 0
        with self._engine.begin() as connection:
            # the settings come first: a second process waits here until the first is done, and then gets an error
            named = [{"run_id": self.run_id, "name": name, "value": value} for name, value in values.items()]
            connection.execute(insert(settings), named)
            stream = iter(rows)
            while batch := list(islice(stream, _ROWS_AT_ONCE)):
                bits = [sum(BIT.get(reason, 0) for reason in row["reasons"]) for row in batch]
                keyed = [{**row, "run_id": self.run_id, "reason_bits": b} for row, b in zip(batch, bits, strict=True)]
                connection.execute(insert(queue), keyed)
                count += len(keyed)
            self._import(connection, earlier)
        return count

    def _import(self, connection: Connection, earlier: Iterable[dict[str, Any]]) -> None:
        """Append decisions that were made outside this database to the log, as current decisions."""
        action_id = uuid.uuid4().hex
        for row in earlier:
            of_item = and_(queue.c.run_id == self.run_id, queue.c.id == row["id"])
            position = connection.scalar(select(queue.c.position).where(of_item))
            if position is None:
                continue
            entry = {
                "run_id": self.run_id,
                "position": position,
                "verdict": row["verdict"],
                "master": row["masterCategory"],
                "article": row["articleType"],
                "attributes": row["attributes"] or None,
                "decided_by": row["decidedBy"],
                "decided_at": row["decidedAt"].astimezone(UTC).replace(tzinfo=None),
                "session": _IMPORTED,
                "action_id": action_id,
            }
            seq = connection.scalar(insert(decisions).values(entry).returning(decisions.c.seq))
            self._set(connection, position, current=seq)

    def next(self, session: str, item_filter: Filter, count: int = 1, in_grid: bool = False) -> list[QueuedItem]:
        """Claim the next waiting items: for ten minutes no other session gets them, or items with their picture.

        Args:
            session: The calling session; items that it has already claimed come first.
            item_filter: Which items.
            count: How many at most.
            in_grid: Leave out what was marked wrong in the grid.
        """
        with self._engine.begin() as connection:
            clock = _clock(connection)
            self._release(connection, session)
            skipped = select(skips.c.position).where(*conditions.skipped(self.run_id, session))
            where = conditions.waiting(self.run_id, item_filter)
            where += [queue.c.claimed_until < clock, queue.c.position.not_in(skipped)]
            claimed = and_(queue.c.claimed_by.is_not(None), queue.c.claimed_until >= clock)
            of_run = and_(queue.c.run_id == self.run_id, queue.c.picture.is_not(None))
            pictures = set(connection.scalars(select(queue.c.picture).where(of_run, claimed)))
            where.append(or_(queue.c.picture.is_(None), queue.c.picture.not_in(pictures)))
            if in_grid:
                where.append(queue.c.refused.is_(False))
            query = select(queue).where(*where).order_by(*_order(item_filter)).limit(count)
            rows = connection.execute(query.with_for_update(skip_locked=True)).mappings().all()
            self._claim(connection, session, [row["position"] for row in rows], clock)
            return [item_of(row) for row in rows]

    def take(self, session: str, position: int) -> QueuedItem | None:
        """One item by its position, claimed unless another session has it; None where there is none."""
        with self._engine.begin() as connection:
            clock = _clock(connection)
            self._release(connection, session)
            query = select(queue).where(queue.c.run_id == self.run_id, queue.c.position == position)
            row = connection.execute(query.with_for_update()).mappings().first()
            if row is None:
                return None
            if row["claimed_until"] < clock and row["current"] is None:
                self._claim(connection, session, [position], clock)
            return item_of(row)

    def decide(
        self,
        session: str,
        who: str,
        changes: Sequence[Change],
        refused: Sequence[int] = (),
        optional: Sequence[Change] = (),
    ) -> list[int]:
        """Save the decisions of one key press; return the positions of the items that were decided.

        Args:
            session: Whose claims end.
            who: Name in the log.
            changes: One per item; a conflict in one of them refuses the whole key press.
            refused: Items whose prediction is wrong, and which wait to be seen one by one.
            optional: Changes of other items; those in conflict are left out.

        Raises:
            ConflictError: when the key press is refused; nothing is written then.
        """
        with self._engine.begin() as connection:
            clock = _clock(connection)
            rows = self._locked(connection, [c.position for c in changes])
            # optional items that another transaction has locked are left out, so that nobody waits for them
            rows |= self._locked(connection, [*(c.position for c in optional), *refused], skip_locked=True)
            for change in changes:
                conflict = _conflict(rows.get(change.position), change.expected, session, clock)
                if conflict:
                    raise ConflictError(conflict)
            decided = [*changes]
            decided += [c for c in optional if not _conflict(rows.get(c.position), c.expected, session, clock)]
            marked = [p for p in refused if not _conflict(rows.get(p), None, session, clock)]
            lines = [
                Line(c.position, str(c.verdict), c.master, c.article, c.expected, attributes=c.attributes)
                for c in decided
            ]
            lines += [Line(p, REFUSED) for p in marked]
            seqs = self._log.append(connection, session, who, uuid.uuid4().hex, lines)
            for change, seq in zip(decided, seqs, strict=False):
                self._set(connection, change.position, current=seq, claimed_by=None, claimed_until=0.0)
            for position in marked:
                self._set(connection, position, refused=True, claimed_by=None, claimed_until=0.0)
        return [c.position for c in decided]

    def _locked(
        self, connection: Connection, positions: Sequence[int], skip_locked: bool = False
    ) -> dict[int, RowMapping]:
        """Items by their positions, locked in that order, so that two key presses never deadlock."""
        rows = connection.execute(
            select(queue.c.position, queue.c.current, queue.c.claimed_by, queue.c.claimed_until)
            .where(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            .order_by(queue.c.position)
            .with_for_update(skip_locked=skip_locked)
        ).mappings()
        return {row["position"]: row for row in rows}

    def skip(self, session: str, who: str, positions: Sequence[int]) -> None:
        """Leave items to others, until `forget_skips`; `undo` undoes it."""
        with self._engine.begin() as connection:
            of_items = and_(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            known = sorted(connection.scalars(select(queue.c.position).where(of_items)))
            self._add_skips(connection, session, known)
            self._log.append(connection, session, who, uuid.uuid4().hex, [Line(p, SKIPPED) for p in known])
            self._release(connection, session)

    def forget_skips(self, session: str, who: str) -> None:
        """Show a session again what it skipped; `undo` undoes it."""
        skipped = conditions.skipped(self.run_id, session)
        with self._engine.begin() as connection:
            positions = sorted(connection.scalars(select(skips.c.position).where(*skipped)))
            connection.execute(delete(skips).where(*skipped))
            self._log.append(connection, session, who, uuid.uuid4().hex, [Line(p, UNSKIPPED) for p in positions])

    def undo(self, session: str, who: str) -> list[int] | None:
        """Undo a session's last key press, and claim its items again.

        Later decisions by others stay.

        Returns:
            The items' positions, in the order of the decisions; None when there is nothing left to undo.
        """
        with self._engine.begin() as connection:
            rows = self._log.last_to_undo(connection, session)
            self._release(connection, session)
            lines = [Line(r["position"], UNDONE, before=r["seq"], undoes=r["seq"]) for r in rows]
            self._log.append(connection, session, who, uuid.uuid4().hex, lines)
            positions = {
                verdict: [r["position"] for r in rows if r["verdict"] == verdict] for verdict in LEAVE_IT_WAITING
            }
            self._add_skips(connection, session, positions[UNSKIPPED])
            skipped = skips.c.position.in_(positions[SKIPPED])
            connection.execute(delete(skips).where(*conditions.skipped(self.run_id, session), skipped))
            undone = [r for r in rows if r["current"] == (None if r["verdict"] in LEAVE_IT_WAITING else r["seq"])]
            clock = _clock(connection)
            for row in undone:
                self._restore(connection, row, session, clock)
            shown = [row for row in undone if row["verdict"] != UNSKIPPED]
            return [row["position"] for row in sorted(shown, key=lambda row: row["seq"])] if rows else None

    def _restore(self, connection: Connection, row: RowMapping, session: str, clock: float) -> None:
        """Give an item the state that it had before an entry of the log, and claim it if it is free."""
        values: dict[str, Any] = {}
        if row["verdict"] == REFUSED:
            values["refused"] = False
        elif row["verdict"] not in LEAVE_IT_WAITING:
            values["current"] = self._log.standing_before(connection, row["before"])
        is_free = row["claimed_by"] in (None, session) or row["claimed_until"] < clock
        if is_free and row["verdict"] != UNSKIPPED:
            values |= {"claimed_by": session, "claimed_until": clock + _LEASE_S}
        if values:
            self._set(connection, row["position"], **values)

    def _add_skips(self, connection: Connection, session: str, positions: Sequence[int]) -> None:
        skipped = select(skips.c.position).where(*conditions.skipped(self.run_id, session))
        known = set(connection.scalars(skipped))
        values = [{"run_id": self.run_id, "session": session, "position": p} for p in positions if p not in known]
        if values:
            connection.execute(insert(skips), values)

    def _release(self, connection: Connection, session: str) -> None:
        claimed = and_(queue.c.run_id == self.run_id, queue.c.claimed_by == session)
        connection.execute(update(queue).where(claimed).values(claimed_by=None, claimed_until=0.0))

    def _claim(self, connection: Connection, session: str, positions: Sequence[int], clock: float) -> None:
        if positions:
            of_items = and_(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            connection.execute(update(queue).where(of_items).values(claimed_by=session, claimed_until=clock + _LEASE_S))

    def _set(self, connection: Connection, position: int, **values: Any) -> None:
        of_items = and_(queue.c.run_id == self.run_id, queue.c.position == position)
        connection.execute(update(queue).where(of_items).values(**values))


def _clock(connection: Connection) -> float:
    """Seconds since 1970 by the database's clock, which all servers of a review share; SQLite has this machine's."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)
    return time.time()


def _conflict(row: RowMapping | None, expected: int | None, session: str, clock: float) -> str | None:
    """Why a session must not decide an item; None if it may."""
    if row is None:
        return "there is no such item in this review"
    if row["current"] != expected:
        return "somebody has decided about this item meanwhile"
    if row["claimed_by"] not in (None, session) and row["claimed_until"] >= clock:
        return "somebody else has this item open"
    return None


def _order(item_filter: Filter) -> list[ColumnElement[Any]]:
    if item_filter.order == "catalogue":
        return [queue.c.position]
    confidence = queue.c.article_confidence
    return [confidence.desc() if item_filter.order == "certain" else confidence, queue.c.position]
