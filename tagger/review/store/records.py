"""What a review's store takes and returns: filters, items, decisions, progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tagger.errors import TaggerError
from tagger.schemas.tables.decision import Verdict

Order = Literal["disputed", "uncertain", "certain", "catalogue", "random"]
SetAttributes = list[dict[str, str | None]]
"""Further tags that a person set, by DECISION: name and value, which is None where the item has none."""


@dataclass(frozen=True)
class Filter:
    """Which of the waiting items, and in which order."""

    reason: str = ""
    master: str = ""
    article: str = ""
    least: float = 0.0
    """Of the article type's confidence, 0 to 1."""
    most: float = 1.0
    order: Order = "disputed"
    """`disputed` begins with those on which catalogue, model and title disagree most, of these the least certain."""
    to_master: str = ""
    """In an audit, the class that is suggested."""
    to_article: str = ""
    text: str = ""
    """Words that title, id or columns of the manifest have, in any order."""
    has: str = ""
    """`COLUMN=VALUE` of the manifest."""


@dataclass(frozen=True)
class Entry:
    """One line of the log: a decision, or an undo."""

    seq: int
    verdict: str
    master: str | None
    article: str | None
    decided_by: str
    decided_at: datetime
    attributes: SetAttributes | None = None
    """The further tags that the person set; None where they set none."""
    note: str | None = None
    """What the person wrote."""


@dataclass(frozen=True)
class Action:
    """What one key press did, or undid, to items of one class."""

    verdict: str
    master: str | None
    article: str | None
    items: int
    is_undo: bool


@dataclass(frozen=True)
class Answered:
    """An item that a person has answered lately, and the answer."""

    position: int
    id: str
    title: str | None
    verdict: str
    master: str | None
    article: str | None


@dataclass(frozen=True)
class Proposal:
    """A class that people miss, with the items that wait for it."""

    key: str
    master: str
    article: str
    proposed_by: str
    """Who was the first."""
    proposed_at: datetime
    items: int
    pictures: tuple[int, ...]
    """Positions of some of the items."""


@dataclass(frozen=True)
class LogRow:
    """An entry of the log: what a person answered about an item, and when."""

    person: str
    at: datetime
    verdict: str
    """A `Verdict`, or one of the log's words for entries that decide nothing, such as a skip or an undo."""
    undone: bool = False
    """Whether a later entry undoes this one, or decides the item anew."""


@dataclass(frozen=True)
class ClassSummary:
    """A class that people gave items."""

    master: str
    article: str | None
    """None where only the category was decided."""
    items: int
    corrected: int
    """Those of them to which the model had given another class."""


@dataclass(frozen=True)
class Correction:
    """What the model said, and what people said instead."""

    from_master: str
    from_article: str
    master: str
    article: str
    items: int


State = Literal["all", "waiting", "decided", "mine", "corrected", "unusable", "skipped", "flagged", "proposed", "refit"]


@dataclass(frozen=True)
class Search:
    """Which items to list, waiting or not."""

    item_filter: Filter
    state: State = "all"
    """`mine` is decided by `who`; `skipped` by the session."""
    person: str = ""
    """Who has decided; empty for anybody."""
    who: str = ""
    """The name of the person who searches."""
    session: str = ""


@dataclass(frozen=True)
class FoundItem:
    """An item of a list, with its current decision."""

    position: int
    id: str
    title: str | None
    master: str
    article: str
    article_confidence: float
    verdict: str | None
    """None while it waits."""
    decided_master: str | None
    decided_article: str | None
    decided_by: str | None


