"""Refits to a review's answers: what they learn from, and the tags that they accept in place of a person.

A refit's tag is no decision: it stands only until somebody decides the item, and nobody learns from it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, and_, delete, func, insert, select, update
from sqlalchemy import inspect as inspected
from sqlalchemy.exc import IntegrityError

from tagger.review.store import conditions
from tagger.review.store.conditions import ACCEPTED_BY_REFIT
from tagger.review.store.leases import clock_of
from tagger.review.store.log import now
from tagger.review.store.tables import READ_ONLY, decisions, queue, refit_tags, refits

_ROWS_AT_ONCE = 500
_RECORD = (
    refits.c.number, refits.c.answers, refits.c.drawn, refits.c.needed, refits.c.accepted, refits.c.why_none,
)  # fmt: skip


@dataclass(frozen=True)
class UnsureItem:
    """An item that low confidence alone sent to review, with what a refit learns from it."""

    position: int
    id: str
    alternatives: list[dict[str, Any]]
    """The model's most probable classes: masterCategory, articleType and confidence."""
    is_settled: bool
    """Whether a person has answered: with a class, that there is none, or that one is missing."""
    master: str | None
    """What the person chose; both are None where no class, or only the category, is right."""
    article: str | None
    is_drawn: bool
    """Whether it is settled, with all before it in the random order: these are a random sample."""


@dataclass(frozen=True)
class RefitTag:
    """A tag that a refit is sure enough of."""

    position: int
    master: str
    master_confidence: float
    article: str
    article_confidence: float
    checked: bool
    """Whether a person is asked all the same."""


@dataclass(frozen=True)
class RefitRecord:
    """What a refit came to."""

    number: int
    answers: int
    """About items that may leave, when it began."""
    drawn: int
    """Of these, answers about items that were drawn at random."""
    needed: int
    """The fewest drawn answers that can show the target."""
    accepted: int
    why_none: str | None
    """None where it accepted items."""


@dataclass(frozen=True)
class Checked:
    """Answers about items that a refit had accepted, by people who did not see its tag."""

    answers: int
    right: int


