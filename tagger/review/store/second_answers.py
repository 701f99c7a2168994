"""Second answers: a share of the decided items is asked about once more, of somebody else and without the first answer.

They change nothing: the first answer stands. They say how well people agree.
"""

from collections.abc import Sequence

from sqlalchemy import Engine, Select, and_, func, insert, select
from sqlalchemy.exc import IntegrityError

from tagger.flow.hash_order import sample_order
from tagger.review.store.conditions import BIT
from tagger.review.store.log import now
from tagger.review.store.reading import item_of
from tagger.review.store.records import Change, QueuedItem
from tagger.review.store.tables import READ_ONLY, decisions, queue, second_answers
from tagger.schemas.tables.prediction import ReviewReason

_SPREAD = 20
"""People who ask at once get one of so many items, so that hardly any two get the same."""


class SecondAnswers:
    """The second answers of one run's review.

    Args:
        engine: From `open_database`.
        run_id: The run.
        share: Of the items of the queue that are asked about twice, 0 to 1; the quality sample is left out.
    """

    def __init__(self, engine: Engine, run_id: str, share: float = 0.0) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self._run_id = run_id
        self.share = share

    def waiting(self, who: str) -> int:
        """Items that a person can give a second answer about."""
        with self._reader.begin() as connection:
            return connection.scalar(self._open(select(func.count()), who)) or 0

    def next(self, who: str) -> QueuedItem | None:
        """An item about which somebody else has given the first answer, and nobody the second; None without one."""
        query = self._open(select(queue), who).order_by(queue.c.shuffled.desc(), queue.c.position).limit(_SPREAD)
        with self._reader.begin() as connection:
            rows = connection.execute(query).mappings().all()
        return item_of(rows[int(sample_order([who])[0]) % len(rows)]) if rows else None

    def answer(self, who: str, change: Change) -> bool:
        """Save a second answer; return whether it was the first to be so, and about an item that is asked about."""
        values = {
            "run_id": self._run_id, "position": change.position, "verdict": str(change.verdict),
            "master": change.master, "article": change.article, "decided_by": who, "decided_at": now(),
        }  # fmt: skip
        try:
            with self._engine.begin() as connection:
                this = self._open(select(queue.c.position), who).where(queue.c.position == change.position)
                if connection.scalar(this) is None:
                    return False
                connection.execute(insert(second_answers).values(values))
        except IntegrityError:  # somebody was faster
            return False
        return True

    def pairs(self) -> list[tuple[str, str]]:
        """The first and the second answer about each item that has both, as names of classes."""
        current = and_(queue.c.run_id == second_answers.c.run_id, queue.c.position == second_answers.c.position)
        first = and_(decisions.c.run_id == queue.c.run_id, decisions.c.seq == queue.c.current)
        columns = (
            decisions.c.verdict, decisions.c.master, decisions.c.article, second_answers.c.verdict.label("verdict_2"),
            second_answers.c.master.label("master_2"), second_answers.c.article.label("article_2"),
        )  # fmt: skip
        query = select(*columns).select_from(second_answers.join(queue, current).join(decisions, first))
        with self._reader.begin() as connection:
            rows = connection.execute(query.where(second_answers.c.run_id == self._run_id)).all()
        return [(_named(row[:3]), _named(row[3:])) for row in rows]

    def _open(self, query: Select[tuple[object, ...]], who: str) -> Select[tuple[object, ...]]:
        first = and_(decisions.c.run_id == queue.c.run_id, decisions.c.seq == queue.c.current)
        has_second = select(second_answers.c.position).where(second_answers.c.run_id == self._run_id)
        return query.select_from(queue.join(decisions, first)).where(
            queue.c.run_id == self._run_id,
            queue.c.shuffled > 1 - self.share,  # the quality sample is drawn from the other end
            queue.c.reason_bits.op("&")(BIT[ReviewReason.QA_SAMPLE]) == 0,
            queue.c.position.not_in(has_second),
            decisions.c.decided_by != who,
        )


def _named(answer: Sequence[str | None]) -> str:
    verdict, master, article = answer
    return f"{master} / {article or ''}" if master else str(verdict)
