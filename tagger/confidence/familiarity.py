"""Chooses the familiarity below which images are unfamiliar, and says what that finds."""

import numpy as np
from sklearn.metrics import roc_auc_score

from tagger.confidence.neighbours import Scored
from tagger.confidence.thresholds import USUAL
from tagger.models.familiarity import Familiarity
from tagger.schemas.documents import bundle as documents

_FOUND = 0.8
"""Share of the items of leaves that were left out, of those whose tag would be accepted, that is to be found."""
_LEAST, _MOST, _USUAL_SHARE = 0.02, 0.1, 0.02
"""Share of the items of learnt leaves that may be called unfamiliar for that; and where nothing was left out."""
_ENOUGH = 20


def in_words(about: documents.Familiarity) -> str:
    """How well unfamiliar images are found, in a sentence."""
    text = f"An image is unfamiliar below {about.below:.3f}: so is that share of the items of learnt types"
    if about.found is None or about.found_unseen is None:
        return f"{text}; nothing was left out to see what that finds"
    return (
        f"{text}, and {about.found:.0%} of {about.left_out:,} items of types that were left out; of types that it has "
        f"never seen, {about.found_unseen:.0%} would be"
    )


def familiarity_card(familiarity: Familiarity, scored: Scored, confidence: np.ndarray) -> documents.Familiarity:
    """The part of the card that says which images are unfamiliar.

    Args:
        familiarity: What scores them.
        scored: Scores of images that it was not fitted to.
        confidence: Of the article types that the model says of the items that were left out, [M].
    """
    shares, unseen = (familiarity.shares(scores) for scores in (scored.strangers, scored.unseen))
    sure = shares[confidence >= USUAL]
    below = _USUAL_SHARE
    if len(sure) >= _ENOUGH:
        below = float(np.clip(np.quantile(sure.astype(np.float64), _FOUND), _LEAST, _MOST))
    measured = {}
    if len(shares):
        is_stranger = np.arange(len(scored.known) + len(shares)) >= len(scored.known)
        measured = {
            "found": float((shares < below).mean()),
            "auroc": float(roc_auc_score(is_stranger, np.concatenate([scored.known, scored.strangers]))),
            "found_unseen": float((unseen < below).mean()),
            "auroc_unseen": float(roc_auc_score(is_stranger, np.concatenate([scored.known, scored.unseen]))),
        }
    return documents.Familiarity(
        digest=familiarity.digest, below=below, held_out=len(scored.known),
        left_out=len(shares), **measured,
    )  # fmt: skip
