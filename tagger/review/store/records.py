"""What a review's store takes and returns: filters, items, decisions, progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tagger.schemas.tables.decision import Verdict

Order = Literal["uncertain", "certain", "catalogue"]
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
    order: Order = "uncertain"
    to_master: str = ""
    """In an audit, the class that is suggested."""
    to_article: str = ""


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


@dataclass(frozen=True)
class Action:
    """What one key press did, or undid, to items of one class."""

    verdict: str
    master: str | None
    article: str | None
    items: int
    is_undo: bool


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
class Progress:
    """Items and decisions of a review, and a person's speed."""

    items: int
    decided: int
    per_hour: float | None
    """Of this person, over the last ten minutes."""
