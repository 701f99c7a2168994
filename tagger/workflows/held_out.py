"""The last steps of making a bundle: confidences are calibrated on val, and metrics are measured on test.

Predictions of the control side are stored, too, but not used here: `tagger policy` fits to them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import ray.data
import torch
from torch import Tensor

from tagger.confidence.calibration import calibrated
from tagger.confidence.familiarity import familiarity_card
from tagger.confidence.neighbours import Strangers, fit_neighbours, fit_strangers
from tagger.dataset.blurred import BLURRED, blurred_copies
from tagger.dataset.items import LEFT_OUT
from tagger.engines.torch import PreparedTorch
from tagger.evaluation.gaps import Gaps
from tagger.evaluation.metrics import Evaluation
from tagger.evaluation.pictures import Pictures
from tagger.evaluation.report import CONTROL_ITEMS, VAL_ITEMS, Extras, Training, write_report
from tagger.imaging.edges import all_with_edges
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.models.bundle import Bundle
from tagger.models.familiarity import Familiarity, Neighbours
from tagger.models.image_pool import ImageRows, pool_images
from tagger.models.levels import Levels, softmax
from tagger.runs.image_features import ImageFeatures
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.runs.staging import read_shard
from tagger.schemas.documents.bundle import Metrics, ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.item import REJECT
from tagger.tagging.on_ray import leaf_logits
from tagger.workflows.labelled import failures
from tagger.workflows.open_catalog import catalogue_name

_AT_ONCE = 32
_BLURRED_ITEMS = 2000


@dataclass(frozen=True)
class MeasuredBundle:
    """A bundle with metrics of items that were used for neither training nor calibration."""

    folder: Location
    card: ModelCard

    @property
    def metrics(self) -> Metrics:
        """Metrics on the test items."""
        (test,) = self.card.metrics
        return test

    @property
    def report(self) -> Location:
        """The page of metrics, mistakes and curves."""
        return self.folder / "report/index.html"


@dataclass(frozen=True)
class SeveralImages:
    """Shares of the test items with several images whose article type is right."""

    items: int
    by_all: float
    """By all their images."""
    by_first: float
    """By the first alone."""

    def __str__(self) -> str:
        return (
            f"{self.items:,} test items have several images: {self.by_all:.1%} of their article types are right by all "
            f"of them, {self.by_first:.1%} by the first alone"
        )


@dataclass(frozen=True)
class Measured:
    """A calibrated bundle, and its predictions of held-out items."""

    bundle: Bundle
    val: Evaluation
    test: Evaluation
    blurred: Evaluation
    """Predictions of some test items with blurred images."""
    control: Evaluation | None = None
    """Predictions of items that neither training nor calibration has seen, if there are any."""
    leaves: LeafProbabilities | None = None
    """Leaf probabilities of the items of all three, if they were to be kept."""
    several: SeveralImages | None = None
    """What several images of a test item are worth, if any has some."""
    familiarity: Familiarity | None = None
    """What tells unfamiliar images, if there were images to learn that from."""
    features: ImageFeatures | None = None
    """What attributes read of the images of the items of all sides, if it was to be kept."""

    @property
    def metrics(self) -> Metrics:
        """Metrics on the test items."""
        return self.test.metrics()


@dataclass(frozen=True)
class BundleReport:
    """What the report of a bundle says beside its measurements."""

    card: ModelCard
    """The finished card."""
    items: pd.DataFrame
    """The labelled items: leaf, the position in the taxonomy, and split, the side."""
    training: Training | None = None


def calibrate_and_measure(
    bundle: Bundle,
    images: dict[str, ray.data.Dataset],
    device: str,
    failed: pa.Table,
    keep_leaves: bool = False,
    keep_features: bool = False,
    neighbours: Sequence[Neighbours] = (),
) -> Measured:
    """Calibrate on val, and evaluate on test and control, with float32 PyTorch.

    Args:
        bundle: The model; its calibration is replaced.
        images: Decoded items by side; control may be absent, and so may train, or a sample of it, by which unfamiliar
            images are told, and `LEFT_OUT`, items of leaves that were left out.
        device: `cpu` or `cuda`.
        failed: Images that cannot be used, by FAILURE.
        keep_leaves: Keep the leaf probabilities, too, as titles and columns are weighed against them.
        keep_features: Keep what attributes read of the images, too, also of the train side.
        neighbours: What tells unfamiliar images, by several models whose predictions the bundle averages.
    """
    reference = PreparedTorch(bundle, device, "float32", _AT_ONCE)
    copies = images["test"].limit(_BLURRED_ITEMS).map_batches(blurred_copies, batch_size=_AT_ONCE)
    sides_seen = [side for side in ("val", "test", "control", LEFT_OUT) if side in images]
    everything = images["val"].union(*(images[side] for side in sides_seen[1:]), copies)
    outputs = leaf_logits(_with_edges(everything, bundle), reference, device == "cuda", with_features=True)
    features = None
    if "train" in images:
        of_train = leaf_logits(_with_edges(images["train"], bundle), reference, device == "cuda", with_features=True)
        vectors = _vectors(bundle, of_train)
        neighbours = [fit_neighbours(vectors, of_train["leaf"])]
        if keep_features:
            kept = ~np.isin(outputs["split"], (BLURRED, LEFT_OUT))
            features = _features([_only(outputs, kept), of_train])
    is_val = outputs["split"] == "val"
    bundle = calibrated(bundle, outputs["logits"][is_val], outputs["leaf"][is_val], _rows_of(_only(outputs, is_val)))
    bundle, familiarity = _familiarity(bundle, outputs, neighbours)
    del outputs["features"]
    sides = {side: _only(outputs, outputs["split"] == side) for side in (*sides_seen, BLURRED)}
    val, of_copies = (_evaluation(bundle, sides[side], 0, side) for side in ("val", BLURRED))
    control = _evaluation(bundle, sides["control"], 0, "control") if "control" in sides else None
    leaves = _leaves(bundle, _only(outputs, ~np.isin(outputs["split"], (BLURRED, LEFT_OUT)))) if keep_leaves else None
    test = sides["test"]
    without = set(failed.filter(pc.equal(failed["split"], "test"))["id"].to_pylist()) - set(test["id"])
    tested = _evaluation(bundle, test, len(without))
    several = _several(bundle, test, tested)
    return Measured(bundle, val, tested, of_copies, control, leaves, several, familiarity, features)


def evaluate_side(bundle: Bundle, images: ray.data.Dataset, device: str) -> Evaluation:
    """Evaluate a calibrated bundle on decoded items."""
    reference = PreparedTorch(bundle, device, "float32", _AT_ONCE)
    return _evaluation(bundle, leaf_logits(_with_edges(images, bundle), reference, device == "cuda"), 0)


def model_inputs(bundle: Bundle, images: ray.data.Dataset, size: int) -> Iterator[Tensor]:
    """Yield decoded items as input of a bundle's model, uint8 [n, H, W, C], in batches of `size`."""
    for batch in _with_edges(images, bundle).iter_batches(batch_format="numpy", batch_size=size):
        yield torch.from_numpy(np.array(batch["image"]))


