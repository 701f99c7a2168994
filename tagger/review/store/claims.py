"""What waits for a person, who has it, and what was decided: nobody gets another's item, nothing is overwritten."""

import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC
from itertools import islice
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
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
from tagger.review.store.log import LEAVE_IT_WAITING, REFUSED, SKIPPED, UNDONE, UNSKIPPED, Line
from tagger.review.store.reading import BIT, ENDED, LEAVES, ReviewReader, item_of
from tagger.review.store.records import Change, Filter, QueuedItem
from tagger.review.store.tables import decisions, queue, settings, skips

DUPLICATES, SUGGESTIONS, LEAF_COUNTS = "duplicates", "suggestions", "leaf_counts"
_ELSEWHERE = "elsewhere"
_LEASE_S = 600
_ROWS_AT_ONCE = 1000


class ConflictError(TaggerError):
    """Somebody else has the item, or has decided it meanwhile."""


class ReviewStore(ReviewReader):
    """The review of one run, to be worked on."""

    def set_once(self, name: str, value: Any) -> Any:
        """Set a value unless there is one; return the one that stands."""
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(settings).values(run_id=self.run_id, name=name, value=value))
        except IntegrityError:
            return self.setting(name)
        return value

    def end_session(self, session: str) -> None:
        """Remember that a session has signed out, and let go of what it had open."""
        self.set_once(f"{ENDED}{session}", True)
        with self._engine.begin() as connection:
            self._release(connection, session)

    def suggest(self, suggestions: Iterable[tuple[str, str, str, float]]) -> None:
        """Write what an audit suggests in place of its labels, once: id, masterCategory, articleType, how sure."""
        try:
            self._suggest(suggestions)
        except IntegrityError:
            if not self.setting(SUGGESTIONS):  # else another process was first
                raise

    def _suggest(self, suggestions: Iterable[tuple[str, str, str, float]]) -> None:
        here = and_(queue.c.run_id == self.run_id, queue.c.id == bindparam("item"))
        names = ("item", "to_master", "to_article", "to_confidence")
        values: dict[str, Any] = {f"suggested_{name.removeprefix('to_')}": bindparam(name) for name in names[1:]}
        with self._engine.begin() as connection:
            connection.execute(insert(settings).values(run_id=self.run_id, name=SUGGESTIONS, value=True))
            stream = iter(suggestions)
            while part := list(islice(stream, _ROWS_AT_ONCE)):
                rows = [dict(zip(names, row, strict=True)) for row in part]
                connection.execute(update(queue).where(here).values(values), rows)

    def fill(
        self,
        rows: Iterable[dict[str, Any]],
        leaves: Sequence[tuple[str, str]],
        earlier: Iterable[dict[str, Any]] = (),
        duplicates: str | None = None,
    ) -> int | None:
        """Put a run's items into the empty queue, all or none.

        Args:
            rows: The items, by the queue's columns.
            leaves: (masterCategory, articleType) pairs to choose from.
            earlier: Decisions that were made elsewhere, by DECISION; of items that are not in the queue, none is taken.
            duplicates: Where it is known from which items have one picture; kept as a setting of that name.

        Returns:
            How many items there are; None where another process has filled it meanwhile.
        """
        try:
            return self._fill(rows, {LEAVES: leaves, DUPLICATES: duplicates}, earlier)
        except IntegrityError:
            if self.is_filled():
                return None
            raise

    def _fill(self, rows: Iterable[dict[str, Any]], set_to: dict[str, Any], earlier: Iterable[dict[str, Any]]) -> int:
        count = 0
        with self._engine.begin() as connection:
            # first of all: a second process waits here until the first is done, and then finds its entry
            named = [{"run_id": self.run_id, "name": name, "value": value} for name, value in set_to.items()]
            connection.execute(insert(settings), named)
            stream = iter(rows)
            while part := list(islice(stream, _ROWS_AT_ONCE)):
                bits = [sum(BIT.get(reason, 0) for reason in row["reasons"]) for row in part]
                values = [{**row, "run_id": self.run_id, "reason_bits": b} for row, b in zip(part, bits, strict=True)]
                connection.execute(insert(queue), values)
                count += len(values)
            self._take_over(connection, earlier)
        return count

    def _take_over(self, connection: Connection, earlier: Iterable[dict[str, Any]]) -> None:
        """Write decisions that were made elsewhere into the log, and let them stand."""
        stroke = uuid.uuid4().hex
        for row in earlier:
            here = and_(queue.c.run_id == self.run_id, queue.c.id == row["id"])
            position = connection.scalar(select(queue.c.position).where(here))
            if position is None:
                continue
            entry = {
                "run_id": self.run_id,
                "position": position,
                "verdict": row["verdict"],
                "master": row["masterCategory"],
                "article": row["articleType"],
                "decided_by": row["decidedBy"],
                "decided_at": row["decidedAt"].astimezone(UTC).replace(tzinfo=None),
                "session": _ELSEWHERE,
                "stroke": stroke,
            }
            seq = connection.scalar(insert(decisions).values(entry).returning(decisions.c.seq))
            self._set(connection, position, current=seq)

    def next(self, session: str, wanted: Filter, count: int = 1, in_grid: bool = False) -> list[QueuedItem]:
        """Take the next waiting items for a session: for ten minutes nobody else gets them, nor what has their picture.

        Args:
            session: Who asks; what it has already comes first.
            wanted: Which items.
            count: How many at most.
            in_grid: Leave out what was marked wrong in the grid.
        """
        with self._engine.begin() as connection:
            clock = _clock(connection)
            self._release(connection, session)
            mine = select(skips.c.position).where(skips.c.run_id == self.run_id, skips.c.session == session)
            conditions = [*self._waiting(wanted), queue.c.claimed_until < clock, queue.c.position.not_in(mine)]
            held = and_(queue.c.claimed_by.is_not(None), queue.c.claimed_until >= clock, queue.c.picture.is_not(None))
            pictures = set(connection.scalars(select(queue.c.picture).where(queue.c.run_id == self.run_id, held)))
            conditions.append(or_(queue.c.picture.is_(None), queue.c.picture.not_in(pictures)))
            if in_grid:
                conditions.append(queue.c.refused.is_(False))
            chosen = select(queue).where(*conditions).order_by(*_order(wanted)).limit(count)
            rows = connection.execute(chosen.with_for_update(skip_locked=True)).mappings().all()
            self._claim(connection, session, [row["position"] for row in rows], clock)
            return [item_of(row) for row in rows]

    def take(self, session: str, position: int) -> QueuedItem | None:
        """One item by its number, taken for a session where nobody else has it; None where there is none."""
        with self._engine.begin() as connection:
            clock = _clock(connection)
            self._release(connection, session)
            row = connection.execute(self._at(position)).mappings().first()
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
        beside: Sequence[Change] = (),
    ) -> list[int]:
        """Write what a person said, as one stroke; return the numbers of the items that it holds for.

        Args:
            session: Whose claims are spent.
            who: Name in the log.
            changes: One an item; one that somebody else has or decided spoils the stroke.
            refused: Items whose prediction is wrong, and which wait to be seen by themselves.
            beside: Changes of other items; one that somebody else has or decided is left out.

        Raises:
            ConflictError: when the stroke is spoilt; nothing is written then.
        """
        stroke = uuid.uuid4().hex
        with self._engine.begin() as connection:
            clock = _clock(connection)
            found = self._locked(connection, [c.position for c in changes])
            # what somebody else is about to take or decide is left out, and nobody waits for it
            found |= self._locked(connection, [*(c.position for c in beside), *refused], skip_locked=True)
            fit: list[Change] = []
            for change in changes:
                problem = _problem(found.get(change.position), change.expected, session, clock)
                if problem:
                    raise ConflictError(problem)
                fit.append(change)
            fit += [c for c in beside if not _problem(found.get(c.position), c.expected, session, clock)]
            marked = [p for p in refused if not _problem(found.get(p), None, session, clock)]
            said = [Line(c.position, str(c.verdict), c.master, c.article, c.expected) for c in fit]
            said += [Line(p, REFUSED) for p in marked]
            seqs = self._log.append(connection, session, who, stroke, said)
            for change, seq in zip(fit, seqs, strict=False):
                self._set(connection, change.position, current=seq, claimed_by=None, claimed_until=0.0)
            for position in marked:
                self._set(connection, position, refused=True, claimed_by=None, claimed_until=0.0)
        return [c.position for c in fit]

    def _locked(
        self, connection: Connection, positions: Sequence[int], skip_locked: bool = False
    ) -> dict[int, RowMapping]:
        """Items by their numbers, locked in order, so that no two strokes over the same items wait for each other."""
        rows = connection.execute(
            select(queue.c.position, queue.c.current, queue.c.claimed_by, queue.c.claimed_until)
            .where(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            .order_by(queue.c.position)
            .with_for_update(skip_locked=skip_locked)
        ).mappings()
        return {row["position"]: row for row in rows}

    def skip(self, session: str, who: str, positions: Sequence[int]) -> None:
        """Leave items to others, and to `forget_skips`; `undo` takes it back."""
        with self._engine.begin() as connection:
            here = and_(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            known = sorted(connection.scalars(select(queue.c.position).where(here)))
            self._add_skips(connection, session, known)
            self._log.append(connection, session, who, uuid.uuid4().hex, [Line(p, SKIPPED) for p in known])
            self._release(connection, session)

    def forget_skips(self, session: str, who: str) -> None:
        """Show a session again what it skipped; `undo` takes it back."""
        with self._engine.begin() as connection:
            known = sorted(connection.scalars(select(skips.c.position).where(*self._skipped(session))))
            connection.execute(delete(skips).where(*self._skipped(session)))
            self._log.append(connection, session, who, uuid.uuid4().hex, [Line(p, UNSKIPPED) for p in known])

    def undo(self, session: str, who: str) -> list[int] | None:
        """Take back a session's last key press, and take its items again.

        What somebody else has decided since stays.

        Returns:
            The items' numbers, as they were decided; None when there is nothing left to take back.
        """
        with self._engine.begin() as connection:
            rows = self._log.last_to_undo(connection, session)
            self._release(connection, session)
            lines = [Line(r.position, UNDONE, before=r.seq, undoes=r.seq) for r in rows]
            self._log.append(connection, session, who, uuid.uuid4().hex, lines)
            positions = {verdict: [r.position for r in rows if r.verdict == verdict] for verdict in LEAVE_IT_WAITING}
            self._add_skips(connection, session, positions[UNSKIPPED])
            skipped = skips.c.position.in_(positions[SKIPPED])
            connection.execute(delete(skips).where(*self._skipped(session), skipped))
            back = [r for r in rows if r.current == (None if r.verdict in LEAVE_IT_WAITING else r.seq)]
            clock = _clock(connection)
            for row in back:
                changes: dict[str, Any] = {}
                if row.verdict == REFUSED:
                    changes["refused"] = False
                elif row.verdict not in LEAVE_IT_WAITING:
                    changes["current"] = self._log.standing_before(connection, row.before)
                is_free = row.claimed_by in (None, session) or row.claimed_until < clock
                if is_free and row.verdict != UNSKIPPED:
                    changes |= {"claimed_by": session, "claimed_until": clock + _LEASE_S}
                if changes:
                    self._set(connection, row.position, **changes)
            shown = [row for row in back if row.verdict != UNSKIPPED]
            return [row.position for row in sorted(shown, key=lambda row: row.seq)] if rows else None

    def _add_skips(self, connection: Connection, session: str, positions: Sequence[int]) -> None:
        known = set(connection.scalars(select(skips.c.position).where(*self._skipped(session))))
        values = [{"run_id": self.run_id, "session": session, "position": p} for p in positions if p not in known]
        if values:
            connection.execute(insert(skips), values)

    def _at(self, position: int) -> Select[Any]:
        return select(queue).where(queue.c.run_id == self.run_id, queue.c.position == position).with_for_update()

    def _release(self, connection: Connection, session: str) -> None:
        mine = and_(queue.c.run_id == self.run_id, queue.c.claimed_by == session)
        connection.execute(update(queue).where(mine).values(claimed_by=None, claimed_until=0.0))

    def _claim(self, connection: Connection, session: str, positions: Sequence[int], clock: float) -> None:
        if positions:
            here = and_(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            connection.execute(update(queue).where(here).values(claimed_by=session, claimed_until=clock + _LEASE_S))

    def _set(self, connection: Connection, position: int, **values: Any) -> None:
        here = and_(queue.c.run_id == self.run_id, queue.c.position == position)
        connection.execute(update(queue).where(here).values(**values))


def _clock(connection: Connection) -> float:
    """Seconds since 1970 by the database's clock, which all servers of a review share; SQLite has this machine's."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)
    return time.time()


def _problem(row: RowMapping | None, expected: int | None, session: str, clock: float) -> str | None:
    """Why a session cannot decide about an item, if it cannot."""
    if row is None:
        return "there is no such item in this review"
    if row["current"] != expected:
        return "somebody has decided about this item meanwhile"
    if row["claimed_by"] not in (None, session) and row["claimed_until"] >= clock:
        return "somebody else has this item open"
    return None


def _order(wanted: Filter) -> list[Any]:
    if wanted.order == "catalogue":
        return [queue.c.position]
    sure = queue.c.article_confidence
    return [sure.desc() if wanted.order == "certain" else sure, queue.c.position]
