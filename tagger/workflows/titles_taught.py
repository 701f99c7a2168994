"""Teaches a bundle what titles say of its classes, and measures title, image, and both together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tagger.confidence.calibration import fit_temperature, fit_weights
from tagger.dataset.label_words import without_label
from tagger.dataset.splits import SPLITS
from tagger.errors import InputError, UsageError
from tagger.evaluation.metrics import Evaluation, Predicted, level_metrics
from tagger.evaluation.report import ITEMS_BY_SIDE
from tagger.images.patterns import text_column
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.batch import Batch
from tagger.manifest.headings import listed
from tagger.manifest.manifest import Manifest
from tagger.models.levels import Levels
from tagger.models.titles import TitleModel
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.schemas.documents.bundle import LevelMetrics, ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.training.titles import fit_titles, with_bare_titles

HELD_OUT = {
    Evidence.IMAGE_AND_TITLE: {side: f"with-titles-{file}" for side, file in ITEMS_BY_SIDE.items()},
    Evidence.TITLE: {side: f"by-title-{file}" for side, file in ITEMS_BY_SIDE.items()},
}
"""Files in a bundle's report with its predictions of held-out items by image and title, and by the title alone."""
CURVES = {Evidence.IMAGE_AND_TITLE: "policy-with-titles", Evidence.TITLE: "policy-by-title"}
"""Names, without their endings, of the curves of their policies."""
_OF_ONE_MODEL = (
    *(file for files in HELD_OUT.values() for file in files.values()),
    *(f"{curve}.{ending}" for curve in CURVES.values() for ending in ("csv", "svg")),
)
"""Files in a bundle's report that another title model makes untrue."""
SURE = 0.9
"""Confidence from which a title objects to an image."""
WITHOUT_TYPE = " without its type"
"""Ending of a witness that reads titles without the words of their article type."""
_Chosen = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Master category, article type, and the confidence of each, [N] each."""


@dataclass(frozen=True)
class Objections:
    """Confident titles that contradict confident images; counts of test items."""

    confident: int
    """The image is confident."""
    wrong: int
    """Of these, the image is wrong."""
    objected: int
    """Of the confident ones, the title is as confident of another class."""
    caught: int
    """Of those, the image is wrong."""
    mistakes: int
    """The image is wrong, confident or not."""
    title_sides_with_image: int
    """Of these, the title agrees with it: the label may be what is wrong."""


@dataclass(frozen=True)
class TitlesResult:
    """A title model that was written into its bundle, and its metrics on the test items."""

    model: TitleModel
    card: ModelCard
    """The bundle's card."""
    items: int
    """Number of test items."""
    by: Mapping[str, Mapping[Level, LevelMetrics]]
    """Metrics by witness: `title`, `title without its type` (the words of its article type are left out), and where the
    images have their say also `image`, `both` and `both without its type`.

    Macro F1 is that of `evaluate`: the mean over the classes with at least `minimum_support` of the items.
    """
    objections: Objections | None
    """None where the images have no say."""


def teach_titles(
    folder: Location,
    card: ModelCard,
    column: str,
    sides: Mapping[str, pd.DataFrame],
    image: LeafProbabilities | None,
    surely: float = SURE,
    before_writing: Callable[[], None] = lambda: None,
) -> TitlesResult:
    """Fit a title model to the train side, calibrate it on val, write it into the bundle, and measure it on test.

    Args:
        folder: The bundle's folder.
        card: The bundle's card.
        column: The column of the titles.
        sides: Items of each side of the split, with id, title and leaf number.
        image: What the images say of held-out items; without it, nothing is known of both together.
        surely: Confidence of an image, and of a title that objects to it, 0 to 1.
        before_writing: Called when the model is fitted, before it replaces another one.

    Raises:
        InputError: when the titles cannot be learnt from, or `image` has no val or test item.
    """
    train, val, test = (sides[side] for side in ("train", "val", "test"))
    leaves = train["leaf"].to_numpy()
    types = [leaf.articleType for leaf in card.taxonomy.leaves]
    model = fit_titles(column, card.model_id, train["title"].tolist(), leaves, types)
    model = replace(model, temperature=fit_temperature(model.logits(val["title"].tolist()), val["leaf"].to_numpy()))
    if image is not None:
        val, test = (side[side["id"].isin(image.row)] for side in (val, test))
        spoken = val[model.has_known_word(val["title"].tolist())]
        if spoken.empty or test.empty:
            raise InputError("no item of the val side has a title of known words, or no test item has a usable image")
        leaves = spoken["leaf"].to_numpy()
        texts, items = with_bare_titles(spoken["title"].tolist(), leaves, types)
        by_image = image.of(spoken["id"].tolist())[items]
        weights = fit_weights(by_image, model.probabilities(texts), model.prior, leaves[items])
        model = replace(model, weights=weights)
    before_writing()
    report = folder / "report"
    for file in _OF_ONE_MODEL:
        (report / file).delete()
    model.save(folder)
    if image is not None:
        for side, rows in sides.items():
            _write_held_out(report, card, model, image, side, rows[rows["id"].isin(image.row)])
    return _measured(surely, card, model, test, image)


