"""What speaks for which class of an item: the catalogue's label, the model's tag, the title, and similar items."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tagger.review.store.leaves import Leaf, Leaves
from tagger.review.store.records import QueuedItem
from tagger.review.web.answers import KEEP, leaf_answer
from tagger.review.web.look_alikes import LookAlike, agreed
from tagger.review.web.plain_words import named_in

CATALOGUE, MODEL, SUGGESTED, TITLE, LOOK_ALIKES = "catalogue", "model", "suggested", "title", "look_alikes"
_KEYS = {CATALOGUE: "k", MODEL: "a Enter", SUGGESTED: "a Enter", TITLE: "t", LOOK_ALIKES: "d"}


@dataclass(frozen=True)
class Witness:
    """One of four witnesses, and what it says of an item."""

    kind: str
    """`catalogue`, `model` (in an audit `suggested`), `title` or `look_alikes`."""
    article: str | None
    """The article type; None where it says nothing."""
    master: str | None
    """The master category; None where it names none."""
    confidence: float | None = None
    """0 to 1; None where it has none."""
    of: tuple[int, int] | None = None
    """How many items that look alike say so, of how many."""
    answer: str | None = None
    """The answer that takes it; None where it cannot be chosen."""
    is_named: bool = False
    """Whether the title has the name of the class in it."""
    image_alone: str | None = None
    """What the image says by itself, where that is another article type than image and title together."""

    @property
    def key(self) -> str:
        """The keys that take it, separated by spaces."""
        return _KEYS[self.kind]


def witnesses_of(
    item: QueuedItem, leaves: Leaves, look_alikes: Sequence[LookAlike], is_audit: bool
) -> tuple[Witness, ...]:
    """The four witnesses of an item, always in the same order.

    Args:
        item: The item.
        leaves: What may be chosen.
        look_alikes: Items that look like it.
        is_audit: Whether the item's tag is the catalogue's label, and the model's is a suggestion.
    """
    if is_audit:
        catalogue = Witness(CATALOGUE, item.article, item.master, answer=KEEP)
        suggested = leaves.find(item.suggested_master, item.suggested_article)
        model = Witness(
            SUGGESTED, item.suggested_article, item.suggested_master, item.suggested_confidence,
            answer=leaf_answer(suggested),
        )  # fmt: skip
    else:
        label = leaves.find(item.known_master, item.known_article)
        catalogue = Witness(CATALOGUE, item.known_article, item.known_master, answer=KEEP if label else None)
        tag = leaves.find(item.master, item.article)
        model = Witness(
            MODEL, item.article, item.master, item.article_confidence, answer=leaf_answer(tag),
            image_alone=_image_alone(item),
        )  # fmt: skip
    return catalogue, model, _title(item, leaves), _look_alikes(leaves, look_alikes)


def disagree(witnesses: Sequence[Witness]) -> bool:
    """Whether two of them name different article types."""
    return len({witness.article for witness in witnesses if witness.article}) > 1


def _said(item: QueuedItem, kind: str) -> Iterator[tuple[str, float]]:
    for each in item.evidence or ():
        if each["witness"] == kind:
            yield each["articleType"], each["confidence"]


def _image_alone(item: QueuedItem) -> str | None:
    return next((article for article, _ in _said(item, "image") if article != item.article), None)


def _title(item: QueuedItem, leaves: Leaves) -> Witness:
    """The class that the title names; where it names none, the one that the model of titles takes from it."""
    article, confidence = next(_said(item, "title"), (None, None))
    named = named_in(item.title or "", leaves)
    if named is not None and named != article:
        article, confidence = named, None
    leaf = most_frequent(leaves, article) if article else None
    master = leaf.master if leaf else None
    return Witness(TITLE, article, master, confidence, answer=leaf_answer(leaf), is_named=named is not None)


def most_frequent(leaves: Leaves, article: str) -> Leaf | None:
    """The class that most items of an article type have; a title names no master category."""
    of_type = [leaf for leaf in leaves if leaf.article == article]
    return max(of_type, key=lambda leaf: (not leaf.is_rare, leaf.by_model, leaf.items or 0), default=None)


def _look_alikes(leaves: Leaves, look_alikes: Sequence[LookAlike]) -> Witness:
    pair = agreed(look_alikes)
    if pair is None:
        return Witness(LOOK_ALIKES, None, None)
    alike = sum((one.master, one.article) == pair for one in look_alikes)
    return Witness(LOOK_ALIKES, pair[1], pair[0], of=(alike, len(look_alikes)), answer=leaf_answer(leaves.find(*pair)))
