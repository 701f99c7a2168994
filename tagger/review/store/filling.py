"""Writes a review's queue: its items, the decisions that were made elsewhere, and an audit's suggestions."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, and_, bindparam, insert, select, text, update

from tagger.flow.hash_order import sample_order
from tagger.review.store.conditions import BIT
from tagger.review.store.groups import add_groups
from tagger.review.store.settings import COLUMNS, DUPLICATES, LEAVES, SUGGESTIONS
from tagger.review.store.tables import decisions, queue, settings, values, words
from tagger.schemas.tables.prediction import ReviewReason

_IMPORTED = "elsewhere"
"""The session of decisions that were made outside this database."""
_ROWS_AT_ONCE = 1000
_FEW_VALUES = 60
"""Columns with more values are found by words only."""
_WORDS_LIMIT = 2000
_DRAWN = frozenset(map(str, (ReviewReason.MODELS_DISAGREE, ReviewReason.PROPOSED)))
_A_WITNESS = 2.0
"""What a witness that disagrees takes from an item's `accord`: more than any confidence adds."""


class Filling:
    """The first content of one run's review; each part is written once, in one transaction.

    Args:
        engine: From `open_database`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._run_id = run_id

    def suggest(self, suggestions: Iterable[tuple[str, str, str, float]]) -> None:
        """Store an audit's suggestions. Raises IntegrityError when they are stored."""
        of_item = and_(queue.c.run_id == self._run_id, queue.c.id == bindparam("item"))
        names = ("item", "to_master", "to_article", "to_confidence")
        values: dict[str, Any] = {f"suggested_{name.removeprefix('to_')}": bindparam(name) for name in names[1:]}
        with self._engine.begin() as connection:
            connection.execute(insert(settings).values(run_id=self._run_id, name=SUGGESTIONS, value=True))
            stream = iter(suggestions)
            while batch := list(islice(stream, _ROWS_AT_ONCE)):
                rows = [dict(zip(names, row, strict=True)) for row in batch]
                connection.execute(update(queue).where(of_item).values(values), rows)

    def fill(
        self,
        rows: Iterable[dict[str, Any]],
        leaves: Sequence[tuple[str, str]],
        earlier: Iterable[dict[str, Any]],
        duplicates: str | None,
        groups: Iterable[dict[str, Any]] = (),
    ) -> int:
        """Store the queue; return the number of its items. Raises IntegrityError when it is stored."""
        began_with = {LEAVES: leaves, DUPLICATES: duplicates}
        count = 0
        columns = _ColumnValues()
        with self._engine.begin() as connection:
            # the settings come first: a second process waits here until the first is done, and then gets an error
            named = [{"run_id": self._run_id, "name": name, "value": value} for name, value in began_with.items()]
            connection.execute(insert(settings), named)
            stream = iter(rows)
            while batch := list(islice(stream, _ROWS_AT_ONCE)):
                connection.execute(insert(queue), [self._keyed(row) for row in batch])
                connection.execute(insert(words), [self._words(row) for row in batch])
                columns.add(batch)
                count += len(batch)
            kept = iter(columns.rows(self._run_id))
            while several := list(islice(kept, 10 * _ROWS_AT_ONCE)):
                connection.execute(insert(values), several)
            connection.execute(insert(settings).values(run_id=self._run_id, name=COLUMNS, value=columns.counts()))
            self._import(connection, earlier)
            add_groups(connection, self._run_id, groups)
            if connection.dialect.name == "postgresql":
                # else the planner takes tables that were just filled for empty, and joins row by row: minutes a page
                connection.execute(text(f"ANALYZE {queue.name}, {words.name}, {values.name}, {decisions.name}"))
        return count

    def count_witness(self, said: Mapping[int, str]) -> None:
        """Count one more witness into the queue's order.

        Args:
            said: The article types that it says, by position.
        """
        columns = (
            queue.c.position,
            queue.c.article,
            queue.c.article_confidence,
            queue.c.known_article,
            queue.c.evidence,
            queue.c.reasons,
        )
        these = and_(queue.c.run_id == self._run_id, queue.c.position.in_(said))
        with self._engine.begin() as connection:
            rows = connection.execute(select(*columns).where(these)).mappings().all()
            accords = [{"at": row["position"], "to": _accord(row, said[row["position"]])} for row in rows]
            of_item = and_(queue.c.run_id == self._run_id, queue.c.position == bindparam("at"))
            if accords:
                connection.execute(update(queue).where(of_item).values(accord=bindparam("to")), accords)

    def _keyed(self, row: dict[str, Any]) -> dict[str, Any]:
        bits = sum(BIT.get(reason, 0) for reason in row["reasons"])
        shuffled = float(sample_order([row["id"]])[0]) / 2.0**64
        return {
            **row,
            "run_id": self._run_id,
            "reason_bits": bits,
            "accord": _accord(row),
            "shuffled": shuffled,
        }

    def _words(self, row: dict[str, Any]) -> dict[str, Any]:
        searched = " ".join([row["title"] or "", row["id"], *row["columns"].values()]).casefold()[:_WORDS_LIMIT]
        return {"run_id": self._run_id, "position": row["position"], "words": searched}

    def _import(self, connection: Connection, earlier: Iterable[dict[str, Any]]) -> None:
        """Append decisions that were made outside this database to the log, as current decisions."""
        action_id = uuid.uuid4().hex
        for row in earlier:
            of_item = and_(queue.c.run_id == self._run_id, queue.c.id == row["id"])
            position = connection.scalar(select(queue.c.position).where(of_item))
            if position is None:
                continue
            entry = {
                "run_id": self._run_id,
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
            of_position = and_(queue.c.run_id == self._run_id, queue.c.position == position)
            connection.execute(update(queue).where(of_position).values(current=seq))


class _ColumnValues:
    """The positions of items by column and value, of columns with few values."""

    def __init__(self) -> None:
        self._positions: dict[str, dict[str, list[int]]] = {}
        self._left_out: set[str] = set()

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add items, by the queue's columns."""
        for row in rows:
            for name, value in row["columns"].items():
                if name not in self._left_out and "=" not in name:
                    of_name = self._positions.setdefault(name, {})
                    of_name.setdefault(value, []).append(row["position"])
                    if len(of_name) > _FEW_VALUES:
                        self._left_out.add(name)
                        del self._positions[name]

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of items by column and value, the most frequent value first."""
        return {
            name: {value: len(held) for value, held in sorted(of_name.items(), key=lambda item: -len(item[1]))}
            for name, of_name in self._positions.items()
        }

    def rows(self, run_id: str) -> Iterator[dict[str, Any]]:
        """Rows of the table of values."""
        for name, of_name in self._positions.items():
            for value, held in of_name.items():
                for position in held:
                    yield {"run_id": run_id, "name": name, "value": value, "position": position}


def _accord(row: Mapping[Any, Any], similar: str | None = None) -> float:
    """An item's place in the order that begins with what is disputed.

    Witnesses are the catalogue, image and title alone, and similar items. A sample that was drawn at random keeps its
    order.

    Args:
        row: An item, by the queue's columns.
        similar: The article type that similar items agree on.
    """
    if _DRAWN.intersection(row["reasons"]):
        return float(row["position"])
    said = [row["known_article"], similar, *(each["articleType"] for each in row["evidence"] or ())]
    disagreeing = sum(article is not None and article != row["article"] for article in said)
    return float(row["article_confidence"] - _A_WITNESS * disagreeing)
