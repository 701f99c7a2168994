"""One frozen config per job; unknown keys are errors. Each field is a flag, too: `image_size` is `--image-size`."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from schemas import recipes
from schemas.configs.learning import Learning
from schemas.configs.options import (
    CatalogOptions,
    DecisionsOptions,
    FetchOptions,
    ManifestFormat,
    RayOptions,
    S3Options,
    SplitOptions,
    WeightsOptions,
)
from schemas.documents.taxonomy import Level
from schemas.values import (
    Confidence,
    Device,
    JobConfig,
    Seed,
    ShareOrCount,
    Size,
    TitleUse,
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
_DATABASE = (
    "Where people's decisions are kept, where it is not RUN/review.sqlite or what was exported: as for tagger review."
)
SplitName = Literal["train", "val", "test", "control"]


def by_level(value: object) -> object:
    """Read one number for both levels, or LEVEL=NUMBER, of which several may stand with commas between."""
    no_flag(value)
    if isinstance(value, int | float | str):
        return dict.fromkeys(Level, value)
    if not isinstance(value, dict):
        return value
    found: dict[object, object] = {}
    for level, number in value.items():
        first, *more = number.split(",") if isinstance(number, str) else [number]
        found[level] = first
        for text in more:
            name, _, rest = text.partition("=")
            found[name.strip()] = rest.strip()
    return found


class CheckConfig(CatalogOptions, SplitOptions):
    """What is in a catalogue, what is wrong with it, and whether it can be learnt: run this first."""

    min_items: int = Field(default=50, ge=1, description="Leaves with fewer items are reported as too small to train.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")
    sample: int = Field(default=0, ge=0, description="Look at this many images, drawn by hash of id; 0 looks at all.")
    seed: Seed = Field(default=0, description="Seed of the sample, and of the split as for tagger train.")


class TrainConfig(CatalogOptions, DecisionsOptions, RayOptions, SplitOptions, Learning):
    """Learn the taxonomy and the model from the labelled items of a catalogue."""

    out: str = Field(description="Folder of the bundle, local or s3://. The same command continues what it began.")
    recipe: str = Field(
        default="standard",
        description="How to learn: one that tagger recipes lists, or FILE.yaml; other flags and --config win.",
    )
    decision_weight: int = Field(
        default=1, ge=1, le=100, description="How often an epoch sees a reviewed item that trains."
    )
    unbalance: float = Field(
        default=1,
        ge=1,
        description="An experiment with rare leaves: thin the training items out, in steps from the largest leaf, "
        "which stays whole, to the smallest, of which 1/unbalance stays.",
    )
    seed: Seed = Field(default=0, description="Seed of the split and of training.")
    workers: int = Field(default=1, ge=1, description="Training processes (DDP); one GPU each on GPUs.")

    @model_validator(mode="before")
    @classmethod
    def _with_its_recipe(cls, given: object) -> object:
        """A recipe's settings hold wherever a config is made, in Python as on the command line; fields given win."""
        if not isinstance(given, dict) or "recipe" not in given:
            return given
        try:
            return {**recipes.read(str(given["recipe"])).settings, **given}
        except ValueError:
            return given  # the field itself says what is wrong with it

    @field_validator("recipe")
    @classmethod
    def _known_recipe(cls, name: str) -> str:
        try:
            recipes.read(name)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        return name

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        parts = self.workers * self.accumulate
        if self.batch_size % parts or self.batch_size < 2 * parts:
            raise ValueError(
                f"batch_size {self.batch_size} does not divide over {self.workers} workers"
                + (f" with {self.accumulate} passes each" if self.accumulate > 1 else "")
            )
        return self


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
    concurrent: int = Field(
        default=0, ge=0, description="Trials at once; 0: one a GPU, or one a core and 2 GiB of memory."
    )


class ResultsConfig(CatalogOptions, RayOptions, SplitOptions, WeightsOptions):
    """Train recipes side by side on one catalogue, and write the table of what each reaches."""

    out: str = Field(description="Folder of the bundles and the table. The same command continues.")
    recipes: list[str] = Field(default=[], description="Recipes by name or FILE.yaml; all that there are by default.")
    seeds: list[Seed] = Field(default=[0], min_length=1, description="Each recipe is trained with each of these.")
    average: list[str] = Field(
        default=[],
        description="RECIPE+RECIPE, or RECIPE for that of its seeds: average their predictions, and measure that.",
    )
    set: dict[str, str] = Field(
        default={}, description="FIELD=VALUE over every recipe's own, or RECIPE.FIELD=VALUE over one's."
    )
    min_items: int = Field(default=50, ge=1, description="Leaves with fewer items are left out and reported.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")


