"""How far an engine agrees with float32 PyTorch in what matters: the tags that are accepted without a person.

A tag that a model is hardly sure of goes to a person whatever the engine. There the most probable classes are nearly
equally probable, and the last digits of an engine decide. So these images do not count. Nor does it count that a
confidence near a threshold falls on its other side: it is no other tag, and happens in both directions, unless an
engine moves the confidences, which is limited apart.
"""

from typing import NamedTuple

import numpy as np

from tagger.confidence.thresholds import Thresholds, decide
from tagger.models.levels import Levels, softmax
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.run import EngineCheck
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision, Evidence

GOOD_AGREEMENT, POOR_AGREEMENT = 0.995, 0.99
"""Shares of the compared images with the same tags. An engine is refused when its interval lies below the first,
and taken when it lies above the second. With one limit, chance would decide on every engine near it."""
_PROBABILITY = 0.99
"""Coverage of the interval; it is looked at after every piece of the sample, so that 95% would err too often."""
_SURE = 2 / 3
"""Confidence of a tag that may be accepted: it is twice as probable as all others. At 0.5, two classes may be equal."""
_MAX_SHIFT = 0.005
"""Mean difference of the confidence on sure images, which would move what is accepted and how much of it is right."""
_MIN_SAME_LEAF = 0.9
"""Share of all images with the same most probable leaf, for a model that is sure of nothing."""
_NEAR_TIES = 1  # among a few images, one near tie proves nothing


def compare(card: ModelCard, name: str, reference: np.ndarray, logits: np.ndarray) -> EngineCheck:
    """Compare an engine with the reference on the same images.

    Compared are the tags of which the bundle's policy accepts one. Without a policy, or where it accepts nothing, they
    are the most probable classes of which one of both is sure.

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
    levels = Levels(card.taxonomy, card.calibration.curves)
    expected, actual = (_tags(levels, softmax(each, card.calibration.temperature)) for each in (reference, logits))
    is_sure = np.maximum(expected.confidence, actual.confidence) >= _SURE
    is_compared, same_decisions = is_sure, 1.0
    if card.policy:
        accepted = [_accepted(card, levels, tags) for tags in (expected, actual)]
        by_policy = (accepted[0] >= 0) | (accepted[1] >= 0)
        if by_policy.any():
            is_compared = by_policy
            same_decisions = float((accepted[0] == accepted[1]).all(axis=0)[by_policy.any(axis=0)].mean())
    counted = is_compared.any(axis=0)
    differs = ((expected.classes != actual.classes) & is_compared).any(axis=0)
    shifts = (actual.confidence - expected.confidence)[1][is_sure[1]]
    return EngineCheck(
        engine=name,
        images=len(reference),
        sure_images=int(counted.sum()),
        agreement=1 - int(differs.sum()) / int(counted.sum()) if counted.any() else 1.0,
        same_decisions=same_decisions,
        same_leaf=float((reference.argmax(axis=1) == logits.argmax(axis=1)).mean()),
        confidence_shift=float(shifts.mean()) if len(shifts) else 0.0,
        largest_difference=float(np.abs(reference - logits).max()),
    )


def agrees(check: EngineCheck) -> bool:
    """Whether an engine may replace float32 PyTorch, by the images so far.

    Where the interval says neither yes nor no, the middle of the two limits decides.
    """
    if not _is_alike(check):
        return False
    verdict = _verdict(check)
    if verdict is not None:
        return verdict
    middle = (GOOD_AGREEMENT + POOR_AGREEMENT) / 2
    return _differing(check) <= max(_NEAR_TIES, int((1 - middle) * check.sure_images))


def is_certain(check: EngineCheck) -> bool:
    """Whether more images would hardly change whether an engine agrees: the interval of its agreement says the same."""
    return not check.sure_images or not _is_alike(check) or _verdict(check) is not None


def reason(check: EngineCheck) -> str:
    """Why an engine is not used. The text continues a sentence that begins with the engine's name."""
    if check.same_leaf < _MIN_SAME_LEAF:
        return f"finds the most probable class of float32 PyTorch on {check.same_leaf:.2%} of {check.images:,} images"
    if abs(check.confidence_shift) > _MAX_SHIFT:
        return f"moves the confidences by {check.confidence_shift:+.2%} on {check.sure_images:,} images"
    share_of = f"{check.agreement:.2%} of {check.sure_images:,} images"
    return f"agrees with float32 PyTorch on {share_of}, {GOOD_AGREEMENT:.1%} is required"


class _Tags(NamedTuple):
    """Classes and confidences of both levels, [2, N] each; master categories first."""

    classes: np.ndarray
    confidence: np.ndarray


def _tags(levels: Levels, probabilities: np.ndarray) -> _Tags:
    master, master_confidence, article, confidence = levels.choose(probabilities)
    return _Tags(np.stack([master, article]), np.stack([master_confidence, confidence]))


def _accepted(card: ModelCard, levels: Levels, tags: _Tags) -> np.ndarray:
    """The classes that the bundle's policy accepts of both levels, int [2, N]; -1 where it accepts none."""
    thresholds = Thresholds.of_bundle(card, Evidence.IMAGE)
    names = {Level.MASTER_CATEGORY: levels.masters, Level.ARTICLE_TYPE: levels.types}
    needed = {
        level: thresholds.needed(level, of_level)[classes]
        for (level, of_level), classes in zip(names.items(), tags.classes, strict=True)
    }
    decisions = decide(needed, dict(zip(names, tags.confidence, strict=True)), np.zeros(tags.classes.shape[1], bool))
    is_accepted = [decisions != str(Decision.REVIEW), decisions == str(Decision.ACCEPT)]
    return np.where(is_accepted, tags.classes, -1)


def _verdict(check: EngineCheck) -> bool | None:
    """Whether the interval of the agreement lies above or below a limit; None where it does neither."""
    if not check.sure_images:
        return None
    from tagger.evaluation.intervals import share  # a tagging worker needs no SciPy

    interval = share(check.sure_images - _differing(check), check.sure_images, _PROBABILITY)
    if interval.high is not None and interval.high < GOOD_AGREEMENT and _differing(check) > _NEAR_TIES:
        return False
    return True if interval.low is not None and interval.low >= POOR_AGREEMENT else None


def _differing(check: EngineCheck) -> int:
    return round((1 - check.agreement) * check.sure_images)


def _is_alike(check: EngineCheck) -> bool:
    return check.same_leaf >= _MIN_SAME_LEAF and abs(check.confidence_shift) <= _MAX_SHIFT
