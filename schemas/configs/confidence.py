"""The configs of `tagger policy`, `evidence`, `attributes` and `quality`."""

from collections.abc import Mapping
from datetime import date
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from tagger.schemas.configs.options import (
    ATTRIBUTE_DESCRIPTION,
    DATABASE_DESCRIPTION,
    EVIDENCE_DESCRIPTION,
    TITLE_DESCRIPTION,
    ManifestFormat,
    S3Options,
)
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.values import (
    ALL_NAMES,
    Confidence,
    Seed,
    by_level,
    by_name,
    separate_names,
)

ITEMS_PER_HOUR = 400
"""Items that a person reviews in an hour, as long as nothing better is known."""


class PolicyConfig(S3Options):
    """Find the confidences that give a bundle a target precision.

    They are kept in the bundle: tagger tag accepts what is surer, and leaves the rest to tagger review.
    """

    examples = (
        "bundle --target-precision 0.95",
        "bundle --target-precision masterCategory=0.98 --target-precision articleType=0.95",
        "bundle --target-precision 0.95 --splits 40",
    )
    renamed: ClassVar[Mapping[str, str]] = {"bundle": "model"}

    model: str = Field(description="The bundle.", json_schema_extra={"argument": True})
    target_precision: dict[Level, Confidence] = Field(
        description="LEVEL=PRECISION, or one for both levels: of what is to be accepted without a person."
    )
    attribute_precision: dict[str, Confidence] = Field(
        default={},
        description="ATTRIBUTE=PRECISION, or one for all: the same of further tags. By default that of articleType.",
    )
    probability: float = Field(
        default=0.95, gt=0.5, lt=1, description="With which each threshold is to keep its promise on new items."
    )
    class_items: int = Field(
        default=0,
        ge=0,
        description="A class that is predicted for this many held-out items gets its own threshold, if that raises "
        "coverage; 0: no class does.",
    )
    per_hour: int = Field(
        default=ITEMS_PER_HOUR, ge=1, description="Items that a person reviews in an hour, for the estimate."
    )
    splits: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Try the target out instead, this many times: fit on a random half of the held-out items, apply to "
        "the other half. The bundle does not change.",
    )
    seed: Seed = Field(default=0, description="Seed of those halves.")

    @field_validator("target_precision", mode="before")
    @classmethod
    def _both_levels(cls, value: object) -> object:
        return by_level(value)

    @field_validator("attribute_precision", mode="before")
    @classmethod
    def _all_attributes(cls, value: object) -> object:
        return by_name(value)

    def attribute_target(self, name: str) -> float:
        """The target precision of an attribute."""
        of_all = self.attribute_precision.get(ALL_NAMES, self.target_precision[Level.ARTICLE_TYPE])
        return self.attribute_precision.get(name, of_all)

    @model_validator(mode="after")
    def _check(self) -> "PolicyConfig":
        missing = [str(level) for level in Level if level not in self.target_precision]
        if missing:
            raise ValueError(f"target_precision has none for {', '.join(missing)}")
        if not all(0 < target < 1 for target in (*self.target_precision.values(), *self.attribute_precision.values())):
            raise ValueError("a target precision lies between 0 and 1")
        return self


class QualityConfig(S3Options):
    """Measure how precise accepted tags are, from reviewed samples.

    The sample is that of tagger tag --qa-sample, which people have decided about since.
    """

    examples = ("run-1", "nights/ --out classes.csv")
    renamed: ClassVar[Mapping[str, str]] = {"runs": "run"}

    run: list[str] = Field(min_length=1, description="Runs, or folders of runs.", json_schema_extra={"argument": True})
    target_precision: dict[Level, Confidence] = Field(
        default={}, description="LEVEL=PRECISION, or one for both levels; by default what the runs' policy promised."
    )
    probability: float = Field(default=0.95, gt=0.5, lt=1, description="Confidence level of the intervals.")
    since: date | None = Field(default=None, description="Count the runs from this day on, as 2026-05-01, in UTC.")
    models: Literal["newest", "all"] = Field(
        default="newest", description="Whose runs count: those of the newest run's model, or those of all."
    )
    out: str | None = Field(default=None, description="CSV file for the precision of every class.")
    database: str | None = Field(default=None, description=DATABASE_DESCRIPTION)

    @field_validator("target_precision", mode="before")
    @classmethod
    def _both_levels(cls, value: object) -> object:
        return by_level(value)


class EvidenceConfig(ManifestFormat):
    """Teach a bundle what titles and columns say of its classes.

    With --run, they are weighed against the images, and tagger tag uses all that an item shows.
    """

    examples = (
        "bundle --manifest styles.csv --title productDisplayName --run run-1",
        "bundle --manifest styles.csv --title productDisplayName --evidence gender,usage --run run-1",
    )
    renamed: ClassVar[Mapping[str, str]] = {"bundle": "model"}

    model: str = Field(description="The bundle.", json_schema_extra={"argument": True})
    manifest: str = Field(description="The manifest that the bundle was trained on, with its labels and titles.")
    title: list[str] = Field(default=[], description=TITLE_DESCRIPTION)
    evidence: list[str] = Field(default=[], description=EVIDENCE_DESCRIPTION)
    run: str | None = Field(
        default=None, description="Run of the bundle over these items: weigh image, title and columns together, too."
    )
    surely: Confidence = Field(default=0.9, description="A mistake of the image is confident from here on.")

    @field_validator("title", "evidence", mode="before")
    @classmethod
    def _several_names(cls, value: object) -> object:
        return separate_names(value)

    @model_validator(mode="after")
    def _check(self) -> "EvidenceConfig":
        if not (self.title or self.evidence):
            raise ValueError("name a column: --title, --evidence or both")
        if not (self.title or self.run):
            raise ValueError("columns tag nothing without images: --evidence alone needs a --run of images")
        return self


class AttributesConfig(ManifestFormat):
    """Teach a bundle further tags, such as gender or colour.

    From then on, tagger tag predicts them, too, from image, title and columns. tagger policy says which to accept.
    """

    examples = (
        "bundle --manifest styles.csv --attribute gender,baseColour --run run-1",
        "bundle --manifest styles.csv --attribute gender --attribute season --attribute usage --run run-1",
    )
    renamed: ClassVar[Mapping[str, str]] = {"bundle": "model"}

    model: str = Field(description="The bundle.", json_schema_extra={"argument": True})
    manifest: str = Field(description="The manifest that the bundle was trained on, with these labels.")
    attribute: list[str] = Field(min_length=1, description=ATTRIBUTE_DESCRIPTION)
    run: str = Field(
        description="Run of the bundle over these items by images alone and with image vectors: tagger tag --evidence "
        "image --embeddings."
    )

    @field_validator("attribute", mode="before")
    @classmethod
    def _several_names(cls, value: object) -> object:
        return separate_names(value)
