"""One frozen config per job; unknown keys are errors. Each field is a flag, too: `image_size` is `--image-size`."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from schemas.learning import Learning
from schemas.taxonomy import Level
from schemas.values import (
    Confidence,
    Device,
    JobConfig,
    Seed,
    ShareOrCount,
    Size,
    no_flag,
    parse_range,
)

EngineName = Literal[
    "auto",
    "openvino-cpu-float16",
    "openvino-cpu-bfloat16",
    "openvino-cpu-float32",
    "torch-cpu-float32",
    "torch-cuda-float16",
    "torch-cuda-bfloat16",
    "torch-cuda-float32",
]
RoleName = Literal["id", "masterCategory", "articleType", "imageUri", "image"]
SplitKind = Literal["stratified", "group", "time"]
SplitName = Literal["train", "val", "test", "control"]


class ManifestFormat(JobConfig):
    """How a table of items is read."""

    column: dict[RoleName, str] = Field(
        default={},
        description="ROLE=COLUMN: which manifest column is id, masterCategory, articleType, imageUri, image.",
    )
    delimiter: Literal["auto", ",", ";", "tab", "|"] = Field(default="auto", description="Field separator of CSV.")
    encoding: str = Field(default="auto", description="Text encoding of CSV; auto knows UTF-8, UTF-16 and Latin-1.")
    s3_endpoint: str | None = Field(default=None, description="Address of an S3 service other than Amazon's.")
    s3_region: str | None = Field(default=None, description="Region of the S3 buckets.")

    @field_validator("column")
    @classmethod
    def _one_role_each(cls, column: dict[RoleName, str]) -> dict[RoleName, str]:
        twice = sorted({c for c in column.values() if list(column.values()).count(c) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named for several roles")
        return column

    @field_validator("s3_endpoint")
    @classmethod
    def _with_scheme(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not re.match(r"https?://[^/]", endpoint):
            raise ValueError(f"{endpoint!r} is no address; it begins with http:// or https://")
        return endpoint


class CatalogOptions(ManifestFormat):
    """A manifest and the image store that goes with it."""

    manifest: str = Field(description="CSV or Parquet: a file, a folder or a glob, local or s3://.")
    images: str | None = Field(
        default=None,
        description="Image store: DIR, DIR/{id}.jpg, s3://BUCKET/PREFIX/{id}.jpg, column:NAME (URIs or bytes in the "
        "manifest), or Parquet files of id and image. Without it, the manifest's imageUri or image column.",
    )
    images_root: str | None = Field(
        default=None, description="Folder (or s3:// prefix) that image URIs of the manifest may not leave."
    )
    max_bytes: int = Field(default=32 * 2**20, gt=0, description="Largest image file read, bytes.")
    max_pixels: int = Field(default=100_000_000, gt=0, description="Largest image decoded, pixels.")
    store_concurrency: int = Field(default=16, ge=1, le=512, description="Image requests in flight per worker.")


class RayOptions(JobConfig):
    """Where the job runs."""

    ray_address: str | None = Field(
        default=None, description="A Ray cluster (auto, or ray://HOST:PORT); without it, Ray runs inside the command."
    )
    device: Device = Field(default="auto", description="auto takes the GPUs that Ray has, else the CPUs.")


class CheckConfig(CatalogOptions):
    """What is in a catalogue, and what is wrong with it: run this first."""

    min_items: int = Field(default=50, ge=1, description="Leaves with fewer items are reported as too small to train.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")
    sample: int = Field(default=0, ge=0, description="Look at this many images, drawn by hash of id; 0 looks at all.")
    seed: Seed = Field(default=0, description="Seed of the sample.")


class SplitOptions(JobConfig):
    """Which labelled items train, steer and judge a model."""

    split: SplitKind = Field(
        default="stratified",
        description="How sides are drawn: by shares of each leaf; the same, but groups of items stay together; or by "
        "time, the oldest to train and the newest to test.",
    )
    group_by: list[str] = Field(
        default=["digest"],
        description="With --split group: columns whose equal values keep items together, such as a product's number; "
        "digest does so for identical images.",
    )
    time_by: str = Field(
        default="year",
        description="Column of years or ISO dates, for --split time, and for the report where the manifest has it.",
    )
    val: float = Field(default=0.1, gt=0, lt=1, description="Share that steers training and calibration.")
    test: float = Field(default=0.1, gt=0, lt=1, description="Share that the metrics are computed on.")
    control: float = Field(default=0.05, ge=0, lt=1, description="Share that no job looks at by itself.")

    @model_validator(mode="after")
    def _some_train(self) -> "SplitOptions":
        if self.val + self.test + self.control >= 1:
            raise ValueError("val, test and control leave nothing to train on")
        return self


class TrainConfig(CatalogOptions, RayOptions, SplitOptions, Learning):
    """Learn the taxonomy and the model from the labelled items of a catalogue."""

    out: str = Field(description="Folder of the bundle, local or s3://. The same command continues what it began.")
    recipe: str = Field(
        default="standard",
        description="How to learn: one that tagger recipes lists, or FILE.yaml; other flags and --config win.",
    )
    unbalance: float = Field(
        default=1,
        ge=1,
        description="An experiment with rare leaves: thin the training items out, in steps from the largest leaf, "
        "which stays whole, to the smallest, of which 1/unbalance stays.",
    )
    seed: Seed = Field(default=0, description="Seed of the split and of training.")
    workers: int = Field(default=1, ge=1, description="Training processes (DDP); one GPU each on GPUs.")

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        parts = self.workers * self.accumulate
        if self.batch_size % parts or self.batch_size < 2 * parts:
            raise ValueError(
                f"batch_size {self.batch_size} does not divide over {self.workers} workers"
                + (f" with {self.accumulate} passes each" if self.accumulate > 1 else "")
            )
        return self


class WeightsOptions(JobConfig):
    """Where weights come from when several backbones are trained."""

    pretrained: dict[str, str] = Field(
        default={}, description="BACKBONE=file:PATH or none, in place of torchvision's, for recipes that take those."
    )

    def weights_of(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """The weights to take with a recipe's settings, where they are not the recipe's own."""
        backbone = str(settings.get("backbone", Learning.model_fields["backbone"].default))
        wants_them = settings.get("weights", "pretrained") == "pretrained"
        return {"weights": self.pretrained[backbone]} if wants_them and backbone in self.pretrained else {}


class TuneConfig(CatalogOptions, RayOptions, SplitOptions, WeightsOptions):
    """Search for a better recipe: train with many settings, and keep those that do best on val."""

    space: str = Field(description="FILE.yaml of the settings to try, or the name of a space that comes with this.")
    out: str = Field(description="Folder of the leaderboard and the best recipe. The same command continues.")
    trials: int = Field(default=0, ge=0, description="Settings to draw at random; 0: every combination of the lists.")
    sample: int = Field(default=0, ge=0, description="Train and validate on so many items; 0: on all.")
    set: dict[str, str] = Field(default={}, description="FIELD=VALUE of a recipe, over the space's own.")
    seed: Seed = Field(default=0, description="Seed of the split, of the draws and of training.")
    stop_bad_trials: bool = Field(
        default=True, description="Give up trials that are behind after a third of their epochs."
    )
    concurrent: int = Field(default=0, ge=0, description="Trials at once; 0: one a GPU, or one a core.")


class ResultsConfig(CatalogOptions, RayOptions, SplitOptions, WeightsOptions):
    """Train recipes side by side on one catalogue, and write the table of what each reaches."""

    out: str = Field(description="Folder of the bundles and the table. The same command continues.")
    recipes: list[str] = Field(default=[], description="Recipes by name or FILE.yaml; all that there are by default.")
    seeds: list[Seed] = Field(default=[0], min_length=1, description="Each recipe is trained with each of these.")
    average: list[str] = Field(default=[], description="RECIPE+RECIPE: average their predictions, and measure that.")
    set: dict[str, str] = Field(
        default={}, description="FIELD=VALUE over every recipe's own, or RECIPE.FIELD=VALUE over one's."
    )
    min_items: int = Field(default=50, ge=1, description="Leaves with fewer items are left out and reported.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")


class CombineConfig(CatalogOptions, RayOptions):
    """Make one bundle of several that were trained on the same items: their predictions averaged, or their weights."""

    bundles: list[str] = Field(
        description="Two or more bundles of one taxonomy and one form of input.", json_schema_extra={"argument": True}
    )
    out: str = Field(description="Folder of the bundle, local or s3://; new or empty.")
    average: Literal["predictions", "weights"] = Field(
        default="predictions",
        description="predictions: all models run, each as calibrated; weights: one model, of runs that began alike.",
    )
    time_by: str = Field(default="year", description="Column of years or ISO dates, for the report where there is one.")

    @model_validator(mode="after")
    def _check(self) -> "CombineConfig":
        if len(self.bundles) < 2:
            raise ValueError("name two or more bundles")
        return self


class TagConfig(CatalogOptions, RayOptions):
    """Tag every item of a catalogue with a bundle, and write the tags with their confidences."""

    model: str = Field(description="The bundle.")
    out: str = Field(description="Run directory, local or s3://. The same command continues what it began.")
    accept_above: dict[Level, Confidence] = Field(
        default={Level.MASTER_CATEGORY: 0.9, Level.ARTICLE_TYPE: 0.9},
        description="LEVEL=CONFIDENCE, or one confidence for both levels: what is surer is accepted without a person.",
    )
    untagged_only: bool = Field(default=False, description="Leave alone the items that have both labels already.")
    since: dict[str, str] = Field(
        default={},
        description="COLUMN=VALUE: leave alone the items whose column (number, ISO date or text) is before the value.",
    )
    known: list[str] = Field(
        default=[],
        description="An earlier run, or a folder of runs: leave alone the items that a person decided about, and those "
        "that this model has tagged from the same image.",
    )
    engine: EngineName = Field(
        default="auto",
        description="What runs the model; auto takes the quickest that agrees with float32 PyTorch on this catalogue.",
    )
    batch_size: int = Field(default=0, ge=0, description="Images per forward pass; 0: 16 on a CPU, 512 on a GPU.")
    workers: str = Field(
        default="0", description="Tagging processes, N or MIN-MAX; 0 fits them to the machine or cluster."
    )
    part_rows: int = Field(default=8192, ge=1, description="Rows in one part of the output.")
    max_failed: ShareOrCount = Field(default="5%", description="More failed items than this, 100 or 5%, exit with 4.")

    @field_validator("workers", mode="before")
    @classmethod
    def _checked_workers(cls, value: object) -> str:
        text = str(no_flag(value)).strip()
        parse_range(text)
        return text

    @field_validator("known", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> "TagConfig":
        if self.engine != "auto" and self.device not in ("auto", self.engine.split("-")[1]):
            raise ValueError(f"engine {self.engine} does not run on device {self.device}")
        return self

    @field_validator("accept_above", mode="before")
    @classmethod
    def _both_levels(cls, value: object) -> object:
        no_flag(value)
        if isinstance(value, int | float | str):
            return dict.fromkeys(Level, value)
        if isinstance(value, dict):
            return {**dict.fromkeys(Level, 0.9), **value}
        return value


class RecipesConfig(JobConfig):
    """List the recipes of tagger train, or print one: a YAML file to begin one's own with."""

    name: str | None = Field(default=None, description="The recipe to print.", json_schema_extra={"argument": True})


