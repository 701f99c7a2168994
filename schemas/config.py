"""One frozen config per job; unknown keys are errors. Each field is a flag, too: `image_size` is `--image-size`."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from schemas.taxonomy import Level

Fit = Literal["pad", "stretch"]
Resize = Literal["bicubic", "area"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]
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
SplitName = Literal["train", "val", "test", "control"]


def parse_size(text: str) -> tuple[int, int]:
    """Read HEIGHTxWIDTH, in pixels."""
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text.strip().lower())
    if not found:
        raise ValueError(f"{text!r} is not HEIGHTxWIDTH, such as 128x96")
    height, width = int(found[1]), int(found[2])
    if not (8 <= height <= 2048 and 8 <= width <= 2048):
        raise ValueError(f"{text!r}: each side is 8 to 2048 pixels")
    return height, width


def parse_share_or_count(text: str) -> tuple[float | None, int | None]:
    """Read `5%` as (0.05, None) and `100` as (None, 100)."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    if found and float(found[1]) <= 100:
        return float(found[1]) / 100, None
    if re.fullmatch(r"\d+", text.strip()):
        return None, int(text)
    raise ValueError(f"{text!r} is neither a number of items, such as 100, nor a share, such as 5%")


def parse_range(text: str) -> tuple[int, int]:
    """Read `4` as (4, 4) and `2-16` as (2, 16)."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    least = int(found[1]) if found else 0
    most = int(found[2] or least) if found else 0
    if not found or least > most or (found[2] and least < 1):
        raise ValueError(f"{text!r} is neither a number of processes, such as 4, nor a range, such as 2-16")
    return least, most


def _checked_size(text: str) -> str:
    height, width = parse_size(text)
    return f"{height}x{width}"


def _checked_share(value: object) -> str:
    text = str(value).strip()
    parse_share_or_count(text)
    return text


def _no_flag(value: object) -> object:
    """YAML's yes and no would count as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is no number")
    return value


Size = Annotated[str, AfterValidator(_checked_size)]
ShareOrCount = Annotated[str, BeforeValidator(_checked_share)]
Confidence = Annotated[float, BeforeValidator(_no_flag), Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class JobConfig(BaseModel):
    """What every job's config has in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class TrainConfig(CatalogOptions, RayOptions):
    """Learn the taxonomy and the model from the labelled items of a catalogue."""

    out: str = Field(description="Folder of the bundle, local or s3://. The same command continues what it began.")
    min_items: int = Field(default=50, ge=1, description="Leaves with fewer items are left out and reported.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")
    val: float = Field(default=0.1, gt=0, lt=1, description="Share of each leaf that steers training and calibration.")
    test: float = Field(default=0.1, gt=0, lt=1, description="Share of each leaf that the metrics are computed on.")
    control: float = Field(default=0.05, ge=0, lt=1, description="Share of each leaf that no job looks at by itself.")
    seed: Seed = Field(default=0, description="Seed of the split and of training.")

    backbone: str = Field(default="mobilenet_v2", description="A torchvision classification model, or small_cnn.")
    weights: str = Field(default="pretrained", description="pretrained, none, or file:PATH (.safetensors, .pth).")
    image_size: Size = Field(default="128x96", description="Model input, HEIGHTxWIDTH.")
    fit: Fit = Field(default="pad", description="pad keeps the aspect and fills with white; stretch does not.")
    resize: Resize = Field(default="bicubic", description="What enlarges small images; large ones are area-averaged.")

    frozen_epochs: int = Field(default=0, ge=0, description="Epochs that train the head alone, before fine-tuning.")
    epochs: int = Field(default=6, ge=0, description="Epochs that fine-tune the whole model.")
    batch_size: int = Field(default=128, ge=2, description="Items per step, over all workers together.")
    lr: float = Field(default=1e-3, gt=0, description="Highest learning rate of the backbone (AdamW, one-cycle).")
    head_lr: float = Field(default=3e-3, gt=0, description="Highest learning rate of the head.")
    weight_decay: float = Field(default=0.02, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Before the head.")
    flip: bool = Field(default=True, description="Mirror half of the training images; average both when tagging.")
    shift: float = Field(default=0.06, ge=0, lt=0.5, description="Largest random shift, share of each side.")
    patience: int = Field(default=3, ge=0, description="Stop after so many epochs without a better val loss; 0 never.")
    workers: int = Field(default=1, ge=1, description="Training processes (DDP); one GPU each on GPUs.")
    precision: Precision = Field(default="auto", description="auto trains in bfloat16 where the hardware has it.")

    @field_validator("merge")
    @classmethod
    def _merge_once(cls, merge: dict[str, str]) -> dict[str, str]:
        chained = sorted(set(merge) & set(merge.values()))
        if chained:
            raise ValueError(f"{', '.join(chained)} is merged and merged into; name the last target")
        return merge

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if self.val + self.test + self.control >= 1:
            raise ValueError("val, test and control leave nothing to train on")
        if self.frozen_epochs + self.epochs == 0:
            raise ValueError("epochs and frozen_epochs are both 0")
        if self.batch_size % self.workers or self.batch_size < 2 * self.workers:
            raise ValueError(f"batch_size {self.batch_size} does not divide over {self.workers} workers")
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
        text = str(_no_flag(value)).strip()
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
        _no_flag(value)
        if isinstance(value, int | float | str):
            return dict.fromkeys(Level, value)
        if isinstance(value, dict):
            return {**dict.fromkeys(Level, 0.9), **value}
        return value


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
    """Compare a run with known labels: metrics and a report."""

    run: str = Field(description="The run directory.")
    labels: str = Field(description="Labelled manifest: a file, a folder or a glob, local or s3://.")
    out: str = Field(description="Folder of the report.")
    model: str | None = Field(default=None, description="The bundle, for --split and for the labels it merged.")
    split: SplitName | None = Field(default=None, description="Only the items on this side of the bundle's split.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")

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