class Refits:
    """The refits of one run's review.

    Args:
        engine: From `open_database`, or `open_to_read`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self._run_id = run_id
        self._of_run = and_(refit_tags.c.run_id == run_id, queue.c.run_id == run_id)
        self._joined = refit_tags.join(queue, queue.c.position == refit_tags.c.position)

    def answers(self) -> int:
        """Decided items of those that a refit may accept."""
        unsure = (*conditions.unsure(self._run_id), queue.c.current.is_not(None))
        with self._reader.begin() as connection:
            return connection.scalar(select(func.count()).select_from(queue).where(*unsure)) or 0

    def last(self) -> RefitRecord | None:
        """The newest refit; None before the first."""
        query = select(*_RECORD).where(refits.c.run_id == self._run_id).order_by(refits.c.number.desc()).limit(1)
        with self._reader.begin() as connection:
            row = connection.execute(query).first()
        return RefitRecord(*row) if row else None

    def unsure(self, count: int) -> list[UnsureItem]:
        """The items that a refit learns from and may accept, in the random order in which they are drawn.

        Args:
            count: How many at most; the first of the random order, which are a random part of the queue.
        """
        current = and_(decisions.c.run_id == queue.c.run_id, decisions.c.seq == queue.c.current)
        columns = (
            queue.c.position, queue.c.id, queue.c.alternatives, queue.c.proposal, decisions.c.seq, decisions.c.master,
            decisions.c.article,
        )  # fmt: skip
        query = select(*columns).select_from(queue.outerjoin(decisions, current))
        query = query.where(*conditions.unsure(self._run_id)).order_by(queue.c.shuffled, queue.c.position).limit(count)
        items, is_drawn = [], True
        with self._reader.begin() as connection:
            for row in connection.execute(query):
                is_settled = row.seq is not None or row.proposal is not None
                is_drawn = is_drawn and is_settled
                master = row.master if row.article is not None else None
                items.append(
                    UnsureItem(row.position, row.id, row.alternatives, is_settled, master, row.article, is_drawn)
                )
        return items

    def save(self, record: RefitRecord, accepted: Sequence[RefitTag]) -> bool:
        """Put a refit's tags in place of those of earlier ones; items that it is not sure of wait again.

        Items that were decided meanwhile, or that somebody has open, are left as they are. What was said of decided
        items is kept, since it tells how precise refits are.

        Returns:
            Whether it was saved; not, where another process has saved one with this number.
        """
        try:
            with self._engine.begin() as connection:
                values = {"run_id": self._run_id, "made_at": now(), **vars(record)}
                connection.execute(insert(refits).values(values))
                self._withdraw(connection)
                self._accept(connection, record.number, accepted)
        except IntegrityError:
            return False
        return True

    def tags(self) -> Iterator[Sequence[RowMapping]]:
        """The tags that stand, in the queue's order, in batches: those of items that nobody has decided."""
        with self._reader.begin() as connection:
            if not inspected(connection).has_table(refit_tags.name):  # a database of an older version is read as it is
                return
        newest = select(func.max(refits.c.number)).where(refits.c.run_id == self._run_id).scalar_subquery()
        stands = (self._of_run, refit_tags.c.refit == newest, queue.c.current.is_(None))
        query = select(queue.c.id, refit_tags).select_from(self._joined).where(*stands)
        with self._reader.connect().execution_options(yield_per=_ROWS_AT_ONCE) as connection:
            yield from connection.execute(query.order_by(queue.c.position)).mappings().partitions()

    def checked(self) -> Checked:
        """What people said of the items that were kept for a check when refits accepted them."""
        current = and_(decisions.c.run_id == queue.c.run_id, decisions.c.seq == queue.c.current)
        is_right = and_(decisions.c.master == refit_tags.c.master, decisions.c.article == refit_tags.c.article)
        query = select(func.count(), func.count().filter(is_right)).select_from(self._joined.join(decisions, current))
        with self._reader.begin() as connection:
            answers, right = connection.execute(query.where(self._of_run, refit_tags.c.checked)).one()
        return Checked(answers, right)

    def _withdraw(self, connection: Connection) -> None:
        """Let wait again what earlier refits accepted."""
        of_undecided = refit_tags.c.position.in_(select(queue.c.position).where(*conditions.undecided(self._run_id)))
        connection.execute(delete(refit_tags).where(refit_tags.c.run_id == self._run_id, of_undecided))
        is_accepted = and_(queue.c.run_id == self._run_id, conditions.accepted_by_refit())
        restored = {"reason_bits": queue.c.reason_bits - ACCEPTED_BY_REFIT}
        connection.execute(update(queue).where(is_accepted).values(restored))

    def _accept(self, connection: Connection, number: int, tags: Sequence[RefitTag]) -> None:
        is_open = and_(queue.c.claimed_until >= clock_of(connection), queue.c.claimed_ahead.is_(False))
        free = (*conditions.undecided(self._run_id), queue.c.proposal.is_(None), ~is_open)
        shared = {"run_id": self._run_id, "refit": number, "made_at": now()}
        for first in range(0, len(tags), _ROWS_AT_ONCE):
            batch = {tag.position: tag for tag in tags[first : first + _ROWS_AT_ONCE]}
            these = select(queue.c.position).where(*free, queue.c.position.in_(batch)).with_for_update()
            standing = [batch[position] for position in connection.scalars(these)]
            if not standing:
                continue
            connection.execute(insert(refit_tags), [shared | vars(tag) for tag in standing])
            left = [tag.position for tag in standing if not tag.checked]
            accepted = {"reason_bits": queue.c.reason_bits + ACCEPTED_BY_REFIT}
            of_left = and_(queue.c.run_id == self._run_id, queue.c.position.in_(left))
            connection.execute(update(queue).where(of_left).values(accepted))
