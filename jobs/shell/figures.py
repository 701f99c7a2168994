"""Formats numbers for display."""

import math

from tagger.schemas.documents.bundle import LevelMetrics

NO_FIGURE = "–"
"""Stands for a number that there is not."""


def percent(share: float | None, decimals: int = 1) -> str:
    """A share as a percentage, such as `68.9%`; empty for None."""
    return "" if share is None or math.isnan(share) else f"{100 * share:.{decimals}f}%"


def macro_f1(metrics: LevelMetrics, decimals: int = 4) -> str:
    """The macro F1 of a level; a dash where no class has enough items for it."""
    return f"{metrics.macro_f1:.{decimals}f}" if metrics.macro_f1_classes else NO_FIGURE