class RunsConfig(JobConfig):
    """List the runs in a folder: when, with which model, how long, and what came out."""

    folder: str = Field(description="Folder of runs, or one run.", json_schema_extra={"argument": True})
    s3_endpoint: str | None = Field(default=None, description="Address of an S3 service other than Amazon's.")
    s3_region: str | None = Field(default=None, description="Region of the S3 bucket.")


class LatestConfig(RunsConfig):
    """Write the newest prediction of every item over the finished runs in a folder."""

    out: str = Field(description="Folder for the Parquet parts; it must be new or empty.")
    part_rows: int = Field(default=65_536, ge=1, description="Rows in one part of the output.")


class EvaluateConfig(ManifestFormat):
    """Compare a run with known labels, and with another run or bundle: metrics and a report."""

    run: str = Field(description="The run directory.")
    labels: str = Field(description="Labelled manifest: a file, a folder or a glob, local or s3://.")
    out: str = Field(description="Folder of the report.")
    model: str | None = Field(default=None, description="The bundle, for --split and for the labels it merged.")
    split: SplitName | None = Field(default=None, description="Only the items on this side of the bundle's split.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")
    against: str | None = Field(
        default=None, description="Another run, or a bundle for its test items, to compare with side by side."
    )
    images: str | None = Field(
        default=None, description="Image store of the labelled manifest, as for the tag job: for pictures of mistakes."
    )
    images_root: str | None = Field(default=None, description="Folder that image URIs of the manifest may not leave.")
    time_by: str = Field(default="year", description="Column of years or ISO dates, for the report where there is one.")

    @model_validator(mode="after")
    def _check(self) -> "EvaluateConfig":
        if self.split and not self.model:
            raise ValueError("split needs the bundle that made it: model")
        return self


