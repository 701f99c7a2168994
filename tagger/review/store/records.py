"""What a review's store takes and gives: filters, items, decisions, how far it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tagger.schemas.tables.decision import Verdict

Order = Literal["uncertain", "certain", "catalogue"]


@dataclass(frozen=True)
class Filter:
    """Which waiting items, and which of them first."""

    reason: str = ""
    master: str = ""
    article: str = ""
    least: float = 0.0
    """Of the article type's confidence, 0 to 1."""
    most: float = 1.0
    order: Order = "uncertain"
    to_master: str = ""
    """In an audit, the class that is suggested."""
    to_article: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of the log: a decision, or one taken back."""

    seq: int
    verdict: str
    master: str | None
    article: str | None
    decided_by: str
    decided_at: datetime


@dataclass(frozen=True)
class Said:
    """What one key press said of some items, or took back."""

    verdict: str
    master: str | None
    article: str | None
    items: int
    taken_back: bool


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
    """What items with this picture share; None where no other item has it."""
    suggested_master: str | None
    suggested_article: str | None
    suggested_confidence: float | None
    """In an audit, what its label would be instead, and how sure that is; None where nothing is suggested."""
    current: int | None
    refused: bool


@dataclass(frozen=True)
class Copies:
    """The other items that have the picture of one."""

    shown: Sequence[tuple[QueuedItem, Entry | None]]
    """Some of them, with what stands of those that are decided; these come first."""
    waiting: int
    """How many of them can be decided at once."""
    others: int
    """How many wait, but for those that somebody has marked wrong."""
    in_conflict: bool
    """Whether the picture has different labels in the manifest, predictions, or decisions."""


@dataclass(frozen=True)
class Change:
    """What a person says of one item."""

    position: int
    verdict: Verdict
    master: str | None
    article: str | None
    expected: int | None = None
    """The decision that stood when the person looked; another one since is a conflict."""


@dataclass(frozen=True)
class Progress:
    """How far a review is, and how quick a person."""

    items: int
    decided: int
    per_hour: float | None
    """Of this person, over the last ten minutes."""
