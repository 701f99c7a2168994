"""Evaluates a run with known labels, alone or compared with another run or bundle: metrics and a report."""

import dataclasses
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from tagger.dataset.splits_file import SPLITS_FILE, read_splits
from tagger.errors import InputError, UsageError
from tagger.evaluation.breakdown import Difference, difference
from tagger.evaluation.counted import Counted, sort_out
from tagger.evaluation.gaps import Gaps
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.evaluation.pictures import Pictures
from tagger.evaluation.report import ITEMS, Comparison, Extras, write_report
from tagger.images.patterns import text_column
from tagger.images.stores import ImageStore, open_store
from tagger.io.location import Location
from tagger.io.parquet import open_parquet
from tagger.manifest.labels import KnownLabels
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.models.bundle import CARD, Bundle
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.recorded import config_of
from tagger.schemas.configs.evaluate import EvaluateConfig
from tagger.schemas.configs.options import CatalogOptions
from tagger.schemas.documents.bundle import Metrics
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision
from tagger.workflows.evaluate_answers import answer_of_run, gaps_of_run
from tagger.workflows.evaluate_tags import (
    EvaluatedTags,
    attribute_labels,
    attribute_names,
    evaluate_tags,
    write_tags,
)
from tagger.workflows.open_catalog import catalogue_name, open_manifest, resolve_location, resolve_model

_COLUMNS = (
    "id",
    "decision",
    "blurScore",
    "evidence",
    *(f"{level}{suffix}" for level in Level for suffix in ("", "Confidence")),
)


@dataclass(frozen=True)
class EvaluateResult:
    """Metrics of a run on the labelled items that count."""

    evaluation: Evaluation
    """Truth, prediction and confidence of each item that counts, by level."""
    counted: Counted
    """How many labelled items count, and why the others do not."""
    against: Comparison | None
    """The run and the other model, on the items that both have."""
    report: Location
    """The page of the report."""
    model: str | None
    """The bundle of the run, if it is available."""
    tags: EvaluatedTags
    """Further tags that have labels, and both levels by what the predictions are based on."""

    @property
    def metrics(self) -> Metrics:
        """Accuracy, F1 and calibration error of each level, 0 to 1.

        Macro F1 is the mean over the classes with at least `minimum_support` of the items.
        """
        return self.evaluation.metrics()

    @property
    def differences(self) -> dict[Level, Difference]:
        """The run's accuracy minus the other's, by level, with its 95% interval; empty without a comparison."""
        if self.against is None:
            return {}
        other = self.against.other.levels
        return {level: difference(own, other[level]) for level, own in self.against.evaluated.levels.items()}


def evaluate(config: EvaluateConfig, reporter: Reporter = LOG) -> EvaluateResult:
    """Compare a finished run's predictions with a labelled manifest, item by item, and write a report.

    Items that the model was trained on are left out, and so are those of leaves that it does not know: no answer could
    be right. Both are counted. Further tags that the run predicts are compared with the columns of their names.

    Args:
        config: The run, the labels, the folder of the report (`out`), and what to compare with.
        reporter: Where progress and warnings go.

    Returns:
        The metrics, and the location of the report.

    Raises:
        UsageError: when a flag names something that does not exist, or another model's bundle.
        InputError: when the run has not finished, or not one labelled item counts.

    Example::

        from tagger import EvaluateConfig, evaluate

        result = evaluate(EvaluateConfig(run="run-1", manifest="styles.csv", out="evaluation"))
        print(f"{result.metrics.levels['articleType'].accuracy:.1%} of {result.counted.counted:,} items are right")
    """
    reporter.step(f"Comparing {config.run} with {config.manifest}")
    directory = RunDirectory(resolve_location(config.run, config))
    predictions = directory.read(_COLUMNS).to_pandas()
    record = directory.record()
    judged = _judged(config, reporter, record)
    other = _other_predictions(config)
    out = resolve_location(config.out, config)
    out.check_writable("--out")
    manifest = open_manifest(config.manifest, config, reporter, "--manifest")
    options = _image_options(config)
    store = open_store(options, manifest) if options.images else None
    values = attribute_names(directory, record)
    labels = _labels(config, manifest, store, judged.bundle, list(values))
    answers = _answers(config, directory, judged, labels, predictions)
    if config.split:
        labels = labels[labels["id"].isin(judged.of_side(config.split))]
    left_out = set() if config.split or config.include_trained else judged.of_side("train")
    rows, counted = sort_out(labels, predictions, judged.leaves, left_out)
    if rows.empty:
        raise InputError(f"--manifest: not one of {counted.labelled:,} labelled items counts: {counted.in_words()}")
    evaluation = _evaluation(config, rows, counted)
    against = _against(config, evaluation, other, judged) if other is not None else None
    tags = evaluate_tags(directory, values, rows, evaluation, NoValue(config.no_value))
    _warn_of_tags(tags, reporter)
    extras = Extras(
        against=against,
        pictures=Pictures(store, options.max_pixels) if store else None,
        blur_threshold=judged.bundle.card.blur_threshold if judged.bundle else None,
        summary=answers.first + tags.summary,
        sections=tags.sections,
        byline=_byline(record, counted),
        gaps=answers.gaps,
    )
    page = write_report(out, _title(config), _facts(config, record, counted), evaluation, extras)
    write_tags(out, tags)
    return EvaluateResult(evaluation, counted, against, page, judged.name if judged.bundle else None, tags)


