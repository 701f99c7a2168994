"""Fields that the configs of several jobs share."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from tagger.schemas.configs.learning import Learning
from tagger.schemas.values import Device, JobConfig, Panel, Seed

RoleName = Literal["id", "masterCategory", "articleType", "imageUri", "image"]
SplitKind = Literal["stratified", "group", "time"]
TITLE_DESCRIPTION = "Columns of text, such as productDisplayName: learn what they say of an item's class, too."
EVIDENCE_DESCRIPTION = (
    "Columns of values or numbers, such as gender,usage: learn what they say, too. Name what new items have before "
    "they are tagged."
)
ATTRIBUTE_DESCRIPTION = (
    "Columns of labels, such as gender,baseColour: learn to predict them as further tags. An item without a label in "
    "one teaches the others."
)
DATABASE_DESCRIPTION = (
    "Where people's decisions are kept, where it is not RUN/review.sqlite or what was exported: as for tagger review."
)


class S3Options(JobConfig):
    """Where `s3://` addresses lead."""

    panel = Panel.S3

    s3_endpoint: str | None = Field(default=None, description="Address of an S3 service other than Amazon's.")
    s3_region: str | None = Field(default=None, description="Region of the S3 buckets.")

    @field_validator("s3_endpoint")
    @classmethod
    def _with_scheme(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not re.match(r"https?://[^/]", endpoint):
            raise ValueError(f"{endpoint!r} is no address; it begins with http:// or https://")
        return endpoint


class ManifestFormat(S3Options):
    """How a table of items is read."""

    panel = Panel.DATA

    column: dict[RoleName, str] = Field(
        default={},
        description="ROLE=COLUMN: which manifest column is id, masterCategory, articleType, imageUri, image.",
    )
    item_column: str | None = Field(
        default=None,
        description="Column of the items' ids where an item has several rows, one for each image: consecutive rows "
        "with the same value are one item, and its first row counts for all but the images.",
    )
    delimiter: Literal["auto", ",", ";", "tab", "|"] = Field(default="auto", description="Field separator of CSV.")
    encoding: str = Field(
        default="auto",
        description="Text encoding of CSV and JSON Lines; auto knows UTF-8 and UTF-16, and guesses others and says so.",
    )
    sheet: str | None = Field(
        default=None, description="Sheet of an Excel workbook; without it, the first one that has an id column."
    )

    no_value: list[str] = Field(
        default=[],
        description="What else a cell says that has no value, such as k.A.; None, NULL, NaN, #N/A, - and their like "
        "are known.",
    )
    merge_spellings: bool = Field(
        default=False,
        description="Count labels that differ only in case, spaces, invisible characters or Unicode form as one, the "
        "most frequent.",
    )

    @field_validator("no_value", mode="before")
    @classmethod
    def _one_or_several_spellings(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("column", mode="before")
    @classmethod
    def _known_roles(cls, column: object) -> object:
        unknown = [str(role) for role in column if role not in get_args(RoleName)] if isinstance(column, dict) else []
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no role; ROLE=COLUMN names one of {', '.join(get_args(RoleName))}")
        return column

    @field_validator("column")
    @classmethod
    def _one_role_each(cls, column: dict[RoleName, str]) -> dict[RoleName, str]:
        for name in column.values():
            roles = [role for role, mapped in column.items() if mapped == name]
            if len(roles) > 1:
                raise ValueError(f"{name} is named for {' and '.join(roles)}; each needs a column of its own")
        return column

    @model_validator(mode="before")
    @classmethod
    def _items_have_the_ids(cls, values: object) -> object:
        if not isinstance(values, dict) or values.get("item_column") is None:
            return values
        name, column = values["item_column"], values.get("column", {})
        if isinstance(column, dict) and column.get("id", name) != name:
            raise ValueError(f"--item-column {name} names the column of the ids; leave --column id={column['id']} out")
        return {**values, "column": {**column, "id": name} if isinstance(column, dict) else column}


class FetchOptions(JobConfig):
    """How images are fetched, and which may be."""

    panel = Panel.IMAGES

    allow_http: bool = Field(default=False, description="Fetch images whose addresses are http:// or https://.")
    allow_private_hosts: list[str] = Field(
        default=[],
        description="Hosts that http images may be fetched from although their address is private or of this machine: "
        "NAME or NAME:PORT; * lets in all but link-local ones.",
    )
    http_per_host: int = Field(
        default=8, ge=1, le=512, description="Image requests in flight per worker and http host."
    )
    http_timeout: float = Field(
        default=60, gt=0, description="Most seconds that fetching one image over http may take, retries included."
    )
    follow_links: bool = Field(
        default=False, description="Read links (symlinks) that point outside the folder of the images."
    )

    @field_validator("allow_private_hosts", mode="before")
    @classmethod
    def _one_host_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class CatalogOptions(ManifestFormat, FetchOptions):
    """A manifest and the image store that goes with it."""

    panel = Panel.IMAGES

    manifest: str = Field(description="CSV, JSON Lines, Parquet or XLSX: a file, a folder or a glob, local or s3://.")
    images: str | None = Field(
        default=None,
        description="Image store: DIR, DIR/{id}.jpg, DIR/{id}_{n}.jpg (several an item), s3://BUCKET/PREFIX/{id}.jpg, "
        "https://HOST/{id}.jpg, column:NAME (URIs or bytes in the manifest), Parquet files of id and image, or tar "
        "files (WebDataset) such as 'DIR/*.tar'. Without it, the manifest's column imageUri or image.",
    )
    images_root: str | None = Field(
        default=None, description="Folder (or s3:// prefix) that image URIs of the manifest may not leave."
    )
    images_per_item: int = Field(
        default=8,
        ge=1,
        le=100,
        description="Most images of one item that are looked at, in the manifest's order, where a cell or several rows "
        "(--item-column) name them, or a pattern has {n}; 1 takes the first alone.",
    )
    max_bytes: int = Field(default=32 * 2**20, gt=0, description="Largest image file read, bytes.")
    max_pixels: int = Field(default=100_000_000, gt=0, description="Largest image decoded, pixels.")
    store_concurrency: int = Field(default=16, ge=1, le=512, description="Image requests in flight per worker.")


class DeviceOptions(JobConfig):
    """What computes."""

    panel = Panel.SPEED

    device: Device = Field(default="auto", description="auto takes the GPUs that Ray has, else the CPUs.")


class RayOptions(DeviceOptions):
    """Where the job runs."""

    panel = Panel.RAY

    ray_address: str | None = Field(
        default=None,
        description="A Ray cluster (auto, HOST:PORT or ray://HOST:PORT), or local: Ray runs inside the command, as "
        "without it, unless the command was submitted to a cluster: then that one is taken.",
    )


class DecisionsOptions(JobConfig):
    """What people decided in the review, as labels."""

    panel = Panel.DATA

    decisions: list[str] = Field(
        default=[],
        description="Runs, or Parquet files or folders, whose review decisions replace the manifest's labels.",
    )

    @field_validator("decisions", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class SplitOptions(JobConfig):
    """Which labelled items train, steer and judge a model."""

    panel = Panel.SPLIT

    split: SplitKind = Field(
        default="group",
        description="How sides are drawn: by shares of each leaf, where groups of items, such as copies of one image, "
        "stay together; stratified: the same without groups, which does not read the images for it; or by time, the "
        "oldest to train, then val, test and control.",
    )
    group_by: list[str] = Field(
        default=["digest"],
        description="With --split group: columns whose equal values keep items together, such as a product's number; "
        "digest does so for identical image files, for which all images are read once more.",
    )
    duplicates: str | None = Field(
        default=None,
        description="With --split group: folder that tagger duplicates wrote; items of one picture stay together.",
    )
    time_by: str = Field(
        default="year",
        description="Column of years or ISO dates, for --split time, and for the report where the manifest has it.",
    )
    val: float = Field(default=0.1, gt=0, lt=1, description="Share that steers training and calibration.")
    test: float = Field(default=0.1, gt=0, lt=1, description="Share that the metrics are computed on.")
    control: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Share that neither training nor calibration sees: tagger policy fits thresholds to it. 0 takes "
        "half of val for it.",
    )
    split_seed: Seed | None = Field(
        default=None, description="Seed of how sides are drawn, where trainings of several seeds share their sides."
    )

    @model_validator(mode="after")
    def _some_train(self) -> "SplitOptions":
        if self.val + self.test + self.control >= 1:
            raise ValueError("val, test and control leave nothing to train on")
        if self.duplicates is not None and self.split != "group":
            raise ValueError("duplicates stay together with --split group alone")
        return self


class WeightsOptions(JobConfig):
    """Where weights come from when several backbones are trained."""

    panel = Panel.MODEL
    renamed: ClassVar[Mapping[str, str]] = {"pretrained": "weights"}

    weights: dict[str, str] = Field(
        default={}, description="BACKBONE=file:PATH or none, in place of torchvision's, for recipes that take those."
    )

    def weights_of(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """The weights that override those of a recipe's settings."""
        backbone = str(settings.get("backbone", Learning.model_fields["backbone"].default))
        wants_them = settings.get("weights", "pretrained") == "pretrained"
        return {"weights": self.weights[backbone]} if wants_them and backbone in self.weights else {}
