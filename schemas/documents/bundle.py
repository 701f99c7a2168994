"""The model card beside the weights: everything that a run needs to know about a model, and its provenance."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.alias_generators import to_camel

from tagger.schemas.configs.learning import Edges, Head
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.schemas.tables.prediction import Evidence
from tagger.schemas.values import Fit, Resize


class Card(BaseModel):
    """A part of the model card: written in camelCase, frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Preprocessing(Card):
    """How image bytes become the model's input."""

    height: int = Field(ge=8, le=2048, description="Rows of the model's input, pixels.")
    width: int = Field(ge=8, le=2048, description="Columns of the model's input, pixels.")
    fit: Fit = Field(description="`pad` keeps the aspect and fills with white; `stretch` does not.")
    resize: Resize = Field(description="What enlarges: `bicubic` or bilinear (`area`); shrinking averages areas.")
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    edges: Literal["none", "all", "blurry"] = Field(
        default="none", description="Of which images a Canny edge map is the fourth channel; of others it is empty."
    )
    edges_below: float = Field(
        default=0.0, ge=0, description="The blur score, margin included, below which an image is blurry here."
    )

    @property
    def channels(self) -> int:
        """Planes of the model's input."""
        return 3 if self.edges == "none" else 4

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out defaults, so that bundles from before edges keep their modelId."""
        return _without(handler(self), () if self.edges != "none" else ("edges", "edges_below", "edgesBelow"))


class Architecture(Card):
    """The network that the weights belong to."""

    backbone: str = Field(description="A torchvision classification model or one of the project's own.")
    dropout: float = Field(ge=0, lt=1)
    embedding_dim: int = Field(gt=0, description="Length of the pooled feature vector.")
    head: Head = "linear"
    hidden: tuple[int, ...] = Field(default=(), description="Units of each layer between embedding and logits.")
    edges: Edges = "none"

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out defaults, so that bundles from before other heads and edges keep their modelId."""
        usual = ("head", "hidden") if self.head == "linear" else ()
        return _without(handler(self), (*usual, *(("edges",) if self.edges == "none" else ())))


class Inference(Card):
    """How the model is run."""

    flip: bool = Field(description="Average the logits of the image and of its mirror image.")


class ConfidenceCurve(Card):
    """How a level's summed probability p becomes its confidence: its log-odds are a ln p - b ln(1 - p) + c.

    Beta calibration: Kull, Silva Filho and Flach 2017 (AISTATS, PMLR 54). It rises with p everywhere.
    """

    a: float = Field(ge=0)
    b: float = Field(ge=0)
    c: float


class Calibration(Card):
    """How logits become probabilities: softmax(logits / temperature), Guo et al. 2017 (arXiv:1706.04599)."""

    method: Literal["none", "temperature"] = "none"
    temperature: float = Field(default=1.0, gt=0)
    curves: dict[Level, ConfidenceCurve] = Field(
        default={}, description="Of the levels whose summed probabilities are not honest by themselves."
    )
    fitted_on: int = Field(default=0, ge=0, description="Number of validation items.")

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out defaults, so that bundles from before curves keep their modelId."""
        return _without(handler(self), () if self.curves else ("curves",))


class ImagePool(Card):
    """Weights of the log probabilities by an item's first image and, as a mean, by its further ones."""

    first: float = Field(ge=0)
    further: float = Field(ge=0)
    prior: float = Field(description="Of the logarithm of equal shares, which is subtracted.")
    fitted_on: int = Field(default=0, ge=0, description="Number of validation items with several images.")


class Familiarity(Card):
    """Which images are too far from all that the model has learnt; `familiarity.safetensors` has the numbers."""

    digest: str = Field(description="SHA-256 of `familiarity.safetensors`, in hexadecimal.")
    below: float = Field(gt=0, lt=1, description="Images with a lower familiarity are unfamiliar.")
    held_out: int = Field(ge=0, description="Number of validation items, of whose scores familiarity is the share.")
    left_out: int = Field(
        default=0, ge=0, description="Number of items of leaves that were left out, by which `below` was chosen."
    )
    found: float | None = Field(
        default=None, description="Share of these that are unfamiliar, by what was learnt from others of their leaves."
    )
    auroc: float | None = Field(
        default=None,
        description="Probability that one of these is less familiar than a validation item: area under the ROC curve.",
    )
    found_unseen: float | None = Field(default=None, description="`found` by what has seen none of that leaf.")
    auroc_unseen: float | None = Field(default=None, description="`auroc` by what has seen none of that leaf.")


class Member(Card):
    """One of the models whose predictions a bundle averages; its weights' names begin with its number and a dot."""

    model_id: str
    architecture: Architecture
    inference: Inference
    temperature: float = Field(gt=0, description="Of its own calibration.")