def _title(config: EvaluateConfig) -> str:
    return f"Evaluation report: {catalogue_name(config.manifest)}"


def _warn_of_tags(tags: EvaluatedTags, reporter: Reporter) -> None:
    for name, reason in tags.not_evaluated.items():
        reporter.warn(f"--manifest: {name}, which the run predicts, is not evaluated: {reason}")


class _Answers(NamedTuple):
    """What the page begins with."""

    first: Markup
    """How many items needed no person."""
    gaps: Gaps | None
    """What the model never answers."""


def _answers(
    config: EvaluateConfig, directory: RunDirectory, judged: "_Judged", labels: pd.DataFrame, predictions: pd.DataFrame
) -> _Answers:
    first = answer_of_run(directory, labels, predictions, judged.sides)
    sides = (
        {} if config.include_trained or config.split == "train" else judged.sides
    )  # mistakes on trained items do not say which labels help
    return _Answers(first, gaps_of_run(labels, judged.bundle.card, sides) if judged.bundle else None)


def _byline(record: RunRecord | None, counted: Counted) -> list[str]:
    """What is reported on, below the title."""
    measured = f"measured on {counted.counted:,} labelled items"
    if record is None:
        return [measured]
    date = record.started_at
    return [f"Run {record.run_id}", f"model {record.model_id}", f"tagged on {date.day} {date:%B %Y}", measured]


def _facts(config: EvaluateConfig, record: RunRecord | None, counted: Counted) -> dict[str, object]:
    """Names and values at the top of the report."""
    return {
        "run": record.run_id if record else "",
        "model": record.model_id if record else "",
        "labelled items": f"{counted.labelled:,}{f' of the {config.split} side' if config.split else ''}",
        "of them counted": f"{counted.counted:,}",
        "left out": counted.in_words() or "none",
    }


@dataclass(frozen=True)
class _Judged:
    """The model that made a run, as far as it is available."""

    name: str
    """Location of the bundle; empty if unknown."""
    bundle: Bundle | None
    sides: dict[str, str]
    """Split side of every item, by id."""

    @property
    def leaves(self) -> Container[tuple[str, str]] | None:
        """The leaves of the model."""
        return self.bundle.card.taxonomy.index if self.bundle else None

    def of_side(self, side: str) -> set[str]:
        """The ids of a side of its split."""
        return {item for item, name in self.sides.items() if name == side}


def _judged(config: EvaluateConfig, reporter: Reporter, record: RunRecord | None) -> _Judged:
    """The bundle that --model names, or the one that the run names.

    Raises:
        UsageError: when --model made another run, or --split has no bundle.
        InputError: when --split has no splits.
    """
    recorded = config_of(resolve_location(str(config.run), config), record) if record else {}
    named = config.model or str(recorded.get("model") or "")
    folder = resolve_model(named, config) if named else None
    bundle = Bundle.load(folder) if folder and (config.model or (folder / CARD).exists()) else None
    if bundle and record and bundle.card.model_id != record.model_id:
        if config.model:
            raise UsageError(f"--model: {named} is {bundle.card.model_id}, but the run was made by {record.model_id}")
        bundle = None
    if bundle is None:
        if config.split:
            raise UsageError("--split: needs the bundle that made the run; name it with --model")
        reporter.warn(
            f"The model of this run is not at hand{f' (it was {named})' if named else ''}: items that it was trained "
            "on count, and labels that it does not know count as its mistakes; name it with --model"
        )
    if folder and bundle and (folder / SPLITS_FILE).exists():
        sides = read_splits(folder)
        return _Judged(named, bundle, dict(zip(sides.index, sides, strict=True)))
    if config.split:
        raise InputError(f"--split: the bundle has no {SPLITS_FILE}")
    if bundle:
        reporter.warn(f"{folder} has no {SPLITS_FILE}, which says what it was trained on: all items count")
    return _Judged(named, bundle, {})


