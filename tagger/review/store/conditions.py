"""SQL conditions that several queries share."""

from sqlalchemy import ColumnElement

from tagger.review.store.records import Filter
from tagger.review.store.tables import queue, skips
from tagger.schemas.tables.prediction import ReviewReason

BIT = {str(reason): 1 << i for i, reason in enumerate(ReviewReason)}
"""Each review reason's bit in the column `reason_bits`."""


def waiting(run_id: str, item_filter: Filter) -> list[ColumnElement[bool]]:
    """Items of the queue without a decision that pass a filter."""
    conditions: list[ColumnElement[bool]] = [queue.c.run_id == run_id, queue.c.current.is_(None)]
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
    return conditions


def skipped(run_id: str, session: str) -> list[ColumnElement[bool]]:
    """Skips of a session."""
    return [skips.c.run_id == run_id, skips.c.session == session]
