"""Plots for the report, as inline SVG."""

import html
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tagger.evaluation.intervals import FEW

_ACCENT, _SECOND, _GREY = "#2563eb", "#ea580c", "#64748b"


_CURVES = {
    "loss": ("train_loss", "val_loss"),
    "accuracy": ("train_accuracy", "val_accuracy"),
    "val metrics": ("val_macro_f1", "val_master_accuracy"),
}
_CELLS_WITH_NUMBERS = 100
_TRIALS = 40


def curves(history: Sequence[dict[str, float]], best_epoch: int) -> str:
    """Loss and metrics of training and validation over epochs, the best epoch marked."""
    table = pd.DataFrame(list(history))
    epochs = table["epoch"] + 1
    shown = {title: [n for n in names if n in table] for title, names in _CURVES.items()}
    shown = {title: names for title, names in shown.items() if names}
    figure = Figure(figsize=(4.6 * len(shown), 3.4), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
        for name, colour in zip(names, (_SECOND, _ACCENT), strict=False):
            axes.plot(epochs, table[name], ".-", color=colour, label=name.replace("_", " "))
        axes.axvline(best_epoch + 1, color=_GREY, linestyle=":", label="best epoch")
        axes.set(xlabel="epoch", title=title)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.legend(framealpha=0)
    return _svg(figure, "Loss and metrics by epoch", themed=True)


def search(trials: Sequence[tuple[str, Sequence[dict[str, float]]]], monitor: str) -> str:
    """Learning curves of trials on val, the best in colour, and the best score of each.

    Args:
        trials: Label and history of each, the best first.
        monitor: The metric to rank them by.
    """
    shown = trials[:_TRIALS]
    figure = Figure(figsize=(13, max(3.6, 0.8 + 0.24 * len(shown))), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    for rank, (_, history) in reversed(list(enumerate(trials))):
        table = pd.DataFrame(list(history))
        style: dict[str, Any] = {"color": _ACCENT, "zorder": 3} if rank == 0 else {"color": _GREY, "alpha": 0.4}
        left.plot(table["epoch"] + 1, table[f"val_{monitor}"], ".-", **style)
    left.set(xlabel="epoch", ylabel=f"val {monitor}", title="all trials, the best in blue")
    left.xaxis.get_major_locator().set_params(integer=True)
    left.grid(alpha=0.25)
    best = [max(history, key=lambda e: e["score"])[f"val_{monitor}"] for _, history in shown]
    right.barh(range(len(shown)), best, color=[_ACCENT] + [_SECOND] * (len(shown) - 1))
    right.set_yticks(range(len(shown)), [label for label, _ in shown], fontsize=7)
    right.invert_yaxis()
    right.set(xlabel=f"val {monitor}, best epoch")
    for row, value in enumerate(best):
        right.text(value, row, f" {value:.4f}", va="center", fontsize=7)
    return _svg(figure, f"Trials by val {monitor}")


def confusion(matrix: pd.DataFrame, title: str, shares: bool) -> str:
    """A confusion matrix; non-zero cells off the diagonal show their values, so that no legend is needed.

    Args:
        matrix: Rows are the truth, columns the prediction: shares of the row, or numbers of items.
        title: Of the plot.
        shares: Which of the two.
    """
    values = matrix.to_numpy(float)
    largest = 1.0 if shares else max(1.0, float(values.max(initial=0)))
    size = len(matrix)
    side = min(22.0, max(4.5, 1.5 + 0.24 * size))
    figure = Figure(figsize=(side + 1.5, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(np.sqrt(values / largest), cmap="Blues", vmin=0, vmax=1)  # makes small shares visible
    font = 9 if size <= 20 else 7
    axes.set_xticks(range(size), list(matrix.columns), rotation=90, fontsize=font)
    axes.set_yticks(range(size), list(matrix.index), fontsize=font)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)  # a class may be named $5
    axes.set(xlabel="predicted", ylabel="true", title=title)
    if size <= _CELLS_WITH_NUMBERS:
        least = 0.005 if shares else 1
        for row, column in np.argwhere(values >= least):
            value = values[row, column]
            text = f"{100 * value:.0f}" if shares else f"{value:.0f}"
            colour = "white" if value > 0.3 * largest else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=7 if size <= 20 else 5.5, color=colour)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, label="% of the true class" if shares else "items")
    marks = np.array([0, 0.01, 0.05, 0.1, 0.25, 0.5, 1])
    bar.set_ticks(np.sqrt(marks).tolist(), labels=[f"{100 * m if shares else m * largest:.0f}" for m in marks])
    return _svg(figure, title)


def reliability_diagram(table: pd.DataFrame, title: str) -> str:
    """Accuracy against confidence by bin, with 95% intervals; on the diagonal, confidences are calibrated.

    Args:
        table: Columns confidence, accuracy, low, high and items, as of `reliability_by_rank`. A bin of few items is
            grey.
        title: Above the plot.
    """
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
    for few, colour in ((True, _GREY), (False, _ACCENT)):
        bins = table[(table["items"] < FEW) == few]
        accuracy = bins["accuracy"].to_numpy(float)
        below, above = accuracy - bins["low"].to_numpy(float), bins["high"].to_numpy(float) - accuracy
        ends = np.clip([below, above], 0, None)  # rounding may put an end a hair on the wrong side
        axes.errorbar(bins["confidence"].to_numpy(float), accuracy, yerr=ends, fmt="o", color=colour, capsize=3)
    lowest = float(table[["low", "confidence"]].to_numpy(float).min(initial=1.0))
    start = min(0.9, float(np.floor(10 * lowest) / 10))
    axes.set(xlabel="confidence", ylabel="share that is right", title=title, xlim=(start, 1.01), ylim=(start, 1.01))
    axes.grid(alpha=0.25)
    return _svg(figure, title, themed=True)


def coverage_curves(curves: Mapping[str, pd.DataFrame], marks: Mapping[str, tuple[float, float]], title: str) -> str:
    """Precision against coverage, with the policy's point on each curve.

    Args:
        curves: Columns coverage and precision, by level.
        marks: Coverage and precision of the policy, by level.
        title: Above the plot.
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for (name, curve), colour in zip(curves.items(), (_ACCENT, _SECOND), strict=False):
        axes.plot(curve["coverage"], curve["precision"], color=colour, label=name)
        if name in marks:
            axes.plot(*marks[name], "o", color=colour, markersize=8)
    lowest = min((float(c["precision"].iloc[-1]) for c in curves.values() if len(c)), default=0.5)
    axes.set(xlabel="coverage", ylabel="precision of what is accepted", title=title)
    axes.set(xlim=(0, 1.01), ylim=(max(0.0, lowest - 0.03), 1.005))
    axes.legend(loc="lower left")
    axes.grid(alpha=0.25)
    return _svg(figure, title)


def _svg(figure: Figure, title: str, themed: bool = False) -> str:
    """A figure as SVG; text stays text, so that the reader's fonts show any script.

    Args:
        figure: The figure.
        title: Its name for screen readers.
        themed: Lines and text have the colour of the text around it, and it has no background.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=themed)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    if themed:
        text = text.replace("#000000", "currentColor")
    name = html.escape(title)
    start, _, rest = text.partition(">")
    return f'{start} role="img" aria-label="{name}">\n <title>{name}</title>{rest}'