class LevelMetrics(Card):
    """Metrics of one level on one set of items."""

    items: int
    accuracy: float
    weighted_f1: float
    macro_f1: float = Field(description="Mean F1 over the classes with at least `minimum_support` items in this set.")
    macro_f1_classes: int
    minimum_support: int
    expected_calibration_error: float = Field(description="15 equal-width bins of confidence.")
    calibration_error_by_chance: float | None = Field(
        default=None, description="That of perfectly calibrated confidences on as many items; null in older bundles."
    )


class Metrics(Card):
    """Metrics of one set of items at both levels."""

    split: str
    levels: dict[Level, LevelMetrics]
    outside_taxonomy: int = Field(description="Labelled items of a leaf that the model does not know; not in `levels`.")


class LevelPolicy(Card):
    """Least confidence of a level's accepted predictions, and the data that it was fitted to."""

    target_precision: float = Field(gt=0, lt=1, description="Of what is accepted.")
    accept_above: float | None = Field(description="Null: nothing is known to be sure enough.")
    classes: dict[str, float | None] = Field(default={}, description="Of classes with a threshold of their own.")
    coverage: float = Field(description="Share of the held-out items that was accepted.")
    precision: float | None = Field(description="Of those, on the same items.")
    at_least: float | None = Field(description="Lower bound of that precision.")


class Policy(Card):
    """Thresholds fitted to a target precision; a tag job applies them."""

    probability: float = Field(gt=0, lt=1, description="With which each threshold keeps its promise on new items.")
    fitted_on: int = Field(ge=0, description="Number of held-out items.")
    side: Literal["val", "control"] = Field(
        default="val",
        description="Which these are: control, which nothing else has seen; or val, by which epoch and calibration "
        "were chosen, too, so that the promise is approximate.",
    )
    levels: dict[Level, LevelPolicy]


class AttributePolicy(Card):
    """Thresholds of a further tag, such as gender, fitted to a target precision."""

    probability: float = Field(gt=0, lt=1, description="With which each threshold keeps its promise on new items.")
    side: Literal["val", "control"] = Field(default="control", description="As of a policy.")
    by_evidence: dict[Evidence, LevelPolicy] = Field(description="By what the predictions are based on.")
    fitted_on: dict[Evidence, int] = Field(description="Number of held-out items with a label, by the same.")


class LeftOut(Card):
    """A leaf that was not trained on."""

    master_category: str
    article_type: str
    items: int


class Provenance(Card):
    """Origin of a model."""

    created_at: datetime
    config: dict[str, object] = Field(description="The train job's config, whole.")
    versions: dict[str, str] = Field(description="Python and the libraries that decide the result.")
    manifest: str = Field(default="", description="The manifest's files with their sizes and times.")
    data_fingerprint: str = Field(default="", description="Hash of the labelled items' ids and labels, in any order.")
    split_items: dict[str, int] = Field(default={}, description="Number of items on each side of the split.")
    failed_images: int = Field(default=0, description="Labelled items whose image could not be used.")
    rejects: int = Field(default=0, description="Manifest rows that could not be read.")
    left_out: tuple[LeftOut, ...] = Field(default=(), description="Leaves with fewer than `min_items` items.")
    evidence_left_out: dict[str, str] = Field(
        default={}, description="What could not be learnt of titles and columns, by flag, with the reason."
    )
    epochs: tuple[dict[str, float], ...] = Field(default=(), description="Loss and metrics after every epoch.")
    best_epoch: int = Field(default=0, description="The epoch, from 0, whose weights these are.")
    training_s: float = Field(default=0.0, description="Duration of the training, seconds.")


class ModelCard(Card):
    """`bundle.json`: the metadata of a bundle."""

    bundle_version: Literal[1] = 1
    model_id: str = Field(description="Derived from the weights and from all that decides a prediction.")
    taxonomy: Taxonomy
    architecture: Architecture
    preprocessing: Preprocessing
    inference: Inference
    calibration: Calibration
    members: tuple[Member, ...] = Field(
        default=(), description="Of a bundle that averages the probabilities of several; `architecture` sums them up."
    )
    image_pool: ImagePool | None = Field(
        default=None, description="How several images of an item count; null: as the mean of the first and the others."
    )
    familiarity: Familiarity | None = Field(
        default=None, description="Null: the bundle cannot tell unfamiliar images, as older ones cannot."
    )
    blur_threshold: float = Field(description="Items with a lower blurScore are reported as blurry.")
    policy: Policy | None = Field(
        default=None, description="Of predictions by image alone. Without one, the tag job's own thresholds hold."
    )
    policies: dict[Evidence, Policy] = Field(
        default={}, description="Of predictions that are based on more, by what they are based on."
    )
    attribute_policies: dict[str, AttributePolicy] = Field(default={}, description="Of further tags, by their names.")
    metrics: tuple[Metrics, ...] = ()
    provenance: Provenance


def _without(document: dict[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return {k: v for k, v in document.items() if k not in names}
