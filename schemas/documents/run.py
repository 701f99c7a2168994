"""`run.json`: the config, inputs, versions and counts of a run."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from tagger.schemas.tables.prediction import Decision

RunKind = Literal["tag", "audit", "comparison", "proposal"]


class RunPart(BaseModel):
    """A part of the run record: written in camelCase, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Counts(RunPart):
    """Counts of rows.

    rows = predictions + rejects + skipped + further, and predictions = sum of decisions.
    """

    rows: int = 0
    further: int = Field(
        default=0, description="Rows of items after the first of each, which name further images (--item-column)."
    )
    repaired: int = 0
    rejects: int = 0
    skipped: int = Field(default=0, description="Rows that were left alone, as was asked.")
    skip_reasons: dict[str, int] = Field(
        default={},
        description="Skipped rows by reason: labelled (--untagged-only), before_since, known and decided (--known).",
    )
    known: int = Field(
        default=0,
        description="Of the skipped rows, those that the runs of --known had tagged or a person had decided, whatever "
        "they were left alone for: with predictions, the whole that --max-failed is a share of.",
    )
    predictions: int = 0
    redecided: int = Field(
        default=0,
        description="Predictions of unchanged images whose stored confidences were decided again.",
    )
    decisions: dict[str, int] = {}
    errors: dict[str, int] = Field(
        default={}, description="Items without a usable image by error code: failed, or tagged without it."
    )
    attributes: dict[str, dict[str, int]] = Field(
        default={}, description="Predicted further tags by name and decision."
    )
    reject_reasons: dict[str, int] = {}
    parts: int = 0

    @property
    def without_image(self) -> int:
        """Items whose image cannot be used: failed, or tagged without it."""
        return max(self.decisions.get(Decision.FAILED, 0), sum(self.errors.values()))

    @property
    def tagged_without_image(self) -> int:
        """Items that were tagged by what else they show, because their image cannot be used."""
        return self.without_image - self.decisions.get(Decision.FAILED, 0)


class EngineCheck(RunPart):
    """The engine, and how far it agreed with float32 PyTorch on images."""

    engine: str = Field(description="Library, device and precision, such as openvino-cpu-float16.")
    images: int = Field(default=0, description="How many images were compared; 0 for float32 PyTorch itself.")
    sure_images: int = Field(
        default=0,
        description="How many of them had a tag that the bundle's policy accepts; without a policy, one with a "
        "confidence of two thirds or more.",
    )
    agreement: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the sure images with the same tags at the levels that were accepted, or sure.",
    )
    same_decisions: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the images with an accepted tag of which both engines' confidences lie on the same side "
        "of the policy's thresholds; 1 without a policy.",
    )
    same_leaf: float = Field(default=1.0, ge=0, le=1, description="Share of all with the same most probable leaf.")
    confidence_shift: float = Field(
        default=0.0, description="Mean difference of the article type's confidence where one engine was sure of it."
    )
    largest_difference: float | None = Field(default=0.0, description="Of any logit; null when one was not finite.")
    compiled: bool | None = Field(
        default=None, description="Whether PyTorch compiled it where it was compared; null for those that it does not."
    )
    passed_over: dict[str, str] = Field(default={}, description="Quicker engines, and why they were not taken.")
    earlier: bool = Field(default=False, description="Whether an earlier run chose it, on its images.")


class RunRecord(RunPart):
    """The whole of `run.json`."""

    run_version: Literal[1] = 1
    run_id: str
    model_id: str
    model_name: str | None = Field(
        default=None,
        description="What the config had named, such as models/fashion@champion; its `model` is what that was then.",
    )
    state: Literal["running", "done"]
    kind: RunKind = Field(
        default="tag",
        description="An audit's predictions are the catalogue's labels, which a person is to look at; those of a "
        "comparison are two models' tags in random order; those of a proposal are drawn from a run's changes.",
    )
    config: dict[str, object]
    fingerprint: str = Field(description="Hash of manifest, model and settings; another one may not continue this run.")
    inputs: dict[str, str] = Field(description="What the fingerprint is made of, by name.")
    versions: dict[str, str]
    target_precision: dict[str, float] = Field(
        default={}, description="Of what is accepted, by level, where the bundle's policy promises one."
    )
    blur_threshold: float | None = Field(
        default=None, description="The model's: pictures with a lower blurScore are blurry; null in older runs."
    )
    attributes: dict[str, tuple[str, ...]] = Field(
        default={}, description="Further tags that the run predicted, by name, each with all its values."
    )
    engine: EngineCheck | None = Field(default=None, description="Chosen once; a resumed run keeps it.")
    started_at: datetime
    after: tuple[str, ...] = Field(
        default=(),
        description="Ids of runs that it knew at its start: it is newer than these, whatever the clocks say.",
    )
    finished_at: datetime | None = None
    seconds: float | None = Field(default=None, description="Duration of the last call that did work.")
    engine_share: float | None = Field(
        default=None, description="Share of the workers' time that the engine took; the rest read, decoded and wrote."
    )
    tagging_seconds: float | None = Field(
        default=None, description="Of that, from the engine being chosen to the last part: without start and end."
    )
    counts: Counts
