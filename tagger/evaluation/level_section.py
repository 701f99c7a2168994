"""What the report's page shows of one level: its classes and mistakes, and what engineers look at."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup

from tagger.evaluation import plots
from tagger.evaluation.breakdown import most_frequent_confusions
from tagger.evaluation.class_table import ShownMistakes, class_rows, pair_in_words
from tagger.evaluation.intervals import reliability_by_rank
from tagger.evaluation.metrics import Evaluation, Predicted, classes_of, confusions, most_confused
from tagger.schemas.documents.taxonomy import Level

LEVEL_TITLES = {Level.MASTER_CATEGORY: "Master category", Level.ARTICLE_TYPE: "Article type"}
_PLOTTED_CLASSES, _LISTED_CLASSES = 150, 1000
"""Most classes in a plot of confusions, and in the page's table."""
_TOP_CONFUSIONS = 20


def level_section(
    evaluation: Evaluation,
    level: Level,
    groups: pd.DataFrame,
    mistakes: ShownMistakes,
    pictures: Mapping[str, str],
) -> dict[str, object]:
    """All that the template shows of a level.

    Args:
        evaluation: Predictions with their truth.
        level: Which of its levels.
        groups: Metrics of groups of items: kind, group, classes, items, accuracy, macro_f1.
        mistakes: Those that are shown.
        pictures: `data:` URLs by image reference.
    """
    predicted = evaluation.levels[level]

    wrong = int((~predicted.right).sum())
    seen: set[str] = set()

    def shown(positions: np.ndarray) -> list[dict[str, object]]:
        """Items with their pictures; one that another item has shown already is left out."""
        items = [_item(evaluation, level, int(n), pictures) for n in positions]
        for item in items:
            if item["picture"] in seen:
                item["picture"] = ""
            seen.add(str(item["picture"]))
        return items

    pairs = [
        {"words": pair_in_words(pair), "items": pair["items"], "share": int(str(pair["items"])) / wrong,
         "shown": shown(positions)}
        for pair, positions in mistakes.pairs
    ]  # fmt: skip
    sure = shown(mistakes.sure)
    rows = class_rows(predicted)
    frequent = most_frequent_confusions(predicted).head(_TOP_CONFUSIONS)
    support = pd.Series(predicted.truth, dtype=object).value_counts()
    return {
        "level": level,
        "title": LEVEL_TITLES[level],
        "items": len(predicted),
        "right": float(predicted.right.mean()) if len(predicted) else None,
        "wrong": wrong,
        "classes": [
            {**row, "shown": shown(mistakes.by_class.get(str(row["name"]), np.zeros(0, int)))}
            for row in rows[:_LISTED_CLASSES]
        ],
        "unlisted": max(0, len(rows) - _LISTED_CLASSES),
        "pairs": pairs,
        "sure": sure,
        "sure_above": mistakes.sure_above,
        "confusions": frequent.assign(support=frequent["truth"].map(support)).to_dict("records"),
        "groups": [
            {"kind": kind, "rows": rows.to_dict("records")} for kind, rows in groups.groupby("kind", sort=False)
        ],
        **_plots(predicted, LEVEL_TITLES[level]),
    }  # fmt: skip


def normalised(matrix: pd.DataFrame, support: "pd.Series[int] | None" = None) -> pd.DataFrame:
    """Shares of the true class; `support` has its items, since the matrix may lack columns."""
    totals = matrix.sum(axis=1) if support is None else support.reindex(matrix.index)
    return matrix.div(totals.clip(lower=1), axis=0)


def _plots(predicted: Predicted, title: str) -> dict[str, Markup]:
    if not len(predicted):
        return dict.fromkeys(("matrix", "counts", "reliability"), Markup())
    plotted = most_confused(predicted, _PLOTTED_CLASSES)
    matrix = confusions(predicted, plotted)
    support = pd.Series(predicted.truth, dtype=object).value_counts().reindex(plotted, fill_value=0)
    order = _similar_together(normalised(matrix, support))
    matrix = matrix.iloc[order, order]
    classes = len(classes_of(predicted))
    some = f" (the {len(plotted)} of {classes:,} classes that are most confused)" if len(plotted) < classes else ""
    shares = normalised(matrix, support)
    bins = reliability_by_rank(predicted.confidence, predicted.right)
    return {
        "matrix": Markup(plots.confusion(shares, f"{title}: share of the true class{some}", shares=True)),
        "counts": Markup(plots.confusion(matrix, f"{title}: items{some}", shares=False)),
        "reliability": Markup(plots.reliability_diagram(bins, f"{title}: right, by confidence")),
    }  # fmt: skip


def _similar_together(shares: pd.DataFrame) -> np.ndarray:
    """An order of the classes that puts confused ones next to each other."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(shares) < 3:
        return np.arange(len(shares))
    values = shares.to_numpy(float)
    distance = 1 - np.minimum((values + values.T) / 2, 1)
    np.fill_diagonal(distance, 0)
    return np.asarray(leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=True)))


def _item(evaluation: Evaluation, level: Level, position: int, pictures: Mapping[str, str]) -> dict[str, object]:
    predicted, known = evaluation.levels[level], evaluation.items
    row = known.iloc[position] if len(known) else pd.Series(dtype=object)
    return {
        "id": row.get("id", ""),
        "picture": pictures.get(str(row.get("imageRef", "")), ""),
        "truth": predicted.truth[position],
        "predicted": predicted.predicted[position],
        "confidence": float(predicted.confidence[position]),
    }