def _image_options(config: EvaluateConfig) -> CatalogOptions:
    """The labelled manifest and its images, as other jobs name them."""
    shared = {name: getattr(config, name) for name in CatalogOptions.model_fields if hasattr(config, name)}
    return CatalogOptions(**shared)


def _labels(
    config: EvaluateConfig,
    manifest: Manifest,
    store: ImageStore | None,
    bundle: Bundle | None,
    attributes: Sequence[str],
) -> pd.DataFrame:
    """Items with both labels: id, one column per level, those of attributes that the manifest has, imageRef, time."""
    columns = ["id", *map(str, Level)]
    if missing := manifest.why_unlabelled():
        raise InputError(f"--manifest: {config.manifest} has {missing}")
    tables = []
    for batch in manifest.batches():
        if absent := [c for c in columns if c not in batch.items.schema.names]:
            raise InputError(f"--manifest: {batch.file} has no column {absent[0]!r}, which the first file has")
        table = batch.items.select(columns).to_pandas()
        table = table.assign(**attribute_labels(batch, attributes))
        if store:
            table["imageRef"] = store.locate(batch)
        if batch.column(config.time_by) is not None:
            table["time"] = text_column(batch, config.time_by, "--time-by").to_pylist()
        tables.append(table)
    labels = pd.concat(tables).dropna(subset=columns) if tables else pd.DataFrame(columns=columns)
    if labels.empty:
        raise InputError(f"--manifest: no row of {config.manifest} has both labels")
    masters, articles = labels[Level.MASTER_CATEGORY], labels[Level.ARTICLE_TYPE]
    if bundle:
        known = KnownLabels(bundle.card.taxonomy, config.merge_spellings)
        masters, articles = masters.map(known.master), articles.map(known.article)
    labels[Level.MASTER_CATEGORY] = masters.map(lambda m: config.merge.get(m, m))
    labels[Level.ARTICLE_TYPE] = articles
    return labels


def _trained_on(config: EvaluateConfig) -> set[str]:
    """Ids of the items that the other bundle was trained on, as far as it names them."""
    folder = resolve_location(config.against, config) if config.against else None
    if not folder or not (folder / SPLITS_FILE).exists():
        return set()
    sides = read_splits(folder, "--against")
    return set(sides.index[sides == "train"])


def _evaluation(config: EvaluateConfig, rows: pd.DataFrame, counted: Counted) -> Evaluation:
    levels = {level: _predicted(rows, level) for level in Level}
    items = rows[[c for c in ("id", "imageRef", "blurScore", "time") if c in rows]]
    return Evaluation(config.split or "labelled items", levels, counted.unknown_leaves, counted.failed, items)


def _predicted(table: pd.DataFrame, level: Level) -> Predicted:
    return Predicted(
        table[f"{level}_true"].to_numpy(object),
        table[level].to_numpy(object),
        table[f"{level}Confidence"].to_numpy(np.float32),
    )


def _other_predictions(config: EvaluateConfig) -> pd.DataFrame | None:
    """Predictions of --against, by id; those of a bundle are for its test items. None without --against."""
    if config.against is None:
        return None
    where = resolve_location(config.against, config)
    if not (where / CARD).exists():
        predictions: pd.DataFrame = RunDirectory(where).read(_COLUMNS, "--against").to_pandas()
        return predictions[predictions["decision"] != Decision.FAILED]
    file = where / "report" / ITEMS
    if not file.exists():
        raise InputError(f"--against: {where} has no {file.name} in its report; name a run of that bundle instead")
    with open_parquet(file) as table:
        items: pd.DataFrame = table.read().to_pandas()
    return items


def _against(config: EvaluateConfig, evaluation: Evaluation, other: pd.DataFrame, judged: _Judged) -> Comparison:
    """Both models on the common items that neither was trained on."""
    trained_on = judged.of_side("train") | _trained_on(config)
    ids = evaluation.items["id"]
    common = ids.isin(set(other["id"]) - trained_on).to_numpy(bool)
    if not common.any():
        reason = "none of the labelled items of the run that neither bundle was trained on"
        raise InputError(f"--against: {config.against} has {reason}")
    evaluated = evaluation.only(common)
    other_rows = other.set_index("id").loc[evaluated.items["id"]]
    levels = {
        level: Predicted(
            evaluated.levels[level].truth,
            other_rows[level].to_numpy(object),
            other_rows[f"{level}Confidence"].to_numpy(np.float32),
        )
        for level in Level
    }
    name = resolve_location(config.against or "", config).name
    return Comparison(name, evaluated, dataclasses.replace(evaluated, levels=levels))
