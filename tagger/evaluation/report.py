"""The report that a person opens, and the same facts as CSV and JSON beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
import numpy as np
from markupsafe import Markup

from schemas.bundle import LeftOut
from schemas.taxonomy import Level
from tagger.evaluation import plots
from tagger.evaluation.metrics import Evaluation, Predicted, confusions, per_class, reliability
from tagger.storage import Location

_TOP_CONFUSIONS = 20
LEVEL_TITLES = {Level.MASTER_CATEGORY: "Master category", Level.ARTICLE_TYPE: "Article type"}


@dataclass(frozen=True)
class Training:
    """What a report of a training has besides an evaluation."""

    history: Sequence[dict[str, float]]
    best_epoch: int
    left_out: Sequence[LeftOut]


def write_report(
    folder: Location, title: str, facts: dict[str, object], evaluation: Evaluation, training: Training | None = None
) -> Location:
    """Write `index.html` (self-contained), `metrics.json`, and per level `per-class-*.csv` and `confusion-*.csv`.

    Args:
        folder: Where to.
        title: Heading of the page.
        facts: Named values shown at the top.
        evaluation: Predictions with their truth.
        training: Adds the learning curves and the leaves that were left out.

    Returns:
        The page.
    """
    metrics = evaluation.metrics()
    levels = [_level(level, predicted) for level, predicted in evaluation.levels.items()]
    page = (
        _environment()
        .get_template("report.html")
        .render(
            title=title,
            facts=facts,
            metrics=metrics,
            levels=levels,
            titles=LEVEL_TITLES,
            failed=evaluation.failed,
            training=training,
            curves=Markup(plots.curves(training.history, training.best_epoch))
            if training and training.history
            else None,
        )
    )
    (folder / "metrics.json").write_text(metrics.model_dump_json(by_alias=True, indent=2))
    for level, predicted in evaluation.levels.items():
        (folder / f"per-class-{level}.csv").write_text(per_class(predicted).to_csv(index=False))
        (folder / f"confusion-{level}.csv").write_text(confusions(predicted).to_csv())
    index = folder / "index.html"
    index.write_text(page)
    return index


def _level(level: Level, predicted: Predicted) -> dict[str, object]:
    title = LEVEL_TITLES[level]
    table = per_class(predicted)
    matrix = confusions(predicted)
    bins = reliability(predicted.confidence, predicted.truth == predicted.predicted)
    return {
        "level": level,
        "title": title,
        "classes": table.to_dict("records"),
        "confusions": _most_frequent(predicted),
        "matrix": Markup(plots.confusion(matrix, f"{title}: confusion, rows normalised")),
        "reliability": Markup(plots.reliability_diagram(bins, f"{title}: reliability")),
    }


def _most_frequent(predicted: Predicted) -> list[dict[str, object]]:
    matrix = confusions(predicted)
    counts, names = matrix.to_numpy(), list(matrix.index)
    support = counts.sum(axis=1)
    wrong = [(int(counts[t, p]), t, p) for t, p in np.argwhere(counts) if t != p]
    return [
        {"truth": names[t], "predicted": names[p], "items": n, "share": n / support[t]}
        for n, t, p in sorted(wrong, key=lambda w: (-w[0], w[1], w[2]))[:_TOP_CONFUSIONS]
    ]


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tagger.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
