"""Leaves (masterCategory, articleType) and the tree over them."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator


class Level(StrEnum):
    """A level of the taxonomy, named as its column is."""

    MASTER_CATEGORY = "masterCategory"
    ARTICLE_TYPE = "articleType"


class Leaf(BaseModel):
    """One (masterCategory, articleType) pair that occurs in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    masterCategory: str
    articleType: str


class Taxonomy(BaseModel):
    """The leaves in the order of the model's outputs, and the labels that were merged to get them."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    leaves: tuple[Leaf, ...]
    merge: dict[str, str] = {}
    spellings: dict[Level, dict[str, str]] | None = None
    """By level, the replaced spellings, each with the name that replaces it; None if spellings were not merged.

    If spellings were merged, a label equals a name that differs only in case, spaces or Unicode form.
    """

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out defaults, so that bundles from before merged spellings keep their modelId."""
        return {name: value for name, value in handler(self).items() if name != "spellings" or value is not None}

    @model_validator(mode="after")
    def _check(self) -> "Taxonomy":
        if len(set(self.leaves)) != len(self.leaves):
            raise ValueError("a leaf stands twice in the taxonomy")
        if len(self.leaves) < 2:
            raise ValueError("a taxonomy needs at least two leaves")
        return self

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]], merge: Mapping[str, str]) -> "Taxonomy":
        """Build a taxonomy from (masterCategory, articleType) pairs, sorted by name."""
        return cls(leaves=tuple(Leaf(masterCategory=m, articleType=a) for m, a in sorted(pairs)), merge=dict(merge))

    def classes(self, level: Level) -> tuple[str, ...]:
        """The names at one level, sorted."""
        return tuple(sorted({getattr(leaf, level) for leaf in self.leaves}))

    @cached_property
    def index(self) -> dict[tuple[str, str], int]:
        """The position of each leaf by its pair of names."""
        return {(leaf.masterCategory, leaf.articleType): i for i, leaf in enumerate(self.leaves)}

    def merged(self, label: str | None) -> str | None:
        """Return the master category that a label counts as, after merging."""
        return None if label is None else self.merge.get(label, label)
