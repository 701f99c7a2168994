"""SQL conditions that several queries share."""

from typing import Any

from sqlalchemy import ColumnElement, and_, select

from tagger.review.store.records import Filter
from tagger.review.store.tables import decisions, queue, skips, values, words
from tagger.schemas.tables.prediction import ReviewReason

BIT = {str(reason): 1 << i for i, reason in enumerate(ReviewReason)}
"""Each review reason's bit in the column `reason_bits`."""
ACCEPTED_BY_REFIT = 1 << 30
"""Another bit there: a refit is sure enough of the item, and nobody needs to be asked."""
_REASONS = sum(BIT.values())


def waiting(run_id: str, item_filter: Filter) -> list[ColumnElement[bool]]:
    """Items of the queue without a decision that pass a filter, and for which no class is proposed.

    What a refit accepted is left out, and the quality sample unless it is asked for: who sees the tag first agrees
    with it too often.
    """
    hidden = ACCEPTED_BY_REFIT
    if item_filter.reason != ReviewReason.QA_SAMPLE:
        hidden |= BIT[ReviewReason.QA_SAMPLE]
    is_shown = queue.c.reason_bits.op("&")(hidden) == 0
    return [queue.c.current.is_(None), queue.c.proposal.is_(None), is_shown, *passing(run_id, item_filter)]


def unsure(run_id: str) -> list[ColumnElement[bool]]:
    """Items that low confidence alone sent to review, decided or not: those that a refit may accept."""
    is_unsure = queue.c.reason_bits.op("&")(_REASONS) == BIT[ReviewReason.LOW_CONFIDENCE]
    return [queue.c.run_id == run_id, is_unsure]


def with_decision(run_id: str, *which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Items that have, or had, some decision; it leads from the few decisions to their items.

    By the join alone, SQLite reads the whole queue and looks up the decision of each: 200 ms of 100,000 items.
    """
    return queue.c.position.in_(select(decisions.c.position).where(decisions.c.run_id == run_id, *which))


def undecided(run_id: str) -> list[ColumnElement[bool]]:
    """Items of the queue without a decision, whatever else became of them."""
    return [queue.c.run_id == run_id, queue.c.current.is_(None)]


def accepted_by_refit() -> ColumnElement[bool]:
    """Items that a refit accepted, about which nobody is asked."""
    return queue.c.reason_bits.op("&")(ACCEPTED_BY_REFIT) != 0


def passing(run_id: str, item_filter: Filter) -> list[ColumnElement[bool]]:
    """Items of the queue that pass a filter, decided or not."""
    conditions: list[ColumnElement[bool]] = [queue.c.run_id == run_id]
    if item_filter.reason in BIT:
        conditions.append(queue.c.reason_bits.op("&")(BIT[item_filter.reason]) != 0)
    if item_filter.master:
        conditions.append(queue.c.master == item_filter.master)
    if item_filter.article:
        conditions.append(queue.c.article == item_filter.article)
    if item_filter.to_master:
        conditions.append(queue.c.suggested_master == item_filter.to_master)
    if item_filter.to_article:
        conditions.append(queue.c.suggested_article == item_filter.to_article)
    if item_filter.least > 0:
        conditions.append(queue.c.article_confidence >= item_filter.least)
    if item_filter.most < 1:
        conditions.append(queue.c.article_confidence <= item_filter.most)
    if searched := item_filter.text.casefold().split():
        has_all = [words.c.words.contains(word, autoescape=True) for word in searched]
        conditions.append(queue.c.position.in_(select(words.c.position).where(words.c.run_id == run_id, *has_all)))
    if item_filter.has:
        name, _, value = item_filter.has.partition("=")
        of_value = and_(values.c.run_id == run_id, values.c.name == name, values.c.value == value)
        conditions.append(queue.c.position.in_(select(values.c.position).where(of_value)))
    return conditions


def skipped(run_id: str, session: str) -> list[ColumnElement[bool]]:
    """Skips of a session."""
    return [skips.c.run_id == run_id, skips.c.session == session]


def order(item_filter: Filter) -> list[ColumnElement[Any]]:
    """The order of items that a filter asks for."""
    if item_filter.order == "catalogue":
        return [queue.c.position]
    if item_filter.order == "random":
        return [queue.c.shuffled, queue.c.position]
    if item_filter.order == "disputed":
        return [queue.c.accord, queue.c.position]
    confidence = queue.c.article_confidence
    return [confidence.desc() if item_filter.order == "certain" else confidence, queue.c.position]
