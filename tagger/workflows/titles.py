"""Fits a bundle's title model, a second witness beside the image, and measures it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tagger.confidence.calibration import fit_temperature, fit_weights
from tagger.dataset.label_words import without_label
from tagger.dataset.splits import SPLITS
from tagger.dataset.splits_file import read_splits
from tagger.errors import InputError, UsageError
from tagger.evaluation.metrics import Evaluation, Predicted, level_metrics
from tagger.evaluation.report import CONTROL_ITEMS, ITEMS, VAL_ITEMS
from tagger.images.patterns import text_column
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.headings import listed
from tagger.manifest.labels import KnownLabels
from tagger.models.bundle import Bundle
from tagger.models.levels import Levels
from tagger.models.titles import TitleModel
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.schemas.configs.confidence import TitlesConfig
from tagger.schemas.documents.bundle import LevelMetrics, ModelCard
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.schemas.tables.prediction import Evidence
from tagger.training.titles import fit_titles, with_bare_titles
from tagger.workflows.folder_locks import locked_bundle
from tagger.workflows.open_catalog import open_manifest, resolve_location

_FILES = {"val": VAL_ITEMS, "test": ITEMS, "control": CONTROL_ITEMS}
HELD_OUT = {
    Evidence.IMAGE_AND_TITLE: {side: f"with-titles-{file}" for side, file in _FILES.items()},
    Evidence.TITLE: {side: f"by-title-{file}" for side, file in _FILES.items()},
}
"""Files in a bundle's report with its predictions of held-out items by image and title, and by the title alone."""
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
    """Metrics by witness: `title`, `title without its type` (the words of its article type are left out), and with a
    run also `image`, `both` and `both without its type`.

    Macro F1 is that of `evaluate`: the mean over the classes with at least `minimum_support` of the items.
    """
    objections: Objections | None
    """None without a run."""


def titles(config: TitlesConfig, reporter: Reporter = LOG) -> TitlesResult:
    """Fit a model of titles to the bundle's training items, calibrate it on val, and measure it on test.

    Args:
        config: The bundle, the manifest that it was trained on, the column of the titles, and a run of the bundle
            over these items to measure image and title together.
        reporter: Where progress and warnings go.

    Returns:
        The model, already written into the bundle.

    Raises:
        UsageError: when the manifest has no such column, there is no bundle, or another process holds it.
        InputError: when the manifest lacks the bundle's items, or the run was made by another bundle.

    Example::

        from tagger.schemas.configs.confidence import TitlesConfig

        result = titles(TitlesConfig(model="bundle", manifest="styles.csv", title="productDisplayName"))
        print(f"{result.by['title']['articleType'].accuracy:.1%} right by the title alone")
    """
    folder = resolve_location(config.model, config)
    with locked_bundle(folder) as bundle:
        return _teach(config, reporter, bundle, folder)


def _teach(config: TitlesConfig, reporter: Reporter, bundle: Bundle, folder: Location) -> TitlesResult:
    """Fit the title model, and write it into the locked bundle."""
    if bundle.card.policies:  # they hold for the confidences of the previous title model
        bundle = bundle.changed(policies={})
        bundle.save(folder)
    taxonomy = bundle.card.taxonomy
    reporter.step("Reading the titles")
    sides = _sides(config, folder, taxonomy, reporter)
    reporter.step(f"Fitting to {len(sides['train']):,} titles")
    train, val, test = (sides[side] for side in ("train", "val", "test"))
    leaves = train["leaf"].to_numpy()
    types = [leaf.articleType for leaf in taxonomy.leaves]
    model = fit_titles(config.title, bundle.card.model_id, train["title"].tolist(), leaves, types)
    model = replace(model, temperature=fit_temperature(model.logits(val["title"].tolist()), val["leaf"].to_numpy()))
    image = None
    if config.run:
        image = LeafProbabilities.of_run(RunDirectory(resolve_location(config.run, config)), bundle.card)
        val, test = (side[side["id"].isin(image.row)] for side in (val, test))
        spoken = val[model.has_known_word(val["title"].tolist())]
        if spoken.empty or test.empty:
            raise InputError(f"--run: {config.run} has not the bundle's val and test items; tag the whole manifest")
        leaves = spoken["leaf"].to_numpy()
        texts, items = with_bare_titles(spoken["title"].tolist(), leaves, types)
        by_image = image.of(spoken["id"].tolist())[items]
        weights = fit_weights(by_image, model.probabilities(texts), model.prior, leaves[items])
        model = replace(model, weights=weights)
    report = folder / "report"
    for name in (name for files in HELD_OUT.values() for name in files.values()):
        (report / name).delete()  # of the previous title model
    model.save(folder)
    if image is not None:
        for side, rows in sides.items():
            _write_held_out(report, bundle.card, model, image, side, rows[rows["id"].isin(image.row)])
    return _measured(config, bundle.card, model, test, image)


def _write_held_out(
    report: Location, card: ModelCard, model: TitleModel, image: LeafProbabilities, side: str, items: pd.DataFrame
) -> None:
    """Write predictions of the items of one side whose titles have a known word; those of train are nothing new."""
    items = items[model.has_known_word(items["title"].tolist())]
    if side not in _FILES or items.empty:
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


def _sides(config: TitlesConfig, folder: Location, taxonomy: Taxonomy, reporter: Reporter) -> dict[str, pd.DataFrame]:
    """The items of each side of the bundle's split: id, title and leaf number. Raises InputError and UsageError."""
    splits = read_splits(folder, "--model").rename_axis("id").reset_index()
    manifest = open_manifest(config.manifest, config, reporter)
    if config.title not in manifest.columns:
        raise UsageError(f"--title {config.title}: the manifest has no such column; it has {listed(manifest.columns)}")
    labels = [str(level) for level in Level]
    tables = []
    for batch in manifest.batches():
        absent = [name for name in labels if name not in batch.items.schema.names]
        if absent:
            raise InputError(f"--manifest: {batch.file}: {manifest.why_unlabelled() or f'no column {absent[0]!r}'}")
        title = pc.fill_null(text_column(batch, config.title, "--title"), "")
        tables.append(batch.items.select(["id", *labels]).append_column("title", title).to_pandas())
    if not tables:
        raise InputError(f"--manifest: {config.manifest} has no row")
    items = pd.concat(tables).dropna(subset=labels).merge(splits, on="id")
    leaf_indices: dict[tuple[str | None, str | None], int] = {
        (leaf.masterCategory, leaf.articleType): n for n, leaf in enumerate(taxonomy.leaves)
    }
    pairs = KnownLabels(taxonomy, config.merge_spellings).pairs(items[labels[0]], items[labels[1]])
    items["leaf"] = [leaf_indices.get(pair, -1) for pair in pairs]
    items = items[items["leaf"] >= 0]
    sides = {side: items[items["split"] == side].reset_index(drop=True) for side in SPLITS}
    empty = [side for side, rows in sides.items() if rows.empty]
    for side in ("train", "val", "test"):
        if side in empty:
            raise InputError(f"--manifest: {config.manifest} has no item of the bundle's {side} side")
    return {side: rows for side, rows in sides.items() if side not in empty}


def _measured(
    config: TitlesConfig, card: ModelCard, model: TitleModel, test: pd.DataFrame, image: LeafProbabilities | None
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
    objections = _objections(config.surely, truth[1], chosen["image"], chosen["title"]) if image is not None else None
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
