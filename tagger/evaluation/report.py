"""Writes the report as a page, and the same data as CSV, Parquet and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
from markupsafe import Markup

from tagger.evaluation import plots
from tagger.evaluation.automation import no_thresholds
from tagger.evaluation.breakdown import (
    by_group,
    by_support,
    classes_that_differ,
    confusion_cells,
    difference,
    most_frequent_confusions,
)
from tagger.evaluation.class_table import SURE, ShownMistakes
from tagger.evaluation.gaps import ADDED, Gaps, expected_gain
from tagger.evaluation.level_section import LEVEL_TITLES, level_section, normalised
from tagger.evaluation.metrics import Evaluation, classes_of, confusions, level_metrics, per_class
from tagger.evaluation.page import render
from tagger.evaluation.pictures import Pictures
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.documents.taxonomy import Level

ITEMS = "items.parquet"
VAL_ITEMS, CONTROL_ITEMS = "val-items.parquet", "control-items.parquet"
"""Files with a bundle's predictions of the val items, and of the control items."""
ITEMS_BY_SIDE = {"val": VAL_ITEMS, "test": ITEMS, "control": CONTROL_ITEMS}
_MATRIX_CLASSES = 500
"""Most classes in a file with a full matrix."""
_DIFFERING_CLASSES = 20


@dataclass(frozen=True)
class Training:
    """Content of a training's report in addition to the evaluation."""

    history: Sequence[dict[str, float]]
    best_epoch: int
    left_out: Sequence[LeftOut]
    not_learnt: str | None = None
    """A sentence on the items of these leaves; it stands under the figures."""


@dataclass(frozen=True)
class Comparison:
    """Two models' predictions of the same items, in the same order."""

    name: str
    evaluated: Evaluation
    other: Evaluation


@dataclass(frozen=True)
class Extras:
    """Optional content of a report."""

    training: Training | None = None
    against: Comparison | None = None
    pictures: Pictures | None = None
    blur_threshold: float | None = None
    blurred: Evaluation | None = None
    """Predictions of the same model on blurred images."""
    by: str = ""
    """What the predictions are based on, in words, if it is the same for all, such as `the image alone`."""
    summary: Markup = field(default_factory=no_thresholds)
    """HTML at the top: how many items need no person, and what the figures are of."""
    sections: Markup = field(default_factory=Markup)
    """HTML of the first sections for engineers."""
    byline: Sequence[str] = ()
    """What is reported on, below the title: catalogue, model, date."""
    gaps: Gaps | None = None
    """The labelled items by class, if they are known."""


def write_report(
    folder: Location, title: str, facts: dict[str, object], evaluation: Evaluation, extras: Extras | None = None
) -> Location:
    """Write a self-contained `index.html`, and the same data as files.

    They are `metrics.json`, `groups.csv`, `items.parquet` (every item with truth and prediction), and per level
    `per-class-*.csv`, `confusion-*.csv`, `confusion-normalised-*.csv` and `confusions-*.csv`; of a training,
    `curves.csv`. With many classes, the matrices are `confusion-cells-*.csv`, one line per non-zero
    cell, and the page shows the classes that are most confused and most frequent.

    Args:
        folder: The folder to write to.
        title: Heading of the page.
        facts: Named values shown at the top.
        evaluation: Predictions with their truth.
        extras: Optional content.

    Returns:
        The page.
    """
    extras = extras or Extras()
    metrics = evaluation.metrics()
    groups = {level: _groups(evaluation, level, extras) for level in evaluation.levels}
    mistakes = {level: ShownMistakes.of(predicted) for level, predicted in evaluation.levels.items()}
    pictures = _pictures(evaluation, mistakes, extras.pictures)
    training = extras.training
    page = render(
        "report.html",
        title=title,
        facts=facts,
        metrics=metrics,
        levels=[
            level_section(evaluation, level, groups[level], mistakes[level], pictures) for level in evaluation.levels
        ],
        titles=LEVEL_TITLES,
        failed=evaluation.failed,
        training=training,
        curves=Markup(plots.curves(training.history, training.best_epoch)) if training and training.history else "",
        against=_compared(extras.against) if extras.against else None,
        helpful=expected_gain(extras.gaps, evaluation).to_dict("records") if extras.gaps else [],
        added=ADDED,
        sure=SURE,
        extras=extras,
    )
    _write_files(folder, evaluation, groups, training)
    document = metrics.model_dump(mode="json", by_alias=True)
    document["groups"] = {str(level): table.to_dict("records") for level, table in groups.items()}
    (folder / "metrics.json").write_text(as_json(document))
    index = folder / "index.html"
    index.write_text(page)
    return index


