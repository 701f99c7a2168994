"""The configs of `tagger tag`, `runs` and `latest`."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from tagger.schemas.configs.drift import DriftOptions
from tagger.schemas.configs.options import (
    CatalogOptions,
    RayOptions,
    S3Options,
)
from tagger.schemas.configs.reporting import ReportingOptions
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.values import (
    Confidence,
    EngineName,
    EvidenceUse,
    JobConfig,
    Panel,
    Seed,
    ShareOrCount,
    by_level,
    no_flag,
    parse_range,
)


class Selection(JobConfig):
    """Which items are tagged."""

    panel = Panel.SELECTION

    untagged_only: bool = Field(default=False, description="Leave alone the items that have both labels already.")
    since: dict[str, str] = Field(
        default={},
        description="COLUMN=VALUE: skip items whose column is before a number, or an ISO date or time; "
        "COLUMN=text:VALUE compares as text.",
    )
    known: list[str] = Field(
        default=[],
        description="An earlier run, or a folder of runs, which need not exist yet: skip items that a person decided, "
        "and those that this model has tagged from the same image. If the policy decides one differently now, it is "
        "decided again, without predicting again.",
    )

    @field_validator("known", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class Acceptance(JobConfig):
    """What is accepted without a person."""

    panel = Panel.DECISIONS
    renamed: ClassVar[Mapping[str, str]] = {"titles": "evidence"}

    accept_above: dict[Level, Confidence] = Field(
        default={},
        description="LEVEL=CONFIDENCE, or one confidence for both levels: what is surer is accepted without a person. "
        "By default what the bundle's policy says (tagger policy), or without one 0.9.",
    )
    qa_sample: float = Field(
        default=0,
        ge=0,
        le=1,
        description="Share of the accepted items that go to review all the same, drawn at random, so that tagger "
        "quality can say how precise the accepted tags are.",
    )
    seed: Seed = Field(default=0, description="Seed of that sample.")
    evidence: EvidenceUse = Field(
        default="auto",
        description="What items are tagged by: `all`, the image, the title and the columns that the bundle knows "
        "(tagger train --title --evidence), with a policy for each kind of evidence; `image`, the image alone; `check` "
        "tags by images, and sends items to review whose title is sure of another class; `auto` takes of `all` what "
        "the manifest has.",
    )

    @field_validator("evidence", mode="before")
    @classmethod
    def _of_an_earlier_version(cls, value: object) -> object:
        return {"fuse": "all", "ignore": "image"}.get(value, value) if isinstance(value, str) else value

    @field_validator("accept_above", mode="before")
    @classmethod
    def _both_levels(cls, value: object) -> object:
        return by_level(value)


class Speed(JobConfig):
    """What runs the model, in how many processes."""

    panel = Panel.SPEED

    engine: EngineName = Field(
        default="auto",
        description="What runs the model; auto takes the quickest that agrees with float32 PyTorch on this catalogue.",
    )
    batch_size: int = Field(default=0, ge=0, description="Images per forward pass; 0: 16 on a CPU, 512 on a GPU.")
    workers: str = Field(
        default="0", description="Tagging processes, N or MIN-MAX; 0 fits them to the machine or cluster."
    )

    @field_validator("workers", mode="before")
    @classmethod
    def _checked_workers(cls, value: object) -> str:
        text = str(no_flag(value)).strip()
        parse_range(text)
        return text


class Limits(JobConfig):
    """When a run counts as failed."""

    panel = Panel.LIMITS

    max_failed: ShareOrCount = Field(
        default="5%",
        description="More items without a usable image than this, 100 or 5%, exit with 4. A share is one of the items "
        "that were looked at and those that the runs of --known had tagged.",
    )
    max_rejected: ShareOrCount = Field(
        default="5%", description="More rejected rows of the manifest than this, 100 or 5%, exit with 4."
    )


class TagConfig(CatalogOptions, Selection, Acceptance, Speed, Limits, DriftOptions, ReportingOptions, RayOptions):
    """Tag every item of a catalogue, and say how sure each tag is.

    The tags are Parquet in --out, each accepted or for review. The same command resumes an interrupted run.
    """

    examples = (
        "--manifest styles.csv --images images/ --model bundle --out run-1",
        "--manifest styles.csv --images images/ --model bundle --out run-2 --untagged-only --known run-1",
        "--manifest s3://shop/items/ --images column:url --model bundle --out s3://shop/run",
    )

    @property
    def inputs(self) -> Mapping[str, str]:
        """What the command reads, by what it is: paths, or addresses."""
        return {"manifest": self.manifest, "model": self.model}

    model: str = Field(description="The bundle.")
    out: str = Field(description="Run directory, local or s3://. The same command continues what it began.")
    embeddings: bool = Field(
        default=False, description="Write the image vectors, too, for tagger index, similar, duplicates and audit."
    )
    pictures: bool | None = Field(
        default=None,
        description="Show some pictures of each type on the run's page, report.html. By default those that lie on a "
        "disk; those of a bucket or a server would be fetched once more.",
    )
    part_rows: int = Field(
        default=8192,
        ge=1,
        description="Most rows of a part, which a worker takes at once; the last ones are smaller. More than 100 parts "
        "are joined into files of about 128 MB at the end.",
    )

    @model_validator(mode="after")
    def _check(self) -> "TagConfig":
        if self.engine != "auto" and self.device not in ("auto", self.engine.split("-")[1]):
            raise ValueError(f"engine {self.engine} does not run on device {self.device}")
        return self


class RunsConfig(S3Options):
    """List the runs in a folder: when, how long, what came out."""

    examples: ClassVar[tuple[str, ...]] = ("nights/", "nights/ --json")
    renamed: ClassVar[Mapping[str, str]] = {"folder": "run"}

    run: str = Field(description="Folder of runs, or one run.", json_schema_extra={"argument": True})


class LatestConfig(RunsConfig):
    """Write the newest prediction of every item over all runs."""

    examples = ("nights/ --out newest",)

    out: str = Field(description="Folder for the Parquet parts; it must be new or empty.")
    part_rows: int = Field(default=65_536, ge=1, description="Rows in one part of the output.")