@dataclass(frozen=True)
class QueuedItem:
    """One item that waits or waited for a person, with all that is shown of it."""

    position: int
    id: str
    image_ref: str | None
    master: str
    master_confidence: float
    article: str
    article_confidence: float
    alternatives: list[dict[str, Any]]
    """masterCategory, articleType and confidence of the most probable leaves, most probable first."""
    reasons: list[str]
    blur_score: float | None
    known_master: str | None
    known_article: str | None
    title: str | None
    columns: dict[str, str]
    picture: str | None
    """A key that items with this picture share; None where no other item has it."""
    suggested_master: str | None
    suggested_article: str | None
    suggested_confidence: float | None
    """In an audit, the confidence of the suggested label; these three are None where nothing is suggested."""
    attributes: list[dict[str, Any]] | None
    """Predicted further tags, by PREDICTION: name, value, confidence and decision; None where none are predicted."""
    images: list[dict[str, Any]] | None
    """Of an item with several images, each by PREDICTION, without its digest; None where there is one, or none."""
    evidence: list[dict[str, Any]] | None
    """What image and title say each by itself: witness (`image` or `title`), articleType and confidence; None where
    only images were asked."""
    current: int | None
    refused: bool
    flag: str | None
    """The note with which somebody flagged it; None where nobody did."""
    proposal: str | None
    """The key of the class that somebody proposed for it; None where nobody did."""


@dataclass(frozen=True)
class Copies:
    """The other items with an item's picture."""

    shown: Sequence[tuple[QueuedItem, Entry | None]]
    """Some of them, the decided ones first, with their decisions."""
    waiting: int
    """How many of them can be decided at once."""
    others: int
    """How many wait, without those that somebody has marked wrong."""
    in_conflict: bool
    """Whether the picture has different labels in the manifest, predictions, or decisions."""


@dataclass(frozen=True)
class Change:
    """A person's decision about one item, to be saved."""

    position: int
    verdict: Verdict
    master: str | None
    article: str | None
    expected: int | None = None
    """The decision when the item was shown; a later one is a conflict."""
    attributes: SetAttributes | None = None
    """The further tags that the person set; the others stay the model's."""


@dataclass(frozen=True)
class Conflict:
    """Why a key press was refused."""

    kind: Literal["unknown", "decided", "open"]
    """There is no such item; somebody has decided about it since; somebody else has it open."""
    current: int | None = None
    """The decision since, where there is one."""
    who: str = ""
    """Who decided, or has it open."""
    is_own: bool = False
    """Whether the same browser decided, in another window."""


class ConflictError(TaggerError):
    """A key press that is refused."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(f"refused: {conflict.kind}")
        self.conflict = conflict


@dataclass(frozen=True)
class Ahead:
    """Items that a page has fetched ahead, after it asked for more."""

    items: Sequence[QueuedItem]
    """The new ones."""
    lost: Sequence[int]
    """Of those that it had, the ones that others took over, or decided."""


@dataclass(frozen=True)
class Progress:
    """Items and decisions of a review, and a person's speed."""

    items: int
    decided: int
    by_refit: int
    """Items that a refit accepted, and nobody has decided."""
    per_hour: float | None
    """Of this person, over the last ten minutes."""

    @property
    def waiting(self) -> int:
        """Items that somebody still has to decide."""
        return self.items - self.decided - self.by_refit


@dataclass(frozen=True)
class OpenItem:
    """An item that somebody has open."""

    position: int
    id: str
    title: str | None
    session: str
    who: str | None
    since: float | None
    """Seconds since 1970 by the database's clock; None where an older version claimed it."""


@dataclass(frozen=True)
class GroupItem:
    """An item of a group that shows one picture, as `tagger duplicates` found it."""

    id: str
    sameness: str
    """How its image relates to that of the group's first item, by `Sameness`."""
    distance: float | None
    """Of its layout and the first item's, as a share of their contrast; None where no such pair was compared."""
    title: str | None
    master: str | None
    article: str | None
    """The catalogue's label; None where it has none."""
    image_ref: str | None
    """Where the manifest of the run says that its image is; None where it names none."""


@dataclass(frozen=True)
class Group:
    """A group of items that show one picture, and what a person said about it."""

    number: int
    """From 1, in the order in which people are asked."""
    found_as: int
    """Its number in the output of `tagger duplicates`."""
    items: Sequence[GroupItem]
    conflict: bool
    """Whether labels differ."""
    same: bool | None
    """Whether they show one picture; None while nobody answered."""
    apart: Sequence[str]
    """Ids of the items that do not belong."""
    decided_by: str | None
    decided_at: datetime | None
    """UTC."""


@dataclass(frozen=True)
class GroupCounts:
    """How many groups there are, and how many are answered."""

    groups: int
    answered: int
    conflicts_left: int
    """Groups whose labels differ, and which wait."""
