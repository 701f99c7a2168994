"""What waits for a person, who has it, and what was decided: nobody gets another's item, nothing is overwritten."""

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy import inspect as inspected
from sqlalchemy.exc import IntegrityError

from schemas.decision import Verdict
from schemas.prediction import ReviewReason
from tagger.errors import TaggerError
from tagger.review.records import Change, Copies, Entry, Filter, Progress, QueuedItem
from tagger.review.tables import READ_ONLY, decisions, queue, settings, skips

UNDONE, REFUSED = "undone", "refused"
LEAVES, DUPLICATES = "leaves", "duplicates"
_ELSEWHERE = "elsewhere"
_LEASE_S = 600
_RATE_WINDOW_S, _LEAST_S = 600, 20
_ROWS_AT_ONCE = 1000
_COPIES_AT_ONCE = 1000
_BIT = {str(reason): 1 << i for i, reason in enumerate(ReviewReason)}


class ConflictError(TaggerError):
    """Somebody else has the item, or has decided it meanwhile."""


class ReviewStore:
    """The review of one run.

    Args:
        engine: From `open_database`.
        run_id: The run whose items are reviewed; a database may hold several.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self.run_id = run_id

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def setting(self, name: str) -> Any:
        """What was set under a name; None where nothing was."""
        with self._reader.begin() as connection:
            mine = and_(settings.c.run_id == self.run_id, settings.c.name == name)
            return connection.scalar(select(settings.c.value).where(mine))

    def set_once(self, name: str, value: Any) -> Any:
        """Set a value unless there is one; return the one that stands."""
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(settings).values(run_id=self.run_id, name=name, value=value))
        except IntegrityError:
            return self.setting(name)
        return value

    def is_filled(self) -> bool:
        """Whether the run's items are in the queue."""
        return self.setting(LEAVES) is not None

    def has_decisions(self) -> bool:
        """Whether anything was ever decided here."""
        with self._reader.begin() as connection:
            if not inspected(connection).has_table(decisions.name):
                return False
            found = select(decisions.c.seq).where(decisions.c.run_id == self.run_id).limit(1)
            return connection.scalar(found) is not None

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
                bits = [sum(_BIT.get(reason, 0) for reason in row["reasons"]) for row in part]
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
        now = time.time()
        with self._engine.begin() as connection:
            self._release(connection, session)
            mine = select(skips.c.position).where(skips.c.run_id == self.run_id, skips.c.session == session)
            conditions = [*self._waiting(wanted), queue.c.claimed_until < now, queue.c.position.not_in(mine)]
            held = and_(queue.c.claimed_by.is_not(None), queue.c.claimed_until >= now, queue.c.picture.is_not(None))
            pictures = set(connection.scalars(select(queue.c.picture).where(queue.c.run_id == self.run_id, held)))
            conditions.append(or_(queue.c.picture.is_(None), queue.c.picture.not_in(pictures)))
            if in_grid:
                conditions.append(queue.c.refused.is_(False))
            chosen = select(queue).where(*conditions).order_by(*_order(wanted)).limit(count)
            rows = connection.execute(chosen.with_for_update(skip_locked=True)).mappings().all()
            self._claim(connection, session, [row["position"] for row in rows], now)
            return [_item(row) for row in rows]

    def take(self, session: str, position: int) -> QueuedItem | None:
        """One item by its number, taken for a session where nobody else has it; None where there is none."""
        now = time.time()
        with self._engine.begin() as connection:
            self._release(connection, session)
            row = connection.execute(self._at(position)).mappings().first()
            if row is None:
                return None
            if row["claimed_until"] < now and row["current"] is None:
                self._claim(connection, session, [position], now)
            return _item(row)

    def items(self, positions: Sequence[int]) -> list[QueuedItem]:
        """Items by their numbers, in that order; those that are not there are left out."""
        with self._reader.begin() as connection:
            here = select(queue).where(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            found = {row["position"]: _item(row) for row in connection.execute(here).mappings()}
        return [found[p] for p in positions if p in found]

    def copies(self, item: QueuedItem, count: int) -> Copies:
        """The other items that have an item's picture, so many of them to be shown."""
        if item.picture is None:
            return Copies([], 0, 0, in_conflict=False)
        alike = and_(queue.c.run_id == self.run_id, queue.c.picture == item.picture)
        others = and_(alike, queue.c.position != item.position)
        decided_first = (queue.c.current.is_(None), queue.c.position)
        standing = and_(alike, decisions.c.seq == queue.c.current)
        with self._reader.begin() as connection:
            rows = connection.execute(select(queue).where(others).order_by(*decided_first).limit(count)).mappings()
            shown = [_item(row) for row in rows]
            current = decisions.c.seq.in_([item.current for item in shown if item.current is not None])
            said = connection.execute(select(decisions).where(current)).mappings().all()
            entries = {row["seq"]: _entry(row) for row in said}
            waits = and_(others, queue.c.current.is_(None), queue.c.refused.is_(False))
            waiting = connection.scalar(select(func.count()).where(waits)) or 0
            labels = select(queue.c.known_master, queue.c.known_article).where(
                alike, queue.c.known_article.is_not(None)
            )
            predictions = select(queue.c.master, queue.c.article).where(alike)
            decided = select(decisions.c.verdict != Verdict.UNUSABLE, decisions.c.master, decisions.c.article)
            selected = (labels, predictions, decided.where(standing))
            kinds = (connection.execute(found.distinct().limit(2)).all() for found in selected)
            return Copies(
                [(item, entries.get(item.current or 0)) for item in shown],
                min(waiting, _COPIES_AT_ONCE),
                waiting,
                in_conflict=any(len(found) > 1 for found in kinds),
            )

    def waiting_copies(self, item: QueuedItem) -> list[QueuedItem]:
        """The other items with an item's picture that wait and are not marked wrong, a thousand at most."""
        if item.picture is None:
            return []
        alike = and_(queue.c.run_id == self.run_id, queue.c.picture == item.picture, queue.c.current.is_(None))
        others = select(queue).where(alike, queue.c.position != item.position, queue.c.refused.is_(False))
        with self._reader.begin() as connection:
            rows = connection.execute(others.order_by(queue.c.position).limit(_COPIES_AT_ONCE)).mappings()
            return [_item(row) for row in rows]

    def position_of(self, item_id: str) -> int | None:
        """The number of an item by its id."""
        with self._reader.begin() as connection:
            here = select(queue.c.position).where(queue.c.run_id == self.run_id, queue.c.id == item_id)
            return connection.scalar(here)

    def history(self, position: int) -> list[Entry]:
        """All that was said of an item, the oldest first."""
        with self._reader.begin() as connection:
            mine = and_(decisions.c.run_id == self.run_id, decisions.c.position == position)
            rows = connection.execute(select(decisions).where(mine).order_by(decisions.c.seq)).mappings()
            return [_entry(row) for row in rows]

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
        now, stroke = time.time(), uuid.uuid4().hex
        with self._engine.begin() as connection:
            found = self._locked(connection, [c.position for c in changes])
            # what somebody else is about to take or decide is left out, and nobody waits for it
            found |= self._locked(connection, [*(c.position for c in beside), *refused], skip_locked=True)
            fit: list[Change] = []
            for change in changes:
                problem = _problem(found.get(change.position), change.expected, session, now)
                if problem:
                    raise ConflictError(problem)
                fit.append(change)
            fit += [c for c in beside if not _problem(found.get(c.position), c.expected, session, now)]
            marked = [p for p in refused if not _problem(found.get(p), None, session, now)]
            said = [(c.position, str(c.verdict), c.master, c.article, c.expected) for c in fit]
            said += [(p, REFUSED, None, None, None) for p in marked]
            seqs = self._log(connection, session, who, stroke, said)
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

    def skip(self, session: str, positions: Sequence[int]) -> None:
        """Leave items to others, and to `forget_skips`."""
        with self._engine.begin() as connection:
            known = set(connection.scalars(select(skips.c.position).where(*self._skipped(session))))
            fresh = [p for p in positions if p not in known]
            if fresh:
                values = [{"run_id": self.run_id, "session": session, "position": p} for p in fresh]
                connection.execute(insert(skips), values)
            self._release(connection, session)

    def forget_skips(self, session: str) -> None:
        """Show a session again what it skipped."""
        with self._engine.begin() as connection:
            connection.execute(delete(skips).where(*self._skipped(session)))

    def undo(self, session: str, who: str) -> list[int]:
        """Take back a session's last stroke, and take its items again; return their numbers, as they were decided.

        What somebody else has decided since stays.
        """
        with self._engine.begin() as connection:
            later = decisions.alias()
            standing = and_(
                decisions.c.run_id == self.run_id,
                decisions.c.session == session,
                decisions.c.verdict != UNDONE,
                ~exists(select(later.c.seq).where(later.c.undoes == decisions.c.seq)),
            )
            last = select(decisions.c.stroke).where(standing).order_by(decisions.c.seq.desc()).limit(1)
            rows = connection.execute(
                select(
                    decisions.c.seq, decisions.c.position, decisions.c.verdict, decisions.c.before, queue.c.current,
                    queue.c.claimed_by, queue.c.claimed_until,
                )
                .join(queue, and_(queue.c.run_id == decisions.c.run_id, queue.c.position == decisions.c.position))
                .where(standing, decisions.c.stroke == last.scalar_subquery())
                .order_by(queue.c.position)
                .with_for_update(of=queue)
            ).all()  # fmt: skip
            back = [r for r in rows if r.current == (None if r.verdict == REFUSED else r.seq)]
            self._release(connection, session)
            said = [(r.position, UNDONE, None, None, r.seq) for r in rows]
            self._log(connection, session, who, uuid.uuid4().hex, said, undoes=[r.seq for r in rows])
            now = time.time()
            for row in back:
                changes: dict[str, Any] = {"current": self._standing_before(connection, row.before)}
                if row.verdict == REFUSED:
                    changes |= {"current": row.current, "refused": False}
                if row.claimed_by in (None, session) or row.claimed_until < now:
                    changes |= {"claimed_by": session, "claimed_until": now + _LEASE_S}
                self._set(connection, row.position, **changes)
            return [row.position for row in sorted(back, key=lambda row: row.seq)]

    def _standing_before(self, connection: Connection, seq: int | None) -> int | None:
        """A decision, or the nearest one before it that was not taken back."""
        while seq is not None:
            undone = select(decisions.c.seq).where(decisions.c.undoes == seq).limit(1)
            if connection.scalar(undone) is None:
                return seq
            seq = connection.scalar(select(decisions.c.before).where(decisions.c.seq == seq))
        return None

    def progress(self, who: str) -> Progress:
        """How far the review is."""
        since = _now() - timedelta(seconds=_RATE_WINDOW_S)
        with self._reader.begin() as connection:
            items = self._count(connection)
            decided = self._count(connection, queue.c.current.is_not(None))
            by_me = and_(
                decisions.c.run_id == self.run_id, decisions.c.decided_by == who, decisions.c.verdict != UNDONE
            )
            recent = select(func.count(), func.min(decisions.c.decided_at)).where(by_me, decisions.c.decided_at > since)
            count, first = connection.execute(recent).one()
        seconds = (_now() - first).total_seconds() if first else 0.0
        return Progress(items, decided, 3600 * count / seconds if seconds > _LEAST_S else None)

    def waiting(self, wanted: Filter) -> int:
        """How many items wait."""
        with self._reader.begin() as connection:
            return self._count(connection, *self._waiting(wanted))

    def skipped(self, session: str) -> int:
        """How many items a session has skipped that still wait."""
        here = and_(queue.c.run_id == skips.c.run_id, queue.c.position == skips.c.position)
        with self._reader.begin() as connection:
            chosen = select(func.count()).select_from(skips.join(queue, here))
            return connection.scalar(chosen.where(*self._skipped(session), queue.c.current.is_(None))) or 0

    def classes(self, wanted: Filter) -> list[tuple[str, str, int]]:
        """Predicted classes, with how many items wait in each for the grid, the fullest first."""
        by = (queue.c.master, queue.c.article)
        with self._reader.begin() as connection:
            chosen = select(*by, func.count().label("items")).where(*self._waiting(wanted), queue.c.refused.is_(False))
            rows = connection.execute(chosen.group_by(*by).order_by(func.count().desc(), *by))
            return [(row.master, row.article, row.items) for row in rows]

    def standing(self) -> Iterator[Sequence[RowMapping]]:
        """All decisions that stand, in the queue's order, in pieces: id, prediction, verdict, names, who and when."""
        here = and_(queue.c.run_id == self.run_id, decisions.c.seq == queue.c.current)
        columns = [
            queue.c.id, queue.c.master.label("before_master"), queue.c.article.label("before_article"),
            decisions.c.run_id, decisions.c.verdict, decisions.c.master, decisions.c.article, decisions.c.decided_by,
            decisions.c.decided_at,
        ]  # fmt: skip
        chosen = select(*columns).join(queue, here).order_by(queue.c.position)
        with self._reader.connect().execution_options(yield_per=_ROWS_AT_ONCE) as connection:
            yield from connection.execute(chosen).mappings().partitions()

    def _waiting(self, wanted: Filter) -> list[Any]:
        conditions: list[Any] = [queue.c.run_id == self.run_id, queue.c.current.is_(None)]
        if wanted.reason in _BIT:
            conditions.append(queue.c.reason_bits.op("&")(_BIT[wanted.reason]) != 0)
        if wanted.master:
            conditions.append(queue.c.master == wanted.master)
        if wanted.article:
            conditions.append(queue.c.article == wanted.article)
        if wanted.least > 0:
            conditions.append(queue.c.article_confidence >= wanted.least)
        if wanted.most < 1:
            conditions.append(queue.c.article_confidence <= wanted.most)
        return conditions

    def _skipped(self, session: str) -> list[Any]:
        return [skips.c.run_id == self.run_id, skips.c.session == session]

    def _at(self, position: int) -> Select[Any]:
        return select(queue).where(queue.c.run_id == self.run_id, queue.c.position == position).with_for_update()

    def _count(self, connection: Connection, *conditions: Any) -> int:
        chosen = select(func.count()).select_from(queue).where(queue.c.run_id == self.run_id, *conditions)
        return connection.scalar(chosen) or 0

    def _release(self, connection: Connection, session: str) -> None:
        mine = and_(queue.c.run_id == self.run_id, queue.c.claimed_by == session)
        connection.execute(update(queue).where(mine).values(claimed_by=None, claimed_until=0.0))

    def _claim(self, connection: Connection, session: str, positions: Sequence[int], now: float) -> None:
        if positions:
            here = and_(queue.c.run_id == self.run_id, queue.c.position.in_(positions))
            connection.execute(update(queue).where(here).values(claimed_by=session, claimed_until=now + _LEASE_S))

    def _set(self, connection: Connection, position: int, **values: Any) -> None:
        here = and_(queue.c.run_id == self.run_id, queue.c.position == position)
        connection.execute(update(queue).where(here).values(**values))

    def _log(
        self,
        connection: Connection,
        session: str,
        who: str,
        stroke: str,
        said: Sequence[tuple[int, str, str | None, str | None, int | None]],
        undoes: Sequence[int] = (),
    ) -> list[int]:
        """Append (position, verdict, master, article, before) to the log; return the new numbers, in order."""
        if not said:
            return []
        values = [
            {
                "run_id": self.run_id,
                "position": position,
                "verdict": verdict,
                "master": master,
                "article": article,
                "decided_by": who,
                "decided_at": _now(),
                "session": session,
                "stroke": stroke,
                "before": before,
                "undoes": undoes[i] if undoes else None,
            }
            for i, (position, verdict, master, article, before) in enumerate(said)
        ]
        written = insert(decisions).returning(decisions.c.seq, sort_by_parameter_order=True)
        return list(connection.scalars(written, values))


def _problem(row: RowMapping | None, expected: int | None, session: str, now: float) -> str | None:
    """Why a session cannot decide about an item, if it cannot."""
    if row is None:
        return "there is no such item in this review"
    if row["current"] != expected:
        return "somebody has decided about this item meanwhile"
    if row["claimed_by"] not in (None, session) and row["claimed_until"] >= now:
        return "somebody else has this item open"
    return None


def _order(wanted: Filter) -> list[Any]:
    if wanted.order == "catalogue":
        return [queue.c.position]
    sure = queue.c.article_confidence
    return [sure.desc() if wanted.order == "certain" else sure, queue.c.position]


def _item(row: RowMapping) -> QueuedItem:
    return QueuedItem(**{name: row[name] for name in QueuedItem.__dataclass_fields__})


def _entry(row: RowMapping) -> Entry:
    return Entry(**{name: row[name] for name in Entry.__dataclass_fields__})


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