class DemoConfig(RayOptions):
    """Draw a small catalogue, then check it, train on it and tag it."""

    out: str = Field(default="demo-out", description="Folder that everything is written to.")
    items: int = Field(default=900, ge=600, le=20_000, description="Items to draw.")
    seed: Seed = Field(default=0, description="Seed of the drawing and of training.")
    epochs: int = Field(default=14, ge=1, description="Epochs of training.")


class BenchConfig(JobConfig):
    """Measure images per second: decoding, the forward pass, the whole tag job, and plain scripts beside it."""

    model: str | None = Field(default=None, description="A bundle; without one, --backbone with random weights.")
    backbone: str = Field(default="mobilenet_v2", description="The model to measure when there is no bundle.")
    image_size: Size = Field(default="112x84", description="Its input, HEIGHTxWIDTH.")
    manifest: str | None = Field(default=None, description="A catalogue to take images from, with --images.")
    images: str | None = Field(
        default=None,
        description="A folder of image files, or the manifest's image store; without it, drawn images.",
    )
    items: int = Field(default=16_384, ge=512, description="Images to measure on; copies where there are fewer.")
    enlarge: int = Field(default=0, ge=0, le=8192, description="Enlarge the images to this longer side first, pixels.")
    device: Device = Field(default="auto", description="auto takes a GPU where this machine has one.")
    engine: EngineName = Field(default="auto", description="What runs the model, as for the tag job.")
    workers: str = Field(default="0", description="Processes; 0: one a core.")
    rounds: int = Field(default=3, ge=1, description="Times to measure the tag job beside its forward pass.")
    baselines: bool = Field(default=True, description="Measure the plain DataLoader and Ray Data scripts, too.")
    growth: list[int] = Field(
        default=[],
        description="Rows of manifests to tag, such as --growth 1000 --growth 100000, to see how cost grows; a million "
        "rows take some 5 GB of --scratch.",
    )
    plot: str | None = Field(default=None, description="File for a plot: .svg, .png or .pdf.")
    scratch: str | None = Field(
        default=None, description="Folder for files written meanwhile; the system's by default."
    )
