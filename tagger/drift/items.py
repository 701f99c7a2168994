"""Which items an alarm is about."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from tagger.drift.judge import Judged
from tagger.drift.sample import Sample
from tagger.evaluation.type_shares import TypeShare, type_shares
from tagger.schemas.documents.drift import Statistic

_MOST_TYPES = 3


@dataclass(frozen=True)
class AlarmItems:
    """The items of one alarm, those first that say most."""

    statistic: Statistic
    ids: list[str]
    types: list[str]
    values: list[float]
    """What is unusual of each: its confidence, blur score, likeness and so on."""


def items_of(night: Sample, reference: Sample, judged: Judged) -> list[AlarmItems]:
    """The items of the alarms that are about some; a night's failed items are in its report."""
    return [
        of_alarm
        for finding in judged.alarms
        if (of_alarm := _items(finding.statistic, night, reference, judged)) and of_alarm.ids
    ]


def shares_of(night: Sample, reference: Sample) -> list[TypeShare]:
    """The predicted types of both, those first whose share has changed most."""
    return type_shares(Counter(night.types.tolist()), Counter(reference.types.tolist()))


def _items(statistic: Statistic, night: Sample, reference: Sample, judged: Judged) -> AlarmItems | None:
    if statistic is Statistic.LABELS:
        more = [of.name for of in shares_of(night, reference) if of.share > of.before][:_MOST_TYPES]
        return _chosen(statistic, night, np.isin(night.types, more), -night.confidence)
    scores = {
        Statistic.CONFIDENCE: night.confidence,
        Statistic.EXPECTED_ACCURACY: night.confidence,
        Statistic.BLUR: night.blur,
        Statistic.BRIGHTNESS: night.brightness,
        Statistic.SIZE: night.pixels,
        Statistic.LIKENESS: np.array([judged.likeness.get(item, np.nan) for item in night.ids.tolist()]),
    }
    if statistic not in scores:
        return None
    values = scores[statistic]
    limit = judged.limits.get(Statistic.CONFIDENCE if statistic is Statistic.EXPECTED_ACCURACY else statistic)
    if limit is None:
        return None
    beyond = values <= limit.value if limit.is_low else values > limit.value
    return _chosen(statistic, night, beyond, values if limit.is_low else -values)


def _chosen(statistic: Statistic, night: Sample, chosen: np.ndarray, order: np.ndarray) -> AlarmItems:
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(order[rows], kind="stable")]
    return AlarmItems(statistic, night.ids[rows].tolist(), night.types[rows].tolist(), np.abs(order[rows]).tolist())
