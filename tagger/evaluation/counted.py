"""Selects the labelled items for an evaluation; each item is counted, or left out for one reason."""

from collections.abc import Container
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from pydantic.alias_generators import to_camel

from tagger.schemas.tables.prediction import Decision


@dataclass(frozen=True)
class Counted:
    """Number of labelled items, and of those counted or left out; these add up to `labelled`."""

    labelled: int
    counted: int
    trained_on: int
    """Left out because the model was trained on them."""
    unknown_leaves: int
    """Left out because the model does not know their leaf: no prediction could be right."""
    failed: int
    """Left out because their image could not be tagged."""
    not_in_run: int

    def in_words(self) -> str:
        """What was left out and why, in a line; empty if nothing was."""
        reasons = {
            "trained the model (--include-trained counts them)": self.trained_on,
            "of leaves that the model does not know": self.unknown_leaves,
            "failed": self.failed,
            "not in the run": self.not_in_run,
        }
        return ", ".join(f"{items:,} {reason}" for reason, items in reasons.items() if items)

    def document(self) -> dict[str, int]:
        """The same as JSON, in camelCase."""
        return {to_camel(name): items for name, items in asdict(self).items()}


def sort_out(
    labels: pd.DataFrame,
    predictions: pd.DataFrame,
    known: Container[tuple[str, str]] | None,
    trained_on: set[str],
) -> tuple[pd.DataFrame, Counted]:
    """Join labels with predictions; keep the items that count, and count the others by reason.

    Args:
        labels: id, masterCategory, articleType, and any other columns; one row per item.
        predictions: id, decision, and both labels again.
        known: The leaves of the model; None if unknown, then all count.
        trained_on: The ids that it was trained on.

    Returns:
        The rows that count, with labels named `…_true`; and the counts.
    """
    joined = labels.merge(predictions, on="id", suffixes=("_true", ""))
    pairs = zip(joined["masterCategory_true"], joined["articleType_true"], strict=True)
    trained = joined["id"].isin(trained_on).to_numpy(bool)
    unknown = ~trained & np.array([known is not None and pair not in known for pair in pairs], bool)
    failed = ~trained & ~unknown & (joined["decision"] == Decision.FAILED).to_numpy(bool)
    counts = joined[~trained & ~unknown & ~failed].reset_index(drop=True)
    return counts, Counted(
        labelled=len(labels),
        counted=len(counts),
        trained_on=int(trained.sum()),
        unknown_leaves=int(unknown.sum()),
        failed=int(failed.sum()),
        not_in_run=len(labels) - len(joined),
    )
