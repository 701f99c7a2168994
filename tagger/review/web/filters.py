"""Filters in addresses, and the classes of the grid as filters."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

from tagger.review.store.records import Filter, QueuedItem
from tagger.review.web.texts import Texts

GridClass = tuple[str, str, str, str]
"""masterCategory and articleType, and in an audit the suggested two; otherwise these are empty."""


def query_of(item_filter: Filter, **more: object) -> str:
    """A filter as a URL's query with its question mark; empty where nothing differs from the defaults."""
    named = asdict(item_filter) | {"least": 100 * item_filter.least, "most": 100 * item_filter.most}
    default = asdict(Filter()) | {"least": 0.0, "most": 100.0}
    parameters = {k: f"{v:g}" if isinstance(v, float) else v for k, v in named.items() if v != default[k]} | more
    return f"?{urlencode(parameters)}" if parameters else ""


def class_filter(item_filter: Filter, item: QueuedItem | None, is_audit: bool) -> Filter:
    """A filter for the items of one class of the grid; without an item, for those of all classes."""
    if item is None:
        return replace(item_filter, master="", article="", to_master="", to_article="")
    if not is_audit:
        return replace(item_filter, master=item.master, article=item.article)
    to_master, to_article = item.suggested_master or "", item.suggested_article or ""
    return replace(item_filter, master=item.master, article=item.article, to_master=to_master, to_article=to_article)


def class_of(item_filter: Filter) -> GridClass:
    """The class that a filter names; empty parts match all."""
    return item_filter.master, item_filter.article, item_filter.to_master, item_filter.to_article


def in_class(item_filter: Filter, grid_class: GridClass) -> Filter:
    """A filter for one class of the grid."""
    master, article, to_master, to_article = grid_class
    return replace(item_filter, master=master, article=article, to_master=to_master, to_article=to_article)


@dataclass(frozen=True)
class Chip:
    """One part of a filter, and the filter without it."""

    text: str
    rest: Filter


def chips_of(t: Texts, item_filter: Filter) -> Iterator[Chip]:
    """The parts of a filter, without the order."""
    default = Filter()
    if item_filter.reason:
        yield Chip(t(f"reason-{item_filter.reason}"), replace(item_filter, reason=""))
    for name in ("master", "article", "to_master", "to_article", "has"):
        if value := getattr(item_filter, name):
            without: dict[str, Any] = {name: ""}
            yield Chip(value, replace(item_filter, **without))
    if item_filter.text:
        yield Chip(f"“{item_filter.text}”", replace(item_filter, text=""))
    if (item_filter.least, item_filter.most) != (default.least, default.most):
        ends = t("chip-confidence", least=t.whole_percent(item_filter.least), most=t.whole_percent(item_filter.most))
        yield Chip(ends, replace(item_filter, least=default.least, most=default.most))
