"""How far an engine agrees with float32 PyTorch in what matters: the tags that may be accepted.

A tag that a model is hardly sure of goes to a person whatever the engine. There the most probable classes are nearly
equally probable, and the last digits of an engine decide. So these images do not count.
"""

from typing import NamedTuple

import numpy as np

from tagger.models.levels import Levels, softmax
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.run import EngineCheck

MIN_AGREEMENT = 0.995
"""Share of the sure images with the same tags."""
_SURE = 2 / 3
"""Confidence of a tag that may be accepted: it is twice as probable as all others. At 0.5, two classes may be equal."""
_MAX_SHIFT = 0.005
"""Mean difference of the confidence on sure images, which would move what is accepted and how much of it is right."""
_MIN_SAME_LEAF = 0.9
"""Share of all images with the same most probable leaf, for a model that is sure of nothing."""
_NEAR_TIES = 1  # among a few images, one near tie proves nothing


def compare(card: ModelCard, name: str, reference: np.ndarray, logits: np.ndarray) -> EngineCheck:
    """Compare an engine with the reference on the same images.

    Args:
        card: The model's card.
        name: The engine's.
        reference: Leaf logits of float32 PyTorch, float32 [N, L].
        logits: Leaf logits of the engine, float32 [N, L].
    """
    if not len(reference):
        return EngineCheck(engine=name)
    if not np.isfinite(logits).all():
        return EngineCheck(engine=name, images=len(reference), agreement=0.0, same_leaf=0.0, largest_difference=None)
    expected, actual = (_tags(card, outputs) for outputs in (reference, logits))
    is_sure = np.maximum(expected.confidence, actual.confidence) >= _SURE
    sure = is_sure.any(axis=0)
    differing = int(((expected.classes != actual.classes) & is_sure).any(axis=0).sum())
    shifts = (actual.confidence - expected.confidence)[1][is_sure[1]]
    return EngineCheck(
        engine=name,
        images=len(reference),
        sure_images=int(sure.sum()),
        agreement=1 - differing / sure.sum() if sure.any() else 1.0,
        same_leaf=float((reference.argmax(axis=1) == logits.argmax(axis=1)).mean()),
        confidence_shift=float(shifts.mean()) if len(shifts) else 0.0,
        largest_difference=float(np.abs(reference - logits).max()),
    )


def agrees(check: EngineCheck) -> bool:
    """Whether an engine may replace float32 PyTorch, by the images so far."""
    allowed = max(_NEAR_TIES, int((1 - MIN_AGREEMENT) * check.sure_images))
    return _differing(check) <= allowed and _is_alike(check)


def is_certain(check: EngineCheck) -> bool:
    """Whether more images would hardly change whether an engine agrees: the interval of its agreement says the same."""
    if not check.sure_images or not _is_alike(check):
        return True
    from tagger.evaluation.intervals import share  # a tagging worker needs no SciPy

    interval = share(check.sure_images - _differing(check), check.sure_images)
    return interval.low is None or interval.high is None or not interval.low < MIN_AGREEMENT <= interval.high


def reason(check: EngineCheck) -> str:
    """Why an engine is not used. The text continues a sentence that begins with the engine's name."""
    if check.same_leaf < _MIN_SAME_LEAF:
        return f"finds the most probable class of float32 PyTorch on {check.same_leaf:.2%} of {check.images:,} images"
    if abs(check.confidence_shift) > _MAX_SHIFT:
        return f"moves the confidences by {check.confidence_shift:+.2%} on {check.sure_images:,} images"
    share_of = f"{check.agreement:.2%} of {check.sure_images:,} images"
    return f"agrees with float32 PyTorch on {share_of}, {MIN_AGREEMENT:.1%} is required"


class _Tags(NamedTuple):
    """Classes and confidences of both levels, [2, N] each."""

    classes: np.ndarray
    confidence: np.ndarray


def _tags(card: ModelCard, logits: np.ndarray) -> _Tags:
    levels = Levels(card.taxonomy, card.calibration.curves)
    master, master_confidence, article, confidence = levels.choose(softmax(logits, card.calibration.temperature))
    return _Tags(np.stack([master, article]), np.stack([master_confidence, confidence]))


def _differing(check: EngineCheck) -> int:
    return round((1 - check.agreement) * check.sure_images)


def _is_alike(check: EngineCheck) -> bool:
    return check.same_leaf >= _MIN_SAME_LEAF and abs(check.confidence_shift) <= _MAX_SHIFT
