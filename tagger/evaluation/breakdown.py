"""Breakdowns of metrics: confusions, groups of items, and two models compared."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from tagger.evaluation.metrics import Predicted, per_class

_Z95 = float(norm.ppf(0.975))
_SIGNIFICANT = 0.05


def most_frequent_confusions(p: Predicted) -> pd.DataFrame:
    """Mistakes by truth and prediction, the most frequent first: truth, predicted, items, share of the true class."""
    wrong = pd.DataFrame({"truth": p.truth[~p.right], "predicted": p.predicted[~p.right]})
    confusions = wrong.groupby(["truth", "predicted"]).size().rename("items").reset_index()
    support = pd.Series(p.truth).value_counts()
    confusions["share"] = confusions["items"] / confusions["truth"].map(support).astype(float)
    return confusions.sort_values(["items", "truth", "predicted"], ascending=[False, True, True]).reset_index(drop=True)


def confusion_cells(p: Predicted) -> pd.DataFrame:
    """The non-zero cells of the confusion matrix: truth, predicted, items, share of the true class."""
    table = pd.DataFrame({"truth": p.truth, "predicted": p.predicted})
    cells = table.groupby(["truth", "predicted"]).size().rename("items").reset_index()
    cells["share"] = (cells["items"] / cells.groupby("truth")["items"].transform("sum")).round(4)
    return cells


def confused_pairs(p: Predicted) -> pd.DataFrame:
    """Pairs of classes that are confused, in both directions, the most frequent first: a, b, items, aAsB, bAsA."""
    counts: dict[tuple[str, str], list[int]] = {}
    table = most_frequent_confusions(p)
    for truth, predicted, items in zip(table["truth"], table["predicted"], table["items"], strict=True):
        a, b = sorted((truth, predicted))
        counts.setdefault((a, b), [0, 0])[int(truth != a)] += int(items)
    rows = [{"a": a, "b": b, "items": sum(n), "aAsB": n[0], "bAsA": n[1]} for (a, b), n in counts.items()]
    table = pd.DataFrame(rows, columns=["a", "b", "items", "aAsB", "bAsA"])
    return table.sort_values(["items", "a", "b"], ascending=[False, True, True]).reset_index(drop=True)


def by_support(p: Predicted) -> pd.DataFrame:
    """Metrics of head, middle and tail: the most frequent third of the classes here, and so on.

    The F1 of a class is over all items: any item that is predicted as a rare class counts against it.
    """
    classes = per_class(p)
    classes = classes[classes["support"] > 0]
    rank = np.arange(len(classes)) * 3 // max(1, len(classes))
    third = pd.Series([("head", "middle", "tail")[r] for r in rank], index=classes["class"], dtype=object)
    figures = by_group(p, third.reindex(p.truth).to_numpy(object))
    f1 = classes.set_index("class")["f1"].groupby(third).mean()
    return figures.assign(macro_f1=figures["group"].map(f1).astype(float))


def by_group(p: Predicted, groups: np.ndarray) -> pd.DataFrame:
    """Metrics of groups of items, in the order of their names: group, classes, items, accuracy, macro_f1.

    Args:
        p: The predictions.
        groups: Name of each item's group, object [N]; items without one (None) are left out.
    """
    rows = []
    for name in sorted({g for g in groups if g is not None and g == g}, key=_number_or_name):
        members = p.only(groups == name)
        classes = set(members.truth)
        f1 = per_class(members).set_index("class")["f1"]
        row = {
            "group": str(name),
            "classes": len(classes),
            "items": len(members),
            "accuracy": float(members.right.mean()),
        }
        rows.append({**row, "macro_f1": float(f1[f1.index.isin(classes)].mean())})
    return pd.DataFrame(rows, columns=["group", "classes", "items", "accuracy", "macro_f1"])


@dataclass(frozen=True)
class Difference:
    """Difference of two models on the same items."""

    items: int
    only_first: int
    """Number of items that only the first gets right."""
    only_second: int
    p_value: float
    """P-value of McNemar's exact test that both are right equally often (McNemar 1947)."""
    accuracy: float
    """Accuracy of the first minus that of the second, -1 to 1."""
    lowest: float
    """Lower end of the 95% interval of that difference: adjusted Wald, Bonett and Price 2012."""
    highest: float

    def in_words(self) -> str:
        """Whether the difference is significant, as the end of a sentence."""
        if not self.only_first + self.only_second:
            return "both are right on the same items"
        if self.p_value < _SIGNIFICANT:
            return f"that is more than chance would give (McNemar's exact test, p = {self.p_value:.3g})"
        return f"chance would do as much (McNemar's exact test, p = {self.p_value:.2f})"


def difference(first: Predicted, second: Predicted) -> Difference:
    """Compare two models' predictions of the same items, in the same order."""
    only_first = int((first.right & ~second.right).sum())
    only_second = int((second.right & ~first.right).sum())
    changed = only_first + only_second
    p_value = float(binomtest(only_first, changed).pvalue) if changed else 1.0
    items = len(first)
    one, two = (only_first + 1) / (items + 2), (only_second + 1) / (items + 2)
    reach = _Z95 * np.sqrt((one + two - (one - two) ** 2) / (items + 2))
    accuracy = (only_first - only_second) / max(1, items)
    return Difference(
        items, only_first, only_second, p_value, accuracy, max(-1.0, one - two - reach), min(1.0, one - two + reach)
    )


def classes_that_differ(first: Predicted, second: Predicted) -> pd.DataFrame:
    """Classes by how much their F1 differs between two models on the same items, those that differ most first.

    Returns:
        class, own and other (F1 of the first and the second, 0 to 1), items, change (own minus other).
    """
    f1 = [per_class(p).set_index("class")["f1"] for p in (first, second)]
    table = pd.DataFrame({"own": f1[0], "other": f1[1]}).fillna(0.0)
    table["items"] = pd.Series(first.truth).value_counts().reindex(table.index).fillna(0).astype(int)
    table = table[table["items"] > 0]
    table["change"] = table["own"] - table["other"]
    order = table["change"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].rename_axis("class").reset_index()


def _number_or_name(name: object) -> tuple[int, float, str]:
    text = str(name)
    number = text.replace(".", "", 1).lstrip("-")
    return (0, float(text), text) if number.isdigit() else (1, 0.0, text)
