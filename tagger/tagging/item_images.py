"""Items with several images: which images a list of items has, and what they say together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from tagger.errors import ImageError
from tagger.models.attributes import AttributesModel
from tagger.models.evidence import expand_top_k
from tagger.models.image_pool import ImageRows, pool_images
from tagger.models.levels import Levels
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.tables.prediction import IMAGE
from tagger.tagging.collector import Outcome, fill

_Ref = TypeVar("_Ref")


class SaidImage(NamedTuple):
    """What one of several images of an item says by itself."""

    uri: str | None
    digest: bytes | None
    type: int
    """Index of its article type; -1 where it cannot be used."""
    confidence: float
    error: ImageError | None


@dataclass(frozen=True)
class ItemImages(Generic[_Ref]):
    """The images of N items: the first of each in their order, then all further ones."""

    refs: list[_Ref | None]
    """One per image; None for an item without one."""
    several: Mapping[int, tuple[int, ...]]
    """By item with several images, its images by their position in `refs`, the first one first."""

    @classmethod
    def of(cls, first: Iterable[_Ref | None], further: Iterable[Sequence[_Ref] | None]) -> "ItemImages[_Ref]":
        """The images of items by their first and, where there are several, their further ones."""
        refs = list(first)
        several: dict[int, tuple[int, ...]] = {}
        for item, others in enumerate(further):
            if others:
                several[item] = (item, *range(len(refs), len(refs) + len(others)))
                refs += others
        return cls(refs, several)

    def of_item(self, item: int) -> tuple[int, ...]:
        """Positions of an item's images."""
        return self.several.get(item, (item,))


class Joined(NamedTuple):
    """What the images of N items say together."""

    outcomes: list[Outcome]
    shown: list[int]
    """Of each item, the position of the image that stands for it: of several, the surest of its leaf."""
    said: dict[int, list[SaidImage]]
    """By item with several images, what each says."""


class ImageJoiner:
    """Joins the outcomes of images to one per item.

    Args:
        card: The model's card.
        record: Dtype of the outcomes.
        attributes: The attributes that they have.
    """

    def __init__(self, card: ModelCard, record: np.dtype[np.void], attributes: AttributesModel | None = None) -> None:
        self._attributes = attributes
        self._record = record
        self._levels = Levels(card.taxonomy, card.calibration.curves)
        self._leaves = len(card.taxonomy.leaves)
        self._pool = card.image_pool

    def join(
        self, images: ItemImages[str], outcomes: Sequence[Outcome], digests: Sequence[bytes | None], items: int
    ) -> Joined:
        """Join the outcomes of the images of some items.

        Args:
            images: The images.
            outcomes: One per image; empty ones, of images that were skipped, stay.
            digests: Of the images.
            items: N.
        """
        joined = Joined(list(outcomes[:items]), list(range(items)), {})
        usable = {
            item: [n for n in numbers if isinstance(outcomes[n], bytes) and outcomes[n]]
            for item, numbers in images.several.items()
        }
        chosen = [item for item, numbers in usable.items() if numbers]
        if chosen:
            self._pool_several(chosen, usable, outcomes, joined)
        for item, numbers in images.several.items():
            joined.said[item] = [self._said(images.refs[n], digests[n], outcomes[n]) for n in numbers]
        return joined

    def _pool_several(
        self, items: Sequence[int], usable: Mapping[int, Sequence[int]], outcomes: Sequence[Outcome], joined: Joined
    ) -> None:
        numbers = [n for item in items for n in usable[item]]
        records = np.frombuffer(b"".join(o for n in numbers if isinstance(o := outcomes[n], bytes)), self._record)
        each = expand_top_k(records["leaves"], records["leaf_confidences"], self._leaves)
        item_of = np.repeat(items, [len(usable[item]) for item in items])
        rows = ImageRows.of(item_of, (item_of != numbers).astype(np.int64))
        pooled = pool_images(each, rows, self._pool)
        of_items = records[pooled.surest]
        several = np.flatnonzero(rows.counts > 1)
        changed = of_items[several]
        fill(changed, self._levels, pooled.probabilities[several])
        changed["image_type"], changed["image_type_confidence"] = changed["type"], changed["type_confidence"]
        for part in self._attributes.slices if self._attributes else ():
            by_image = records["attributes"][:, part].astype(np.float32)
            changed["attributes"][:, part] = pool_images(by_image, rows, self._pool).probabilities[several]
        of_items[several] = changed
        for item, record, n in zip(items, of_items, pooled.surest.tolist(), strict=True):
            joined.outcomes[item] = record.tobytes()
            joined.shown[item] = numbers[n]

    def _said(self, ref: str | None, digest: bytes | None, outcome: Outcome) -> SaidImage:
        if isinstance(outcome, ImageError) or not outcome:
            return SaidImage(ref, digest, -1, 0.0, outcome if isinstance(outcome, ImageError) else None)
        (record,) = np.frombuffer(outcome, self._record)
        return SaidImage(ref, digest, int(record["type"]), float(record["type_confidence"]), None)


def images_column(types: pa.Array, said: Mapping[int, Sequence[SaidImage]], items: int) -> pa.Array:
    """The column `images` of PREDICTION for N items: null for an item without an entry.

    Args:
        types: Names of the article types.
        said: By item.
        items: N.
    """
    names = types.to_pylist() if said else []
    rows = [
        [
            {
                "imageUri": image.uri or "",
                "imageDigest": image.digest and image.digest.hex(),
                "articleType": names[image.type] if image.type >= 0 else None,
                "articleTypeConfidence": image.confidence if image.type >= 0 else None,
                "errorCode": image.error and str(image.error.code),
            }
            for image in said[item]
        ]
        if item in said
        else None
        for item in range(items)
    ]
    return pa.array(rows, pa.list_(IMAGE))
