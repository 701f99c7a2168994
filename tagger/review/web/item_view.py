"""What the page shows of one item."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tagger.review.store.leaves import Leaf, Leaves
from tagger.review.store.reading import standing_of
from tagger.review.store.records import QueuedItem
from tagger.review.store.review import ReviewStore
from tagger.review.web import words
from tagger.review.web.answers import suggestion_of
from tagger.review.web.attributes import Attributes, choices_of
from tagger.review.web.check import QualityCheck
from tagger.review.web.downloads import Downloads
from tagger.review.web.images import ItemImage, images_of
from tagger.review.web.look_alikes import LookAlikes
from tagger.review.web.offers import Offers
from tagger.review.web.pictures import Pictures
from tagger.review.web.synonyms import Synonyms
from tagger.review.web.texts import Texts
from tagger.review.web.trial import Trial
from tagger.review.web.witnesses import disagree, witnesses_of
from tagger.runs.ledger import LedgerEntry
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.documents.taxonomy import Level

_COPIES_SHOWN = 6
_ALTERNATIVES = 5
_LEAST_SHOWN = 0.005
"""A class with a smaller confidence is not offered by a number."""


@dataclass(frozen=True)
class Review:
    """One run under review, with all that the page needs."""

    name: str
    store: ReviewStore
    pictures: Pictures
    leaves: Leaves
    """What may be chosen."""
    trial: Trial | None
    """Predicts one image; None where the run's bundle is not at hand."""
    look_alikes: LookAlikes | None = None
    """Finds items that look like one; None without an index."""
    is_audit: bool = False
    """Whether labels are reviewed with suggestions for them, rather than a model's tags."""
    synonyms: Synonyms = field(default_factory=Synonyms.load)
    """Other words for classes, for the search."""
    attributes: Attributes = field(default_factory=dict)
    """The run's further tags with all their values; an audit has none."""
    record: RunRecord | None = None
    """What was tagged, by which model, and when."""
    downloads: Downloads | None = None
    """Writes files to take away; None where the run's predictions are not at hand."""
    offers: Offers | None = None
    """Finds waiting items that look like an answered one; None where nothing shall be offered."""
    refit_target: float | None = None
    """Precision of what refits accept, 0 to 1; None where none are made."""
    ledger_entry: LedgerEntry | None = None
    """The run itself; None where its files are not at hand."""
    is_blind: bool = False
    """Whether two models' tags are judged, without a word about which said what."""
    quality: QualityCheck | None = None
    """The run's quality sample; None in an audit, and where the run's predictions are not at hand."""


def item_view(
    review: Review, t: Texts, item: QueuedItem, large: ItemImage | None = None, opened_by: str = ""
) -> dict[str, Any]:
    """Values for the template of one item.

    Args:
        review: The review.
        t: Texts in the reader's language.
        item: The item.
        large: Which of its several images is shown large, by default the surest.
        opened_by: Who else has it open; empty where nobody has.
    """
    images = images_of(item)
    copies = review.store.copies(item, _COPIES_SHOWN)
    look_alikes = review.look_alikes.of(item.id) if review.look_alikes else []
    tag = review.leaves.find(item.master, item.article)
    suggestion = suggestion_of(item, review.leaves) if review.is_audit else None
    history = review.store.history(item.position)
    standing = standing_of(item, history)
    witnesses = [] if review.is_blind else witnesses_of(item, review.leaves, look_alikes, review.is_audit)
    return {
        "item": item,
        "images": images,
        "large": large or next(iter(images), None),
        "alternatives": list(_alternatives(review, item, suggestion or tag)),
        "tag": None if review.is_blind else tag,
        "suggestion": suggestion,
        "copies": copies,
        "why": words.why(t, item, copies, review.is_audit),
        "history": history,
        "standing": standing,
        "opened_by": opened_by,
        "attributes": list(choices_of(item, review.attributes, standing.attributes if standing else None)),
        "look_alikes": look_alikes,
        "witnesses": witnesses,
        "columns_shown": {n: v for n, v in item.columns.items() if not review.is_blind or n not in set(Level)},
        "disagree": disagree(witnesses),
    }


def _alternatives(review: Review, item: QueuedItem, first: Leaf | None) -> Iterator[tuple[Leaf, float]]:
    """The classes to choose by a number key, with their confidences; the key `a` takes the first one."""
    offered = ((review.leaves.find(a["masterCategory"], a["articleType"]), a) for a in item.alternatives)
    choices = {leaf: float(a["confidence"]) for leaf, a in offered if leaf}
    count = _ALTERNATIVES
    if first is not None:
        confidence = item.suggested_confidence if review.is_audit else item.article_confidence
        yield first, choices.get(first, 0.0 if confidence is None else confidence)
        count -= 1
    others = [(leaf, c) for leaf, c in choices.items() if leaf != first and c >= _LEAST_SHOWN]
    yield from others[:count]
