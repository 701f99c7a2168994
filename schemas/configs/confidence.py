"""What `tagger policy`, `titles` and `quality` are asked for."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from tagger.schemas.configs.options import (
    DATABASE_DESCRIPTION,
    ManifestFormat,
    S3Options,
)
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.values import (
    Confidence,
    Seed,
    by_level,
)


class PolicyConfig(S3Options):
    """Name a precision: find the confidences from which on a bundle's tags have it, and keep them in the bundle."""

    renamed: ClassVar[Mapping[str, str]] = {"bundle": "model"}

    model: str = Field(description="The bundle.", json_schema_extra={"argument": True})
    target_precision: dict[Level, Confidence] = Field(
        description="LEVEL=PRECISION, or one for both levels: of what is to be accepted without a person."
    )
    probability: float = Field(
        default=0.95, gt=0.5, lt=1, description="With which each threshold is to keep its promise on new items."
    )
    class_items: int = Field(
        default=0,
        ge=0,
        description="A class that is predicted for so many held-out items gets a threshold of its own, where that "
        "raises coverage; 0: none does.",
    )
    per_hour: int = Field(default=400, ge=1, description="Items that a person reviews in an hour, for the estimate.")
    splits: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Try the target out instead: fit on a random half of the held-out items, apply to the other half, "
        "so many times. The bundle stays as it is.",
    )
    seed: Seed = Field(default=0, description="Seed of those halves.")

    @field_validator("target_precision", mode="before")
    @classmethod
    def _both_levels(cls, value: object) -> object:
        return by_level(value)

    @model_validator(mode="after")
    def _check(self) -> "PolicyConfig":
        missing = [str(level) for level in Level if level not in self.target_precision]
        if missing:
            raise ValueError(f"target_precision has none for {', '.join(missing)}")
        if not all(0 < target < 1 for target in self.target_precision.values()):
            raise ValueError("a target precision lies between 0 and 1")
        return self


class QualityConfig(S3Options):
    """Say how precise accepted tags are in production, from what people said of the QA sample (tag --qa-sample)."""

    renamed: ClassVar[Mapping[str, str]] = {"runs": "run"}

    run: list[str] = Field(min_length=1, description="Runs, or folders of runs.", json_schema_extra={"argument": True})
    target_precision: dict[Level, Confidence] = Field(
        default={}, description="LEVEL=PRECISION, or one for both levels; by default what the runs' policy promised."
    )
    probability: float = Field(
        default=0.95, gt=0.5, lt=1, description="With which the precision lies in the intervals that are given."
    )
    out: str | None = Field(default=None, description="CSV file for the precision of every class.")
    database: str | None = Field(default=None, description=DATABASE_DESCRIPTION)

    @field_validator("target_precision", mode="before")
    @classmethod
    def _both_levels(cls, value: object) -> object:
        return by_level(value)


class TitlesConfig(ManifestFormat):
    """Teach a bundle what titles say of its classes, as a second witness for tagger tag --titles; and measure it."""

    renamed: ClassVar[Mapping[str, str]] = {"bundle": "model"}

    model: str = Field(description="The bundle.", json_schema_extra={"argument": True})
    manifest: str = Field(description="The manifest that the bundle was trained on, with its labels and titles.")
    title: str = Field(description="Column of the titles, such as productDisplayName.")
    run: str | None = Field(
        default=None, description="Run of the bundle over these items: measure image and title together, too."
    )
    surely: Confidence = Field(default=0.9, description="A mistake of the image is confident from here on.")
