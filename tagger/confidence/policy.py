"""What is applied without a person, and what goes to review."""

from collections.abc import Mapping

import numpy as np

from schemas.prediction import Decision
from schemas.taxonomy import Level


def decide(
    accept_above: Mapping[Level, float], master_confidence: np.ndarray, type_confidence: np.ndarray, doubted: np.ndarray
) -> np.ndarray:
    """Return the decision for every item.

    An item whose two levels reach their thresholds is accepted; where only the master category does, that alone
    is; everything else, and whatever there is another reason to doubt, goes to review.

    Args:
        accept_above: Threshold of each level, 0 to 1.
        master_confidence: [N].
        type_confidence: [N].
        doubted: Items with a review reason other than their confidence, bool [N].

    Returns:
        Decision names, object [N].
    """
    master = master_confidence >= accept_above[Level.MASTER_CATEGORY]
    both = master & (type_confidence >= accept_above[Level.ARTICLE_TYPE])
    return np.select(
        [~doubted & both, ~doubted & master],
        [str(Decision.ACCEPT), str(Decision.ACCEPT_MASTER_ONLY)],
        str(Decision.REVIEW),
    ).astype(object)