def write_bundle_report(
    out: Location,
    measured: Measured,
    pictures: Pictures,
    facts: dict[str, object],
    work: Location,
    about: BundleReport,
) -> None:
    """Write the report of a new bundle, with the rows and images that were left out."""
    card, training = about.card, about.training
    catalogue = catalogue_name(str(card.provenance.config["manifest"]))
    date = card.provenance.created_at
    least = card.provenance.config.get("min_items")
    leaves = [(leaf.masterCategory, leaf.articleType) for leaf in card.taxonomy.leaves]
    extras = Extras(
        training=training,
        pictures=pictures,
        blur_threshold=measured.bundle.card.blur_threshold,
        blurred=measured.blurred,
        by="the image alone",
        byline=(
            f"Model {card.model_id}",
            f"{'trained' if training else 'made'} on {date.day} {date:%B %Y}",
            f"measured on {len(measured.test.items):,} test items",
        ),
        gaps=Gaps.of_items(about.items, leaves, card.provenance.left_out, least) if isinstance(least, int) else None,
    )
    title = f"Model report: {catalogue}"
    if measured.several:
        facts = {**facts, "several images": measured.several}
    write_report(out, title, facts, measured.test, extras)
    rejects = [read_shard(f) for f in (work / "rejects").files()]
    write_parquet(out / "rejects.parquet", pa.concat_tables([REJECT.empty_table(), *rejects]))
    write_parquet(out / "failed-images.parquet", failures(work))
    for name, evaluation in ((VAL_ITEMS, measured.val), (CONTROL_ITEMS, measured.control)):
        if evaluation is not None:
            write_parquet(out / name, pa.Table.from_pandas(evaluation.table(), preserve_index=False))