class CombineConfig(CatalogOptions, DecisionsOptions, RayOptions):
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
    embeddings: bool = Field(
        default=False, description="Write the image vectors, too, for tagger index, similar, duplicates and audit."
    )
    titles: TitleUse = Field(
        default="ignore",
        description="What the bundle's model of titles (tagger titles) is for: `check` sends items to review whose "
        "title is sure of another class than the image; `fuse` tags by image and title together, for which "
        "--accept-above holds, and not the bundle's policy.",
    )
    untagged_only: bool = Field(default=False, description="Leave alone the items that have both labels already.")
    since: dict[str, str] = Field(
        default={},
        description="COLUMN=VALUE: leave alone the items whose column is before a number, or an ISO date or time; "
        "COLUMN=text:VALUE compares as text.",
    )
    known: list[str] = Field(
        default=[],
        description="An earlier run, or a folder of runs, which may be still to come: leave alone the items that a "
        "person decided about, and those that this model has tagged from the same image. Where another decision holds "
        "for one now, it is decided anew without predicting again.",
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
    max_failed: ShareOrCount = Field(
        default="5%",
        description="More failed items than this, 100 or 5%, exit with 4. A share is one of the items that were looked "
        "at and those that the runs of --known had tagged.",
    )
    max_rejected: ShareOrCount = Field(
        default="5%", description="More rejected rows of the manifest than this, 100 or 5%, exit with 4."
    )

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
        return by_level(value)


class PolicyConfig(S3Options):
    """Name a precision: find the confidences from which on a bundle's tags have it, and keep them in the bundle."""

    bundle: str = Field(description="The bundle.", json_schema_extra={"argument": True})
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


class ReviewConfig(S3Options):
    """Serve the page on which people decide what the model was not sure of; or write what they decided to Parquet."""

    action: Literal["serve", "export"] = Field(
        default="serve",
        description="serve: until Ctrl-C. export: write the decisions that stand to RUN/decisions, or to --out.",
        json_schema_extra={"argument": True},
    )
    run: str = Field(description="The run directory.")
    host: str = Field(default="127.0.0.1", description="Where to listen; any place but this machine needs --token.")
    port: int = Field(default=8765, ge=0, le=65535, description="Port to listen on; 0: a free one.")
    token: str | None = Field(
        default=None,
        min_length=12,
        description="What reviewers must know to get in; better given as TAGGER_REVIEW_TOKEN than on a command line.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+/?$",
        description="Address under which a proxy shows the page, such as https://review.shop.example; needs --token.",
    )
    reviewer: str | None = Field(default=None, description="Your name in the log; by default your user name.")
    database: str | None = Field(
        default=None,
        description="Where decisions are kept: an SQLite file, or postgresql://USER@HOST/NAME; by default "
        "RUN/review.sqlite. TAGGER_REVIEW_DATABASE does the same.",
    )
    manifest: str | None = Field(default=None, description="The manifest that was tagged, where it has moved since.")
    images: str | None = Field(default=None, description="The image store that was tagged, where it has moved since.")
    model: str | None = Field(default=None, description="The bundle that tagged, where it has moved since.")
    index: str | None = Field(
        default=None, description="Index (tagger index) of items whose look-alikes stand beside each item."
    )
    duplicates: str | None = Field(
        default=None,
        description="What tagger duplicates wrote: items that show one picture are decided at once; by default, those "
        "with the same image file are.",
    )
    out: str | None = Field(default=None, description="With export: the folder to write to; new or empty.")


class ApplyConfig(S3Options):
    """Write final tags for the PIM system: what people decided, else what the model was sure enough of."""

    run: str = Field(description="The run, or a folder of runs.", json_schema_extra={"argument": True})
    out: str = Field(description="Folder of the tags; it must be new or empty.")
    formats: list[Literal["parquet", "csv"]] = Field(
        default=["parquet", "csv"],
        min_length=1,
        description="Forms to write: parquet has every item with its state, csv those that have tags to set.",
    )
    column: dict[Literal["id", "masterCategory", "articleType"], str] = Field(
        default={}, description="id=sku: what a column is called in the CSV, as the PIM has it."
    )
    no_value: list[str] = Field(
        default=[], description="What else a tag says that is none, such as k.A.; it is not written."
    )
    database: str | None = Field(default=None, description=_DATABASE)

    @field_validator("no_value", "formats", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("column")
    @classmethod
    def _distinct_names(cls, column: dict[str, str]) -> dict[str, str]:
        named = [column.get(name, name) for name in ("id", "masterCategory", "articleType")]
        if not all(name.strip() for name in named):
            raise ValueError("a column must have a name")
        if len(set(named)) < len(named):
            raise ValueError(f"two columns would have one name: {', '.join(named)}")
        return column


class QualityConfig(S3Options):
    """Say how precise accepted tags are in production, from what people said of the QA sample (tag --qa-sample)."""

    runs: list[str] = Field(min_length=1, description="Runs, or folders of runs.", json_schema_extra={"argument": True})
    target_precision: dict[Level, Confidence] = Field(
        default={}, description="LEVEL=PRECISION, or one for both levels; by default what the runs' policy promised."
    )
    probability: float = Field(
        default=0.95, gt=0.5, lt=1, description="With which the precision lies in the intervals that are given."
    )
    out: str | None = Field(default=None, description="CSV file for the precision of every class.")
    database: str | None = Field(default=None, description=_DATABASE)

    @field_validator("target_precision", mode="before")
    @classmethod
    def _both_levels(cls, value: object) -> object:
        return by_level(value)


class IndexConfig(ManifestFormat):
    """Make an index of the image vectors of runs (tag --embeddings), or add to one, to find items that look alike."""

    runs: list[str] = Field(min_length=1, description="Runs, or folders of runs.", json_schema_extra={"argument": True})
    out: str = Field(description="Folder of the index, on a disk. What it has is kept, and what is new is added.")
    labels: str | None = Field(
        default=None, description="Manifest whose labels stand in place of predictions: a file, a folder or a glob."
    )
    keep: list[str] = Field(
        default=[],
        description="Columns of --labels that the items of the index have besides, such as a product's number, for "
        "tagger similar --unlike.",
    )

    @field_validator("runs", "keep", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> "IndexConfig":
        if self.keep and not self.labels:
            raise ValueError("keep takes columns of a manifest: labels")
        return self


class SimilarConfig(ManifestFormat):
    """Find the items of an index that look like an item, or like an image."""

    index: str = Field(description="The index.", json_schema_extra={"argument": True})
    id: list[str] = Field(default=[], description="Items of the index.")
    image: list[str] = Field(default=[], description="Image files.")
    manifest: str | None = Field(default=None, description="All items of a manifest that the index has.")
    run: str | None = Field(default=None, description="All items of a run with image vectors (tag --embeddings).")
    top: int = Field(default=5, ge=1, le=1000, description="How many to find for each.")
    same: list[str] = Field(
        default=[], description="Only items with the same masterCategory, articleType or kept column."
    )
    unlike: list[str] = Field(
        default=[], description="Only items with another value in a kept column, such as a product's number."
    )
    other_images: bool = Field(default=False, description="Leave out items that have the very same image.")
    model: str | None = Field(
        default=None, description="The bundle, for --image; without it, where it was when the index was made."
    )
    out: str | None = Field(default=None, description="Folder for what is found, as Parquet; it must be new or empty.")

    @field_validator("id", "image", "same", "unlike", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> "SimilarConfig":
        asked = [name for name in ("id", "image", "manifest", "run") if getattr(self, name)]
        if len(asked) != 1:
            raise ValueError("say what to find items for: one of id, image, manifest and run")
        if asked[0] in ("manifest", "run") and not self.out:
            raise ValueError(f"{asked[0]} finds many; name a folder for them: out")
        return self


class DuplicatesConfig(CatalogOptions):
    """Find the items of an index that show one picture: the same file, or resized, compressed, cropped or mirrored."""

    index: str = Field(description="The index.", json_schema_extra={"argument": True})
    out: str | None = Field(
        default=None, description="Folder of the groups, the pairs and a page; it must be new or empty."
    )
    structure: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="How like in structure (that of SSIM, in the worst tenth) two images must be, laid over each "
        "other, to be one picture.",
    )
    colour: float = Field(
        default=10, gt=0, le=255, description="Most that their colours may differ (in L, a or b, 0 to 255)."
    )
    judged: str | None = Field(
        default=None,
        description="judged.csv from the page of an earlier run, or its sample.csv with `same` filled in: these pairs "
        "count as they were judged, and say how precise the threshold is. --colour should be as it was then.",
    )
    precision: Confidence | None = Field(
        default=None,
        description="With --judged, in place of --structure: take the lowest structure from which on the judged pairs "
        "have this precision.",
    )
    bundle: str | None = Field(
        default=None, description="Bundle trained on these items: say what copies on two sides of its split are worth."
    )
    shown: int = Field(default=200, ge=0, description="Groups on the page; those whose labels differ come first.")
    seed: Seed = Field(default=0, description="Seed of the sample of pairs to judge, and of --plant.")
    plant: int = Field(
        default=0,
        ge=0,
        description="Try it out instead: alter copies of so many images (resized, recompressed, cropped, mirrored), "
        "and say how many of them are found.",
    )
    model: str | None = Field(
        default=None,
        description="With --plant: the bundle that the index was made with; by default, where it was then.",
    )

    @model_validator(mode="after")
    def _check(self) -> "DuplicatesConfig":
        if self.out is None and not self.plant:
            raise ValueError("name a folder for what is found: out")
        if self.plant and (self.judged or self.bundle or self.out):
            raise ValueError("plant only tries things out, and writes nothing: leave judged, bundle and out")
        if self.precision is not None and self.judged is None:
            raise ValueError("precision is that of judged pairs: name their file with judged")
        if self.precision is not None and "structure" in self.model_fields_set:
            raise ValueError("precision chooses the structure: give one of the two")
        return self


class RetrievalConfig(CatalogOptions):
    """Measure how well indexes find items of the same class: precision and recall at k, mean average precision."""

    indexes: list[str] = Field(
        min_length=1, description="Indexes with labels, of one catalogue.", json_schema_extra={"argument": True}
    )
    bundle: str = Field(description="Bundle whose test items are looked for among its train items.")
    out: str = Field(description="Folder of the figures and of the page.")
    by: list[str] = Field(
        default=[], description="Columns that the indexes keep, whose equal values are relevant, too: subCategory."
    )
    queries: int = Field(default=5000, ge=1, description="Most test items to look for, drawn at random.")
    seed: Seed = Field(default=0, description="Seed of the draw, and of the examples.")
    shown: int = Field(default=12, ge=0, description="Examples on the page, each of another article type.")

    @field_validator("indexes", "by", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class TitlesConfig(ManifestFormat):
    """Teach a bundle what titles say of its classes, as a second witness for tagger tag --titles; and measure it."""

    bundle: str = Field(description="The bundle.", json_schema_extra={"argument": True})
    manifest: str = Field(description="The manifest that the bundle was trained on, with its labels and titles.")
    title: str = Field(description="Column of the titles, such as productDisplayName.")
    run: str | None = Field(
        default=None, description="Run of the bundle over these items: measure image and title together, too."
    )
    surely: Confidence = Field(default=0.9, description="A mistake of the image is confident from here on.")


class AuditConfig(CatalogOptions, RayOptions):
    """Find labels that are likely wrong, by image, title, duplicates and taxonomy: a ranked list, and a queue."""

    index: str | None = Field(
        default=None,
        description="Index with labels (tagger index --labels); of a model that was not fine-tuned on these labels.",
        json_schema_extra={"argument": True},
    )
    model: str | None = Field(
        default=None, description="In place of an index: a bundle, by which the images are looked at first."
    )
    out: str | None = Field(
        default=None, description="Folder of the findings, their page and their queue; it must be new or empty."
    )
    title: str | None = Field(
        default=None,
        description="Column of titles; an index must keep it (tagger index --keep). None by default.",
    )
    duplicates: str | None = Field(
        default=None, description="Folder that tagger duplicates wrote; without it, identical files count alone."
    )
    folds: int = Field(default=5, ge=2, le=20, description="Parts of the items; each is judged by the others.")
    min_items: int = Field(
        default=10, ge=2, description="Leaves with fewer items are not judged by image and title, and reported."
    )
    seed: Seed = Field(default=0, description="Seed of the folds and of --flip.")
    shown: int = Field(default=100, ge=0, description="Findings on the page.")
    flip: float = Field(
        default=0,
        ge=0,
        le=0.5,
        description="Try it out instead: make this share of the labels wrong at random, and say how many are found.",
    )

    @model_validator(mode="after")
    def _check(self) -> "AuditConfig":
        if (self.index is None) == (self.model is None):
            raise ValueError("name an index, or a bundle to make one with: model")
        if self.model and self.flip:
            raise ValueError("flip tries out an index; tagger index makes one")
        if self.min_items < self.folds:
            raise ValueError(f"min_items: a leaf needs an item for each of the {self.folds} folds")
        if self.out is None and not self.flip:
            raise ValueError("name a folder for what is found: out")
        return self


class RecipesConfig(JobConfig):
    """List the recipes of tagger train, or print one: a YAML file to begin one's own with."""

    name: str | None = Field(default=None, description="The recipe to print.", json_schema_extra={"argument": True})


class RunsConfig(S3Options):
    """List the runs in a folder: when, with which model, how long, and what came out."""

    folder: str = Field(description="Folder of runs, or one run.", json_schema_extra={"argument": True})


class LatestConfig(RunsConfig):
    """Write the newest prediction of every item over the finished runs in a folder."""

    out: str = Field(description="Folder for the Parquet parts; it must be new or empty.")
    part_rows: int = Field(default=65_536, ge=1, description="Rows in one part of the output.")


class EvaluateConfig(ManifestFormat, FetchOptions):
    """Compare a run with known labels, and with another run or bundle: metrics and a report."""

    run: str = Field(description="The run directory.")
    labels: str = Field(description="Labelled manifest: a file, a folder or a glob, local or s3://.")
    out: str = Field(description="Folder of the report.")
    model: str | None = Field(
        default=None,
        description="The bundle that made the run, which says what it knows and was trained on; by default where the "
        "run says that it lay.",
    )
    split: SplitName | None = Field(default=None, description="Only the items on this side of the bundle's split.")
    include_trained: bool = Field(
        default=False, description="Count the items that the bundle was trained on, too; they flatter it."
    )
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")
    against: str | None = Field(
        default=None, description="Another run, or a bundle for its test items, to compare with side by side."
    )
    images: str | None = Field(
        default=None, description="Image store of the labelled manifest, as for the tag job: for pictures of mistakes."
    )
    images_root: str | None = Field(default=None, description="Folder that image URIs of the manifest may not leave.")
    time_by: str = Field(default="year", description="Column of years or ISO dates, for the report where there is one.")


class DemoConfig(RayOptions):
    """Draw a small catalogue, then check it, train on it and tag it."""

    out: str = Field(default="demo-out", description="Folder that everything is written to.")
    items: int = Field(default=900, ge=600, le=20_000, description="Items to draw.")
    seed: Seed = Field(default=0, description="Seed of the drawing and of training.")
    epochs: int = Field(default=14, ge=1, description="Epochs of training.")


class BenchConfig(JobConfig):
    """Measure images per second: decoding, the forward pass, the whole tag job, and plain scripts beside it."""

    index: str | None = Field(
        default=None, description="Measure finding similar items instead, in indexes of noisy copies of its vectors."
    )
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
    embeddings: bool = Field(default=False, description="Measure the tag job with --embeddings beside it, too.")
    growth: list[int] = Field(
        default=[],
        description="Rows of manifests to tag, such as --growth 1000 --growth 100000, to see how cost grows; a million "
        "rows take some 5 GB of --scratch. With --index, sizes of indexes; a million vectors take some 5 GB, too.",
    )
    plot: str | None = Field(default=None, description="File for a plot: .svg, .png or .pdf.")
    scratch: str | None = Field(
        default=None, description="Folder for files written meanwhile; the system's by default."
    )

    @model_validator(mode="after")
    def _check(self) -> "BenchConfig":
        if self.index and (not self.growth or min(self.growth) < 1000):
            raise ValueError("with index, name the sizes of indexes to measure, 1,000 vectors or more: growth")
        if self.index and self.plot:
            raise ValueError("plot draws images per second; with index there are none")
        return self
