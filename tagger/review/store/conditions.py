"""SQL conditions that several queries share."""

from typing import Any

from sqlalchemy import ColumnElement, and_, select

from tagger.review.store.records import Filter
from tagger.review.store.tables import queue, skips, values, words
from tagger.schemas.tables.prediction import ReviewReason

BIT = {str(reason): 1 << i for i, reason in enumerate(ReviewReason)}
"""Each review reason's bit in the column `reason_bits`."""


def waiting(run_id: str, item_filter: Filter) -> list[ColumnElement[bool]]:
    """Items of the queue without a decision that pass a filter, and for which no class is proposed.

    The quality sample is left out unless it is asked for: who sees the tag first agrees with it too often.
    """
    conditions = [queue.c.current.is_(None), queue.c.proposal.is_(None), *passing(run_id, item_filter)]
    if item_filter.reason != ReviewReason.QA_SAMPLE:
        conditions.append(queue.c.reason_bits.op("&")(BIT[ReviewReason.QA_SAMPLE]) == 0)
    return conditions


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
