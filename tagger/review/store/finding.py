"""Finds items of a review, waiting or decided, and counts what there is to filter by."""

from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, and_, func, select

from tagger.review.store import conditions
from tagger.review.store.conditions import BIT
from tagger.review.store.log import LEAVE_IT_WAITING, UNDONE
from tagger.review.store.records import Filter, FoundItem, Search, State
from tagger.review.store.tables import READ_ONLY, decisions, queue, refit_tags, skips
from tagger.schemas.tables.decision import Verdict

_COLUMNS = (
    queue.c.position, queue.c.id, queue.c.title, queue.c.master, queue.c.article, queue.c.article_confidence,
    decisions.c.verdict, decisions.c.master, decisions.c.article, decisions.c.decided_by,
)  # fmt: skip
_COLUMNS_OF_REFIT = (
    *_COLUMNS[:3], refit_tags.c.master, refit_tags.c.article, refit_tags.c.article_confidence, *_COLUMNS[6:],
)  # fmt: skip
"""With what the refit says in place of the prediction."""
_DECIDED: tuple[State, ...] = ("decided", "mine", "corrected", "unusable")
_VERDICTS: dict[State, Verdict] = {"corrected": Verdict.CORRECTED, "unusable": Verdict.UNUSABLE}


class Finder:
    """Lists items of one run's review.

    Args:
        engine: From `open_database`, or `open_to_read`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._reader = engine.execution_options(**READ_ONLY)
        self._run_id = run_id

    def find(self, search: Search, count: int, skip: int = 0) -> list[FoundItem]:
        """Items in the filter's order; decided ones, the newest decision first."""
        is_decided = search.state in _DECIDED
        order: list[ColumnElement[Any]] = conditions.order(search.item_filter)
        if is_decided:
            order = [decisions.c.seq.desc()]
        elif search.state == "all" and search.item_filter.order == Filter().order:
            order = [queue.c.position]  # what is disputed comes first only while it waits
        columns = _COLUMNS_OF_REFIT if search.state == "refit" else _COLUMNS
        query = self._joined(select(*columns), search).order_by(*order).offset(skip).limit(count)
        with self._reader.begin() as connection:
            return [FoundItem(*row) for row in connection.execute(query)]

    def count(self, search: Search) -> int:
        """Number of the items."""
        with self._reader.begin() as connection:
            return connection.scalar(self._joined(select(func.count()), search)) or 0

    def reasons(self, item_filter: Filter) -> dict[str, int]:
        """Waiting items by reason, of those that pass a filter; an item may have several."""
        passing = conditions.passing(self._run_id, item_filter)
        waits = and_(queue.c.current.is_(None), ~conditions.accepted_by_refit())
        query = select(queue.c.reason_bits, func.count()).where(waits, *passing)
        with self._reader.begin() as connection:
            counts = connection.execute(query.group_by(queue.c.reason_bits)).tuples().all()
        return {reason: sum(items for bits, items in counts if bits & bit) for reason, bit in BIT.items()}

    def people(self) -> list[str]:
        """Everybody who has decided something, by name."""
        is_decision = decisions.c.verdict.not_in((UNDONE, *LEAVE_IT_WAITING))
        query = select(decisions.c.decided_by).where(decisions.c.run_id == self._run_id, is_decision).distinct()
        with self._reader.begin() as connection:
            return sorted(connection.scalars(query))

    def _joined(self, query: Select[Any], search: Search) -> Select[Any]:
        where = conditions.passing(self._run_id, search.item_filter) + self._of_state(search)
        items = queue.outerjoin(decisions, decisions.c.seq == queue.c.current)
        if search.state == "refit":
            newest = select(func.max(refit_tags.c.refit)).where(refit_tags.c.run_id == self._run_id).scalar_subquery()
            same_item = and_(refit_tags.c.run_id == queue.c.run_id, refit_tags.c.position == queue.c.position)
            items = items.join(refit_tags, and_(same_item, refit_tags.c.refit == newest))
        return query.select_from(items).where(*where)

    def _of_state(self, search: Search) -> list[ColumnElement[bool]]:
        where: list[ColumnElement[bool]] = []
        if search.person:
            is_theirs = decisions.c.decided_by == search.person
            where += [is_theirs, conditions.with_decision(self._run_id, is_theirs)]
        match search.state:
            case "waiting":
                where += [queue.c.current.is_(None), ~conditions.accepted_by_refit()]
            case "refit":
                where += [queue.c.current.is_(None), conditions.accepted_by_refit()]
            case "decided":
                where.append(queue.c.current.is_not(None))
            case "mine":
                is_mine = decisions.c.decided_by == search.who
                where += [is_mine, conditions.with_decision(self._run_id, is_mine)]
            case "flagged":
                where += [queue.c.current.is_(None), queue.c.flag.is_not(None)]
            case "proposed":
                where += [queue.c.current.is_(None), queue.c.proposal.is_not(None)]
            case "skipped":
                skipped = select(skips.c.position).where(*conditions.skipped(self._run_id, search.session))
                where += [queue.c.current.is_(None), queue.c.position.in_(skipped)]
            case "corrected" | "unusable":
                is_so = decisions.c.verdict == str(_VERDICTS[search.state])
                where += [is_so, conditions.with_decision(self._run_id, is_so)]
        return where
