"""The configs of `tagger train`, `tune`, `results`, `combine` and `recipes`."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from tagger.schemas import recipes
from tagger.schemas.configs.learning import Learning
from tagger.schemas.configs.options import (
    ATTRIBUTE_DESCRIPTION,
    EVIDENCE_DESCRIPTION,
    TITLE_DESCRIPTION,
    CatalogOptions,
    DecisionsOptions,
    RayOptions,
    SplitOptions,
    WeightsOptions,
)
from tagger.schemas.values import (
    JobConfig,
    Panel,
    Seed,
    no_flag,
    parse_range,
    separate_names,
)


class TrainConfig(CatalogOptions, DecisionsOptions, RayOptions, SplitOptions, Learning):
    """Train a model on the labelled items of a catalogue.

    It learns the taxonomy, too, and writes a bundle: weights, calibrated confidences, figures and a report.
    """

    panel = Panel.TRAINING
    examples = (
        "--manifest styles.csv --images images/ --out bundle",
        "--manifest styles.csv --images images/ --out bundle --title productDisplayName --evidence gender",
        "--manifest styles.csv --images images/ --out bundle-2 --decisions run-1 --config mine.yaml",
    )

    out: str = Field(description="Folder of the bundle, local or s3://. The same command continues what it began.")
    recipe: str = Field(
        default="standard",
        description="How to learn: one that tagger recipes lists, or FILE.yaml; other flags and --config win.",
    )
    title: list[str] = Field(default=[], description=TITLE_DESCRIPTION)
    evidence: list[str] = Field(default=[], description=EVIDENCE_DESCRIPTION)
    attribute: list[str] = Field(default=[], description=ATTRIBUTE_DESCRIPTION)
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
    workers: str = Field(
        default="1",
        description="Training processes (DDP), such as 4; one GPU each on GPUs. A range, such as 2-8, goes on with "
        "those that the cluster has room for.",
    )

    worker_batch: int = Field(
        default=0,
        ge=0,
        description="Items per step on each worker, in place of batch_size over all; learning rates grow with the "
        "batch of all workers over batch_size. 0: batch_size.",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_its_recipe(cls, given: object) -> object:
        """Apply the recipe's settings, in Python as on the command line; given fields win."""
        if not isinstance(given, dict) or "recipe" not in given:
            return given
        try:
            return {**recipes.read(str(given["recipe"])).settings, **given}
        except ValueError:
            return given  # the field's own validation reports the error

    @field_validator("workers", mode="before")
    @classmethod
    def _checked_workers(cls, value: object) -> str:
        text = str(no_flag(value)).strip()
        if parse_range(text)[0] < 1:
            raise ValueError("a training needs at least one process")
        return text

    @field_validator("title", "evidence", "attribute", mode="before")
    @classmethod
    def _several_names(cls, value: object) -> object:
        return separate_names(value)

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
        if self.worker_batch:
            if self.worker_batch < 2 * self.accumulate:
                raise ValueError(f"worker_batch {self.worker_batch} is less than two items for each pass of a step")
            return self
        least, most = parse_range(self.workers)
        parts = most * self.accumulate
        if (least == most and self.batch_size % parts) or self.batch_size < 2 * parts:
            raise ValueError(
                f"batch_size {self.batch_size} does not divide over {self.workers} workers"
                + (f" with {self.accumulate} passes each" if self.accumulate > 1 else "")
            )
        return self


class TuneConfig(CatalogOptions, RayOptions, SplitOptions, WeightsOptions):
    """Search for better settings: train with many, keep the best.

    The best of them is written as a recipe for tagger train. The file of --space: tagger schema space.
    """

    examples = (
        "--manifest styles.csv --images images/ --space space.yaml --out search",
        "--manifest styles.csv --images images/ --space space.yaml --out search --trials 30 --sample 5000",
    )

    space: str = Field(
        description="FILE.yaml of the settings to try, such as `space: {lr: [0.001, 0.003]}` with `recipe: fast` and "
        "`set: {epochs: 3}` (tagger schema space describes it), or frozen-heads, a space that comes with this."
    )
    out: str = Field(description="Folder of the leaderboard and the best recipe. The same command continues.")
    trials: int = Field(default=0, ge=0, description="Settings to draw at random; 0: every combination of the lists.")
    sample: int = Field(default=0, ge=0, description="Train and validate on this many items; 0: on all.")
    set: dict[str, str] = Field(default={}, description="FIELD=VALUE of a recipe, over the space's own.")
    seed: Seed = Field(default=0, description="Seed of the split, of the draws and of training.")
    stop_bad_trials: bool = Field(
        default=True, description="Give up trials that are behind after a third of their epochs."
    )
    concurrent: int = Field(
        default=0, ge=0, description="Trials at once; 0: one a GPU, or one a core and 2 GiB of memory."
    )


