"""The images of an item with several, as its page shows them."""

from dataclasses import dataclass

from tagger.review.store.records import QueuedItem
from tagger.review.web.refusal import RefusalError


@dataclass(frozen=True)
class ItemImage:
    """One of several images of an item."""

    number: int
    """From 1, in the manifest's order."""
    ref: str
    article: str | None
    """The article type that it suggests by itself; None where it cannot be used."""
    confidence: float | None
    """Of the article type, 0 to 1."""
    problem: str | None
    """Code of why it cannot be used; None where it can, `other` where no code says so."""
    is_surest: bool
    """Whether it is the item's own image, the surest of its tag."""


def images_of(item: QueuedItem) -> list[ItemImage]:
    """An item's images, the surest first; none where it has no more than one."""
    refs = [each["imageUri"] for each in item.images or ()]
    surest = refs.index(item.image_ref) if item.image_ref in refs else None
    images = [
        ItemImage(
            number + 1,
            each["imageUri"],
            each["articleType"],
            each["articleTypeConfidence"],
            None if each["articleType"] else each["errorCode"] or "other",
            number == surest,
        )
        for number, each in enumerate(item.images or ())
    ]
    return sorted(images, key=lambda image: not image.is_surest)


def image_of(item: QueuedItem, number: int) -> ItemImage:
    """One of an item's images by its number.

    Raises:
        RefusalError: when it has no such image, or the run could not use it: such a file may crash its decoder.
    """
    image = next((each for each in images_of(item) if each.number == number), None)
    if image is None:
        raise RefusalError(404, "error-no-image")
    if image.problem:
        raise RefusalError(404, "error-no-image")
    return image