def _write_files(
    folder: Location, evaluation: Evaluation, groups: dict[Level, pd.DataFrame], training: Training | None
) -> None:
    for level, predicted in evaluation.levels.items():
        (folder / f"per-class-{level}.csv").write_text(per_class(predicted).to_csv(index=False))
        if len(classes_of(predicted)) > _MATRIX_CLASSES:
            (folder / f"confusion-cells-{level}.csv").write_text(confusion_cells(predicted).to_csv(index=False))
        else:
            matrix = confusions(predicted)
            (folder / f"confusion-{level}.csv").write_text(matrix.to_csv())
            (folder / f"confusion-normalised-{level}.csv").write_text(normalised(matrix).round(4).to_csv())
        (folder / f"confusions-{level}.csv").write_text(most_frequent_confusions(predicted).to_csv(index=False))
    table = pd.concat([t.assign(level=str(level)) for level, t in groups.items()])
    (folder / "groups.csv").write_text(table.to_csv(index=False))
    write_parquet(folder / ITEMS, pa.Table.from_pandas(evaluation.table(), preserve_index=False))
    if training and training.history:
        (folder / "curves.csv").write_text(pd.DataFrame(list(training.history)).to_csv(index=False))


def _groups(evaluation: Evaluation, level: Level, extras: Extras) -> pd.DataFrame:
    """Metrics of groups of items: kind, group, classes, items, accuracy, macro_f1."""
    predicted, items = evaluation.levels[level], evaluation.items
    tables = [("by frequency of the class", by_support(predicted))]
    if extras.blur_threshold is not None and "blurScore" in items:
        scores = items["blurScore"].to_numpy(float)
        names = np.select([np.isnan(scores), scores < extras.blur_threshold], ["no image", "blurry"], "sharp").astype(
            object
        )
        blur = by_group(predicted, names)
        if extras.blurred is not None:
            blurred = extras.blurred.levels[level]
            blur = pd.concat([blur, by_group(blurred, np.full(len(blurred), "blurred on purpose", object))])
        tables.append(("by blur", blur))
    if "time" in items:
        tables.append(("by time", by_group(predicted, _periods(items["time"]))))
    return pd.concat([table.assign(kind=kind) for kind, table in tables], ignore_index=True)


def _periods(times: "pd.Series[str]") -> np.ndarray:
    """The year of each item's time, object [N]; None without one."""
    years = times.astype(str).str.extract(r"^\s*(\d{4})", expand=False)
    return years.where(years.notna(), None).to_numpy(object)


def _pictures(
    evaluation: Evaluation, mistakes: Mapping[Level, ShownMistakes], pictures: Pictures | None
) -> dict[str, str]:
    if pictures is None or "imageRef" not in evaluation.items:
        return {}
    shown = np.unique(np.concatenate([chosen.all for chosen in mistakes.values()]))
    return pictures.of(evaluation.items["imageRef"].iloc[shown].tolist())


def _compared(against: Comparison) -> dict[str, object]:
    levels = []
    for level, evaluated in against.evaluated.levels.items():
        other = against.other.levels[level]
        levels.append(
            {
                "title": LEVEL_TITLES[level],
                "own": level_metrics(evaluated),
                "other": level_metrics(other),
                "difference": difference(evaluated, other),
                "classes": classes_that_differ(evaluated, other).head(_DIFFERING_CLASSES).to_dict("records"),
            }
        )
    return {"name": against.name, "levels": levels}
