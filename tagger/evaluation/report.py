"""Writes the report as a page, and the same data as CSV, Parquet and JSON."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from markupsafe import Markup

from tagger.evaluation import plots
from tagger.evaluation.breakdown import (
    by_group,
    by_support,
    classes_that_differ,
    confused_pairs,
    confusion_cells,
    difference,
    most_frequent_confusions,
)
from tagger.evaluation.metrics import (
    Evaluation,
    Predicted,
    classes_of,
    confusions,
    level_metrics,
    most_confused,
    per_class,
    reliability,
)
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
_PLOTTED_CLASSES, _MATRIX_CLASSES, _LISTED_CLASSES = 150, 500, 1000
"""Most classes in a plot of confusions, in a file with a full matrix, and in the page's table."""
_TOP_CONFUSIONS, _PAIRS, _OF_A_PAIR, _WORST = 20, 8, 4, 24
LEVEL_TITLES = {Level.MASTER_CATEGORY: "Master category", Level.ARTICLE_TYPE: "Article type"}


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
    summary: Markup = field(default_factory=Markup)
    """HTML above the figures."""
    sections: Markup = field(default_factory=Markup)
    """HTML between the figures and the levels."""


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
    pictures = _pictures(evaluation, extras.pictures)
    training = extras.training
    page = render(
        "report.html",
        title=title,
        facts=facts,
        metrics=metrics,
        levels=[_level(evaluation, level, groups[level], pictures) for level in evaluation.levels],
        titles=LEVEL_TITLES,
        failed=evaluation.failed,
        training=training,
        curves=Markup(plots.curves(training.history, training.best_epoch)) if training and training.history else "",
        against=_compared(extras.against) if extras.against else None,
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
            (folder / f"confusion-normalised-{level}.csv").write_text(_normalised(matrix).round(4).to_csv())
        (folder / f"confusions-{level}.csv").write_text(most_frequent_confusions(predicted).to_csv(index=False))
    table = pd.concat([t.assign(level=str(level)) for level, t in groups.items()])
    (folder / "groups.csv").write_text(table.to_csv(index=False))
    write_parquet(folder / ITEMS, pa.Table.from_pandas(evaluation.table(), preserve_index=False))
    if training and training.history:
        (folder / "curves.csv").write_text(pd.DataFrame(list(training.history)).to_csv(index=False))


def _level(evaluation: Evaluation, level: Level, groups: pd.DataFrame, pictures: dict[str, str]) -> dict[str, object]:
    title, predicted = LEVEL_TITLES[level], evaluation.levels[level]
    frequent = most_frequent_confusions(predicted)
    favourite = frequent.drop_duplicates("truth").set_index("truth")["predicted"]
    table = per_class(predicted)
    table["takenFor"] = [favourite.get(name, "") for name in table["class"]]
    plotted = most_confused(predicted, _PLOTTED_CLASSES)
    matrix = confusions(predicted, plotted)
    support = pd.Series(predicted.truth, dtype=object).value_counts().reindex(plotted, fill_value=0)
    order = _similar_together(_normalised(matrix, support))
    matrix = matrix.iloc[order, order]
    classes = len(classes_of(predicted))
    some = f" (the {len(plotted)} of {classes:,} classes that are most confused)" if len(plotted) < classes else ""
    shares = _normalised(matrix, support)
    bins = reliability(predicted.confidence, predicted.right)
    return {
        "level": level,
        "title": title,
        "classes": table.head(_LISTED_CLASSES).to_dict("records"),
        "unlisted": max(0, len(table) - _LISTED_CLASSES),
        "pairs": _pairs(evaluation, level, pictures),
        "confusions": frequent.head(_TOP_CONFUSIONS).to_dict("records"),
        "worst": _worst(evaluation, level, pictures),
        "groups": [
            {"kind": kind, "rows": rows.to_dict("records")} for kind, rows in groups.groupby("kind", sort=False)
        ],
        "matrix": Markup(plots.confusion(shares, f"{title}: share of the true class{some}", shares=True)),
        "counts": Markup(plots.confusion(matrix, f"{title}: items{some}", shares=False)),
        "reliability": Markup(plots.reliability_diagram(bins, f"{title}: reliability")),
    }


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
            blur = pd.concat([blur, by_group(blurred, np.full(len(blurred), "blurred by us", object))])
        tables.append(("by blur", blur))
    if "time" in items:
        tables.append(("by time", by_group(predicted, _periods(items["time"]))))
    return pd.concat([table.assign(kind=kind) for kind, table in tables], ignore_index=True)


def _periods(times: "pd.Series[str]") -> np.ndarray:
    """The year of each item's time, object [N]; None without one."""
    years = times.astype(str).str.extract(r"^\s*(\d{4})", expand=False)
    return years.where(years.notna(), None).to_numpy(object)


def _normalised(matrix: pd.DataFrame, support: "pd.Series[int] | None" = None) -> pd.DataFrame:
    """Shares of the true class; `support` has its items, since the matrix may lack columns."""
    totals = matrix.sum(axis=1) if support is None else support.reindex(matrix.index)
    return matrix.div(totals.clip(lower=1), axis=0)


def _similar_together(normalised: pd.DataFrame) -> np.ndarray:
    """An order of the classes that puts confused ones next to each other."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(normalised) < 3:
        return np.arange(len(normalised))
    shares = normalised.to_numpy(float)
    distance = 1 - np.minimum((shares + shares.T) / 2, 1)
    np.fill_diagonal(distance, 0)
    return np.asarray(leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=True)))


def _mistakes(predicted: Predicted) -> np.ndarray:
    """Indices of the mistakes, the most confident first."""
    wrong = np.flatnonzero(~predicted.right)
    return wrong[np.argsort(-predicted.confidence[wrong], kind="stable")]


def _of_pair(predicted: Predicted, a: str, b: str) -> np.ndarray:
    """Indices of some mistakes between two classes, in both directions, the most confident first."""
    wrong = _mistakes(predicted)
    ways = [wrong[(predicted.truth[wrong] == t) & (predicted.predicted[wrong] == p)] for t, p in ((a, b), (b, a))]
    return np.concatenate([way[:_OF_A_PAIR] for way in ways])


def _shown(evaluation: Evaluation, level: Level) -> np.ndarray:
    """Indices of the items with pictures in a level's section of the page."""
    predicted = evaluation.levels[level]
    pairs = confused_pairs(predicted).head(_PAIRS)
    positions = [_of_pair(predicted, a, b) for a, b in zip(pairs["a"], pairs["b"], strict=True)]
    return np.unique(np.concatenate([*positions, _mistakes(predicted)[:_WORST]]).astype(int))


def _pictures(evaluation: Evaluation, pictures: Pictures | None) -> dict[str, str]:
    if pictures is None or "imageRef" not in evaluation.items:
        return {}
    shown = np.unique(np.concatenate([_shown(evaluation, level) for level in evaluation.levels]))
    return pictures.of(evaluation.items["imageRef"].iloc[shown].tolist())


def _item(evaluation: Evaluation, level: Level, position: int, pictures: dict[str, str]) -> dict[str, object]:
    predicted, known = evaluation.levels[level], evaluation.items
    row = known.iloc[position] if len(known) else pd.Series(dtype=object)
    return {
        "id": row.get("id", ""),
        "picture": pictures.get(str(row.get("imageRef", "")), ""),
        "truth": predicted.truth[position],
        "predicted": predicted.predicted[position],
        "confidence": float(predicted.confidence[position]),
    }


def _pairs(evaluation: Evaluation, level: Level, pictures: dict[str, str]) -> list[dict[Hashable, Any]]:
    predicted = evaluation.levels[level]
    wrong = max(1, int((~predicted.right).sum()))
    pairs = []
    for pair in confused_pairs(predicted).head(_PAIRS).to_dict("records"):
        shown = _of_pair(predicted, pair["a"], pair["b"])
        items = [_item(evaluation, level, int(n), pictures) for n in shown]
        pairs.append({**pair, "share": pair["items"] / wrong, "shown": items})
    return pairs


def _worst(evaluation: Evaluation, level: Level, pictures: dict[str, str]) -> list[dict[str, object]]:
    positions = _mistakes(evaluation.levels[level])[:_WORST]
    return [_item(evaluation, level, int(n), pictures) for n in positions]


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
                "classes": classes_that_differ(evaluated, other).head(_TOP_CONFUSIONS).to_dict("records"),
            }
        )
    return {"name": against.name, "levels": levels}
