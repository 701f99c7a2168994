"""Classes that people miss: proposals with their items, which wait until somebody accepts, merges or declines them."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, and_, func, insert, select, update

from tagger.review.store.leases import CLAIM, NOT_CLAIMED, clock_of, conflict
from tagger.review.store.leaves import Pair
from tagger.review.store.log import PROPOSED, Line, Log, now
from tagger.review.store.records import ConflictError, Proposal
from tagger.review.store.tables import READ_ONLY, proposals, queue
from tagger.schemas.tables.decision import Verdict

ACCEPTED, MERGED, DECLINED = "accepted", "merged", "declined"
_PICTURES = 12


class Proposals:
    """The proposed classes of one run's review.

    Args:
        engine: From `open_database`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self._run_id = run_id
        self._log = Log(run_id)

    def propose(self, session: str, who: str, position: int, pair: Pair, stroke: str | None = None) -> None:
        """Say that an item has a class that cannot be chosen; it waits until the proposal is settled.

        Args:
            session: The session, whose claim ends.
            who: Name in the log.
            position: The item.
            pair: masterCategory and articleType; names that differ only in case are one class.
            stroke: As in `ReviewStore.decide`.

        Raises:
            ConflictError: when there is no such item, or somebody has decided about it or has it open.
        """
        of_item = and_(queue.c.run_id == self._run_id, queue.c.position == position)
        with self._engine.begin() as connection:
            row = connection.execute(select(*CLAIM).where(of_item).with_for_update()).mappings().first()
            if self._log.of_stroke(connection, session, stroke):
                return
            why = conflict(row, None, session, clock_of(connection))
            if why:
                raise ConflictError(self._log.explained(connection, why, session))
            key = self._opened(connection, who, pair)
            line = Line(position, PROPOSED, *pair)
            self._log.append(connection, session, who, stroke, [line])
            connection.execute(update(queue).where(of_item).values(proposal=key, **NOT_CLAIMED))

    def open(self) -> list[Proposal]:
        """Proposals that nobody has settled and that have items, the largest first."""
        waits = and_(queue.c.run_id == self._run_id, queue.c.current.is_(None), queue.c.proposal.is_not(None))
        of_run = and_(proposals.c.run_id == self._run_id, proposals.c.settled.is_(None))
        with self._reader.begin() as connection:
            counted = select(queue.c.proposal, func.count()).where(waits).group_by(queue.c.proposal)
            counts: dict[str | None, int] = dict(connection.execute(counted).tuples().all())
            known = connection.execute(select(proposals).where(of_run)).mappings().all()
            found = [
                Proposal(
                    row["key"], row["master"], row["article"], row["proposed_by"], row["proposed_at"],
                    counts[row["key"]], self._pictures(connection, row["key"]),
                )
                for row in known if row["key"] in counts
            ]  # fmt: skip
        return sorted(found, key=lambda proposal: (-proposal.items, proposal.article))

    def accepted(self) -> list[Pair]:
        """The classes that were accepted, in the order in which that happened."""
        query = select(proposals.c.master, proposals.c.article).where(
            proposals.c.run_id == self._run_id, proposals.c.settled == ACCEPTED
        )
        with self._reader.begin() as connection:
            return [(row.master, row.article) for row in connection.execute(query.order_by(proposals.c.settled_at))]

    def settle(self, session: str, who: str, key: str, into: Pair | None) -> int | None:
        """Decide all items of a proposal at once.

        Args:
            session: Whose `undo` takes the decisions back.
            who: Name in the log.
            key: The proposal.
            into: Their class: that of the proposal, or another one; None sends them back to the queue.

        Returns:
            The number of items; None when somebody has settled it meanwhile, or there is none.
        """
        of_proposal = and_(proposals.c.run_id == self._run_id, proposals.c.key == key)
        of_items = and_(queue.c.run_id == self._run_id, queue.c.proposal == key, queue.c.current.is_(None))
        with self._engine.begin() as connection:
            row = connection.execute(select(proposals).where(of_proposal).with_for_update()).mappings().first()
            if row is None or row["settled"]:
                return None
            columns = (queue.c.position, queue.c.master, queue.c.article)
            items = connection.execute(
                select(*columns).where(of_items).order_by(queue.c.position).with_for_update()
            ).all()
            own = (row["master"], row["article"])
            how = DECLINED if into is None else ACCEPTED if into == own else MERGED
            connection.execute(update(queue).where(of_items).values(proposal=None))
            if into:
                lines = [
                    Line(
                        item.position,
                        Verdict.ACCEPTED if into == (item.master, item.article) else Verdict.CORRECTED,
                        *into,
                    )
                    for item in items
                ]
                self._decided(
                    connection,
                    [item.position for item in items],
                    self._log.append(connection, session, who, None, lines),
                )
            connection.execute(
                update(proposals).where(of_proposal).values(settled=how, settled_by=who, settled_at=now())
            )
        return len(items)

    def _opened(self, connection: Connection, who: str, pair: Pair) -> str:
        """The key of a class's open proposal, made or opened again if need be."""
        key = "\t".join(name.casefold() for name in pair)  # no name has a tab
        of_key = and_(proposals.c.run_id == self._run_id, proposals.c.key == key)
        row = connection.execute(select(proposals.c.settled).where(of_key).with_for_update()).first()
        if row is None:
            values = {"key": key, "master": pair[0], "article": pair[1], "proposed_by": who, "proposed_at": now()}
            connection.execute(insert(proposals).values(run_id=self._run_id, **values))
        elif row.settled:
            connection.execute(update(proposals).where(of_key).values(settled=None, settled_by=None, settled_at=None))
        return key

    def _decided(self, connection: Connection, positions: Sequence[int], seqs: Sequence[int]) -> None:
        for position, seq in zip(positions, seqs, strict=True):
            of_item = and_(queue.c.run_id == self._run_id, queue.c.position == position)
            connection.execute(update(queue).where(of_item).values(current=seq, **NOT_CLAIMED))

    def _pictures(self, connection: Connection, key: str) -> tuple[int, ...]:
        of_key = and_(queue.c.run_id == self._run_id, queue.c.proposal == key, queue.c.current.is_(None))
        query = select(queue.c.position).where(of_key).order_by(queue.c.position).limit(_PICTURES)
        return tuple(connection.scalars(query))
