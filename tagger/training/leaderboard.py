"""The leaderboard of a search."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tagger.training.progress import Trial

FIGURES = ("val_accuracy", "val_macro_f1", "val_master_accuracy", "val_loss")


def leaderboard(trials: Sequence[Trial], varied: Sequence[str]) -> pd.DataFrame:
    """One row per trial: rank, its settings, FIGURES of its best epoch, epochs_run, seconds and error.

    Args:
        trials: The best first.
        varied: Names of the settings that differ between trials.
    """
    rows = [
        {
            "rank": rank,
            **{name: trial.settings[name] for name in varied},
            **{name: trial.best.get(name) for name in FIGURES},
            "epochs_run": len(trial.history),
            "seconds": sum(epoch["seconds"] for epoch in trial.history),
            "error": trial.error,
        }
        for rank, trial in enumerate(trials, 1)
    ]
    return pd.DataFrame(rows)


def best_so_far(trials: Sequence[Trial]) -> str:
    """The best val accuracy so far, in words; empty if there is none yet."""
    best = max(trials, key=lambda trial: trial.score, default=None)
    if best is None or not best.best:
        return ""
    return f"best val accuracy {100 * best.best['val_accuracy']:.2f}% with {in_words(best.settings)}"


def in_words(settings: Mapping[str, Any]) -> str:
    """Settings in a line, such as `lr 0.001, optimiser sgd`."""
    return ", ".join(f"{n} {v:.3g}" if isinstance(v, float) else f"{n} {v}" for n, v in settings.items())
