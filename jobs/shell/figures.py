"""Formats numbers for display."""

import math


def percent(share: float | None, decimals: int = 1) -> str:
    """A share as a percentage, such as `68.9%`; empty for None."""
    return "" if share is None or math.isnan(share) else f"{100 * share:.{decimals}f}%"