def _with_edges(images: ray.data.Dataset, bundle: Bundle) -> ray.data.Dataset:
    """The images with the model's channels, materialised."""
    preprocessing = bundle.card.preprocessing
    if preprocessing.edges == "none":
        return images.materialize()

    def add(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {**batch, "image": all_with_edges(batch["image"], preprocessing)}

    return images.map_batches(add, batch_size=_AT_ONCE).materialize()


def _leaves(bundle: Bundle, outputs: dict[str, np.ndarray]) -> LeafProbabilities:
    items, probabilities = _by_item(bundle, outputs)
    return LeafProbabilities.of_predictions(items["id"].tolist(), probabilities, items["blur"], items["familiarity"])


def _familiarity(
    bundle: Bundle, outputs: dict[str, np.ndarray], neighbours: Sequence[Neighbours]
) -> tuple[Bundle, Familiarity | None]:
    """The bundle with what tells unfamiliar images; adds `familiarity` to the outputs, NaN where nothing tells it."""
    if not neighbours:
        outputs["familiarity"] = np.full(len(outputs["leaf"]), np.nan, np.float32)
        return bundle.changed(familiarity=None), None
    vectors = _vectors(bundle, outputs)
    surest = {side: _surest(bundle, outputs, np.flatnonzero(outputs["split"] == side)) for side in ("val", LEFT_OUT)}
    known, left_out = surest["val"], surest[LEFT_OUT]
    strangers = Strangers(vectors[left_out], outputs["leaf"][left_out])
    members, scored = fit_strangers(neighbours, vectors[known], strangers)
    familiarity = Familiarity(tuple(members), np.sort(scored.known).astype(np.float32))
    outputs["familiarity"] = familiarity.of(vectors, outputs["blur"])
    levels = Levels(bundle.card.taxonomy, bundle.card.calibration.curves)
    confidence = levels.choose(softmax(outputs["logits"][left_out], bundle.card.calibration.temperature))[3]
    return bundle.changed(familiarity=familiarity_card(familiarity, scored, confidence)), familiarity


def _surest(bundle: Bundle, outputs: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Of these rows, those of the images that stand for their items, [N]."""
    if not len(rows):
        return rows
    items, _ = _by_item(bundle, {**_only(outputs, rows), "row": rows})
    return items["row"]


def _vectors(bundle: Bundle, outputs: dict[str, np.ndarray]) -> np.ndarray:
    """The image vectors, which are the first part of what attributes read, float16 [M, D]."""
    return np.asarray(outputs["features"][:, : bundle.card.architecture.embedding_dim])


def _features(outputs: Sequence[dict[str, np.ndarray]]) -> ImageFeatures:
    ids, numbers, matrix = (np.concatenate([part[name] for part in outputs]) for name in ("id", "number", "features"))
    return ImageFeatures(ids.astype(object), numbers, matrix)


def _only(columns: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    return {name: column[chosen] for name, column in columns.items()}


def _rows_of(outputs: dict[str, np.ndarray]) -> ImageRows:
    return ImageRows.of(outputs["id"], outputs["number"])


def _by_item(bundle: Bundle, outputs: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of the items, of several images those of the surest; and their leaf probabilities, float32 [N, L]."""
    by_image = softmax(outputs["logits"], bundle.card.calibration.temperature)
    pooled = pool_images(by_image, _rows_of(outputs), bundle.card.image_pool)
    return _only(outputs, pooled.surest), pooled.probabilities


def _several(bundle: Bundle, outputs: dict[str, np.ndarray], by_all: Evaluation) -> SeveralImages | None:
    """Compare all images of an item with its first; `by_all` is the evaluation of the same outputs."""
    rows = _rows_of(outputs)
    several = (rows.counts > 1) & rows.has_first
    if not several.any():
        return None
    by_first = _evaluation(bundle, _only(outputs, rows.starts[several]), 0)
    right = by_all.levels[Level.ARTICLE_TYPE].right[several]
    return SeveralImages(len(right), float(right.mean()), float(by_first.levels[Level.ARTICLE_TYPE].right.mean()))


def _evaluation(bundle: Bundle, images: dict[str, np.ndarray], failed: int, side: str = "test") -> Evaluation:
    card = bundle.card
    outputs, probabilities = _by_item(bundle, images)
    items = pd.DataFrame({"id": outputs["id"], "imageRef": outputs["imageRef"], "blurScore": outputs["blur"]})
    if "familiarity" in outputs:
        items["familiarity"] = outputs["familiarity"]
    if any(outputs["time"] != ""):
        items["time"] = outputs["time"]
    levels = Levels(card.taxonomy, card.calibration.curves)
    evaluation = Evaluation.of_probabilities(side, levels, probabilities, outputs["leaf"], items)
    return replace(evaluation, failed=failed)
