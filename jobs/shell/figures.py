"""Figures as people read them."""

import math


def percent(share: float | None, decimals: int = 1) -> str:
    """A share as people read it: `68.9%`; empty where there is none."""
    return "" if share is None or math.isnan(share) else f"{100 * share:.{decimals}f}%"
