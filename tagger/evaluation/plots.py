"""Plots for the report, as SVG text that stands in the page."""

import io
import warnings
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

_ACCENT, _SECOND, _GREY = "#2563eb", "#ea580c", "#64748b"


def curves(history: Sequence[dict[str, float]], best_epoch: int) -> str:
    """Loss and accuracy of training and validation over epochs, the best epoch marked."""
    table = pd.DataFrame(history)
    epochs = table["epoch"] + 1
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, table[f"train_{name}"], "o-", color=_SECOND, label="train")
        axes.plot(epochs, table[f"val_{name}"], "o-", color=_ACCENT, label="val")
        axes.axvline(best_epoch + 1, color=_GREY, linestyle=":", label="best epoch")
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.legend()
    return _svg(figure)


def confusion(matrix: pd.DataFrame, title: str) -> str:
    """A confusion matrix with rows normalised to 1; cells are numbered where there are few classes."""
    counts = matrix.to_numpy(float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(matrix)
    side = min(22.0, max(4.5, 1.5 + 0.24 * size))
    figure = Figure(figsize=(side + 1.5, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    font = 9 if size <= 20 else 7
    axes.set_xticks(range(size), list(matrix.columns), rotation=90, fontsize=font)
    axes.set_yticks(range(size), list(matrix.index), fontsize=font)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)  # a class may be named $5
    axes.set(xlabel="predicted", ylabel="true", title=title)
    if size <= 20:
        for row, column in np.argwhere(shares >= 0.005):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = f"{shares[row, column]:.2f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=axes, shrink=0.6, label="share of the true class")
    return _svg(figure)


def reliability_diagram(table: pd.DataFrame, title: str) -> str:
    """Accuracy against confidence by bin; on the diagonal, confidences are honest."""
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
    area = 20 + 300 * table["items"] / max(1, table["items"].sum())
    axes.scatter(table["confidence"], table["accuracy"], s=area, color=_ACCENT, alpha=0.8)
    axes.plot(table["confidence"], table["accuracy"], color=_ACCENT, alpha=0.4)
    axes.set(xlabel="confidence", ylabel="accuracy", title=title, xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(alpha=0.25)
    return _svg(figure)


def _svg(figure: Figure) -> str:
    """Letters stay letters, so that the reader's fonts show any script, whatever is installed here."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