def with_titles(items: pd.DataFrame, manifest: Manifest, column: str) -> dict[str, pd.DataFrame]:
    """The items of each side with their titles, for `teach_titles`.

    Args:
        items: Their id, split and leaf.
        manifest: Has the column of the titles.
        column: Its name.
    """
    batches = manifest.batches()
    tables = [pa.table({"id": batch.items["id"], "title": titles_of(batch, column)}).to_pandas() for batch in batches]
    return by_side(items[["id", "split", "leaf"]].merge(pd.concat(tables), on="id"))


def titles_of(batch: Batch, column: str) -> pa.ChunkedArray:
    """The titles of a batch's items; empty where there is none, or no such column. Raises InputError."""
    if batch.column(column) is None and column not in batch.bytes_columns:  # one file of several may lack it
        return pa.chunked_array([pa.repeat(pa.scalar("", pa.string()), len(batch.items))])
    return pc.fill_null(text_column(batch, column, "--title"), "")


def by_side(items: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The items of each side that has some. Raises InputError when train, val or test has none."""
    sides = {side: items[items["split"] == side].reset_index(drop=True) for side in SPLITS}
    for side in ("train", "val", "test"):
        if sides[side].empty:
            raise InputError(f"--manifest: no item of the bundle's {side} side is in it")
    return {side: rows for side, rows in sides.items() if not rows.empty}


def check_title(column: str, manifest: Manifest) -> None:
    """Raise UsageError when the manifest has no such column."""
    if column not in manifest.columns:
        raise UsageError(f"--title {column}: the manifest has no such column; it has {listed(manifest.columns)}")


def _write_held_out(
    report: Location, card: ModelCard, model: TitleModel, image: LeafProbabilities, side: str, items: pd.DataFrame
) -> None:
    """Write predictions of the items of one side whose titles have a known word; those of train are nothing new."""
    items = items[model.has_known_word(items["title"].tolist())]
    if side not in ITEMS_BY_SIDE or items.empty:
        return
    ids, texts, leaves = items["id"].tolist(), items["title"].tolist(), items["leaf"].to_numpy()
    predicted = {
        Evidence.IMAGE_AND_TITLE: model.combined_probabilities(image.of(ids), texts),
        Evidence.TITLE: model.probabilities(texts),
    }
    columns = pd.DataFrame({"id": ids, "blurScore": np.float32(np.inf)})  # no prediction with a title counts as blurry
    for evidence, probabilities in predicted.items():
        evaluation = Evaluation.of_probabilities(side, Levels(card.taxonomy), probabilities, leaves, columns)
        table = pa.Table.from_pandas(evaluation.table(), preserve_index=False)
        write_parquet(report / HELD_OUT[evidence][side], table)


def _measured(
    surely: float, card: ModelCard, model: TitleModel, test: pd.DataFrame, image: LeafProbabilities | None
) -> TitlesResult:
    """Metrics of the test items, by title, image, and both."""
    levels = Levels(card.taxonomy)
    leaves = test["leaf"].to_numpy()
    texts, truth = test["title"].tolist(), levels.classes_of_leaves(leaves)
    bare = [without_label(t, card.taxonomy.leaves[leaf].articleType) for t, leaf in zip(texts, leaves, strict=True)]
    witnesses = {"title": model.probabilities(texts), f"title{WITHOUT_TYPE}": model.probabilities(bare)}
    if image is not None:
        by_image = image.of(test["id"].tolist())
        witnesses |= {
            "image": by_image,
            "both": model.combined_probabilities(by_image, texts),
            f"both{WITHOUT_TYPE}": model.combined_probabilities(by_image, bare),
        }
    chosen = {name: levels.choose(probabilities) for name, probabilities in witnesses.items()}
    figures = {
        name: {
            Level.MASTER_CATEGORY: level_metrics(Predicted(truth[0], master, master_confidence)),
            Level.ARTICLE_TYPE: level_metrics(Predicted(truth[1], article, article_confidence)),
        }
        for name, (master, master_confidence, article, article_confidence) in chosen.items()
    }
    objections = _objections(surely, truth[1], chosen["image"], chosen["title"]) if image is not None else None
    return TitlesResult(model, card, len(test), figures, objections)


def _objections(surely: float, truth: np.ndarray, image: _Chosen, title: _Chosen) -> Objections:
    """Count the titles that contradict a confident image, and those that are right."""
    _, _, by_image, image_confidence = image
    _, _, by_title, title_confidence = title
    mistakes = by_image != truth
    confident = image_confidence >= surely
    objected = confident & (title_confidence >= surely) & (by_title != by_image)
    return Objections(
        confident=int(confident.sum()),
        wrong=int((confident & mistakes).sum()),
        objected=int(objected.sum()),
        caught=int((objected & mistakes).sum()),
        mistakes=int(mistakes.sum()),
        title_sides_with_image=int((mistakes & (by_title == by_image)).sum()),
    )
