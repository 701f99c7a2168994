"""P-values from resampling that stops as soon as a statistic is clearly no alarm."""

from collections.abc import Callable

import numpy as np

ENOUGH = 5
"""Resamples as extreme as the night after which a statistic's p-value is known well enough."""
_AT_ONCE = 20
_TOLERANCE = 1e-9


def resamples_for(level: float) -> int:
    """How many resamples can show a p-value at a level, with one of them as extreme as the night."""
    return int(np.ceil(2 / level)) - 1


def p_values(observed: np.ndarray, draw: Callable[[int], np.ndarray], most: int) -> np.ndarray:
    """P-values of S statistics by sequential resampling (Besag and Clifford 1991); float64 [S].

    They are valid however many resamples are drawn: a statistic stops counting with its ENOUGH-th resample that is at
    least as large, as soon as it has that many.

    Args:
        observed: The night's, float64 [S]; larger ones are more extreme.
        draw: Makes so many resamples, float64 [B, S].
        most: Most resamples.
    """
    reached, drawn = np.zeros(len(observed), np.int64), 0
    values = np.full(len(observed), np.nan)
    while np.isnan(values).any() and drawn < most:
        batch = draw(min(_AT_ONCE, most - drawn))
        counts = reached + np.cumsum(batch >= observed - _TOLERANCE, axis=0)
        for s in np.flatnonzero(np.isnan(values) & (counts[-1] >= ENOUGH)):
            values[s] = ENOUGH / (drawn + 1 + int(np.argmax(counts[:, s] >= ENOUGH)))
        reached, drawn = counts[-1], drawn + len(batch)
    return np.where(np.isnan(values), (reached + 1) / (drawn + 1), values)


def holm(values: np.ndarray) -> np.ndarray:
    """P-values adjusted for all S statistics together (Holm 1979): at most a rate means an alarm; float64 [S]."""
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate((len(values) - np.arange(len(values))) * values[order])
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
