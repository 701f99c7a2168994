"""Pages of scores: one of all groups for the shop, and one for each group, which can be sent to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import pandas as pd

from tagger.evaluation.shares import is_few
from tagger.evaluation.standalone import page_environment
from tagger.suppliers.scores import FAULTS, Scores

_PICTURES, _LISTED, _GROUPS = 12, 300, 500
TITLES = {
    "missing": "picture missing", "broken": "picture cannot be read", "blurry": "picture blurry",
    "shared": "same picture as another item",
}  # fmt: skip


@dataclass(frozen=True)
class ItemFacts:
    """An item with something to mend."""

    group: str
    id: str
    what: str
    """What is wrong with it, in words."""
    detail: str
    picture: str
    """Where its picture was looked for; empty where it is not about the picture."""
    arrived: date
    """When it was first tagged; of a wrong label, when that was seen."""
    is_open: bool
    """Whether it was not mended since."""
    can_be_shown: bool

    @property
    def file(self) -> str:
        """The name of its picture's file: the whole address may be the shop's secret."""
        return PurePosixPath(unquote(urlsplit(self.picture).path)).name


@dataclass(frozen=True)
class GroupFacts:
    """What the page of one group says."""

    by: str
    """The column."""
    name: str
    scores: Scores
    """Of all groups: of the others, the page shows only what they are together."""
    items: Sequence[ItemFacts]
    dates: tuple[date, date]
    """Of the first and the last run."""
    pictures: Mapping[str, str]
    """Thumbnails by id, as `data:` URLs."""


def shown_items(items: Sequence[ItemFacts]) -> list[ItemFacts]:
    """The items of a group whose pictures its page has."""
    return [item for item in items if item.is_open and item.can_be_shown][:_PICTURES]


def page_of(facts: GroupFacts) -> str:
    """Render the page of one group as HTML."""
    groups = facts.scores.groups
    group = groups[groups["group"] == facts.name].iloc[0]
    others = groups[groups["group"] != facts.name].sum(numeric_only=True)
    rows = [
        (TITLES[name], int(group[name]), float(group[name] / group["items"]), _share(others, name, "items"))
        for name in FAULTS
    ]
    periods = facts.scores.periods
    open_items = [item for item in facts.items if item.is_open]
    return page_environment(__file__).get_template("group.html").render(
        facts=facts, group=group, rows=rows, other_items=int(others.get("items", 0)),
        labels_judged=int(group["labels_judged"]), labels_wrong=int(group["labels_wrong"]),
        labels_others=(_share(others, "labels_wrong", "labels_judged"), int(others.get("labels_judged", 0))),
        periods=periods[periods["group"] == facts.name].to_dict("records"),
        open_items=open_items[:_LISTED], more=max(len(open_items) - _LISTED, 0),
        mended=len(facts.items) - len(open_items),
        shown=[(item, facts.pictures[item.id]) for item in shown_items(facts.items) if item.id in facts.pictures],
    )  # fmt: skip


def overview_of(
    by: str, period: str, scores: Scores, dates: tuple[date, date], sent: Mapping[str, str], folder: str
) -> str:
    """Render the page of all groups as HTML.

    Args:
        by: The column.
        period: Of the trend: day, week or month.
        scores: Of the groups.
        dates: Of the first and the last run.
        sent: The groups' pages: their names in `folder`.
        folder: Where they are.
    """
    groups = scores.groups
    return page_environment(__file__).get_template("overview.html").render(
        by=by, period=period, dates=dates, rows=groups.head(_GROUPS).to_dict("records"),
        more=max(len(groups) - _GROUPS, 0), total=groups.sum(numeric_only=True), groups=len(groups), sent=sent,
        folder=folder, is_few=is_few, newest=scores.periods["period"].max(),
        has_minutes=bool(groups["minutes"].notna().any()), has_labels=bool(groups["labels_judged"].any()),
    )  # fmt: skip


def _share(of: pd.Series, part: str, whole: str) -> float | None:
    return float(of[part] / of[whole]) if of.get(whole) else None