class HonestOptions(JobConfig):
    """Whether one recipe's figures are put to the test, and by what."""

    panel = Panel.HONEST

    honest: bool = Field(
        default=False,
        description="Instead of comparing recipes, say how much of one recipe's accuracy is real: train it on a random "
        "split, with copies apart and on a split by time, and compare it with guesses.",
    )
    title: list[str] = Field(
        default=[],
        description=f"With --honest. {TITLE_DESCRIPTION} They are measured alone, too.",
    )
    evidence: list[str] = Field(default=[], description=f"With --honest. {EVIDENCE_DESCRIPTION}")
    brand: str | None = Field(
        default=None,
        description="With --honest: column of brands; train once more with whole brands apart, to measure items of "
        "brands that the model has not seen.",
    )

    @field_validator("title", "evidence", mode="before")
    @classmethod
    def _several_columns(cls, value: object) -> object:
        return separate_names(value)

    @model_validator(mode="after")
    def _only_together(self) -> "HonestOptions":
        named = next((name for name in ("title", "evidence", "brand") if getattr(self, name)), None)
        if named and not self.honest:
            raise ValueError(f"{named} is measured with --honest alone; recipes are compared by the image alone")
        return self


class ResultsConfig(CatalogOptions, RayOptions, SplitOptions, WeightsOptions, HonestOptions):
    """Train several recipes and write a table of what each reaches.

    With --honest, put the figures of one recipe to the test instead.
    """

    examples = (
        "--manifest styles.csv --images images/ --out results --recipe fast --recipe mine.yaml",
        "--manifest styles.csv --images images/ --out seeds --recipe fast --seed 0 --seed 1",
        "--manifest styles.csv --images images/ --out honest --recipe fast --honest --title productDisplayName "
        "--evidence gender",
    )
    renamed: ClassVar[Mapping[str, str]] = {"recipes": "recipe", "seeds": "seed", "average": "combine"}

    out: str = Field(description="Folder of the bundles and the table. The same command continues.")
    recipe: list[str] = Field(
        default=[],
        description="Recipes by name or FILE.yaml; all that there are by default, and standard with --honest.",
    )
    seed: list[Seed] = Field(default=[0], min_length=1, description="Each recipe is trained with each of these.")
    combine: list[str] = Field(
        default=[],
        description="RECIPE+RECIPE, or RECIPE for that of its seeds: average their predictions as tagger combine does, "
        "and measure that.",
    )
    set: dict[str, str] = Field(
        default={}, description="FIELD=VALUE over every recipe's own, or RECIPE.FIELD=VALUE over one's."
    )
    min_items: int = Field(default=50, ge=1, description="Leaves with fewer items are left out and reported.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")

    @model_validator(mode="after")
    def _one_honest_recipe(self) -> "ResultsConfig":
        if not self.honest:
            return self
        if len(self.recipe) > 1 or len(self.seed) > 1 or self.combine:
            raise ValueError(
                "honest figures are those of one recipe with one seed: name one --recipe, and no --combine"
            )
        if self.split != "group":
            raise ValueError("honest figures compare splits: leave --split out")
        return self


class CombineConfig(CatalogOptions, DecisionsOptions, RayOptions):
    """Make one bundle of several: average predictions or weights.

    They were trained on the same items; the new bundle is calibrated again.
    """

    examples = (
        "bundle-1 bundle-2 --manifest styles.csv --images images/ --out both",
        "bundle-1 bundle-2 --manifest styles.csv --images images/ --out mean --average weights",
    )
    renamed: ClassVar[Mapping[str, str]] = {"bundles": "model"}

    model: list[str] = Field(
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
        if len(self.model) < 2:
            raise ValueError("name two or more bundles")
        return self


class RecipesConfig(JobConfig):
    """List the recipes of tagger train, or print one.

    A recipe is a YAML file; one that is printed is a good beginning of one's own.
    """

    examples = ("", "fast", "fast > mine.yaml")
    renamed: ClassVar[Mapping[str, str]] = {"name": "recipe"}

    recipe: str | None = Field(default=None, description="The recipe to print.", json_schema_extra={"argument": True})
