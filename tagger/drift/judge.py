"""Judges a night: which statistics have changed, at a rate of false alarms that the user names."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import hypergeom

from tagger.drift.conditional import Conditional, Limit, Score, Side
from tagger.drift.label_shift import soft_labels
from tagger.drift.resampling import holm, p_values, resamples_for
from tagger.drift.sample import MOST_ITEMS, Night, Sample
from tagger.drift.vectors import view_of
from tagger.schemas.documents.drift import DriftFinding, Statistic

LEAST_ITEMS, LEAST_REFERENCE = 30, 200
_LEAST_KNOWN = 30


@dataclass(frozen=True)
class Judged:
    """What was found of a night."""

    findings: tuple[DriftFinding, ...]
    expected_accuracy: float | None = None
    """Mean confidence of the night's article types, 0 to 1."""
    accuracy_of_same_mix: float | None = None
    """That of the reference, had its items been of the night's types."""
    limits: dict[Statistic, Limit] = field(default_factory=dict)
    """Of scores, where the night differs most from the reference."""
    likeness: dict[str, float] = field(default_factory=dict)
    """By id, how like others of its type an item of the night looks, as cosine."""
    too_few: frozenset[Statistic] = frozenset()
    """What could not be compared, as the reference has too few items of the night's types."""

    @property
    def alarms(self) -> list[DriftFinding]:
        """What has changed."""
        return [finding for finding in self.findings if finding.is_alarm]

    @property
    def holds(self) -> bool:
        """Whether the tags may be wrong."""
        return any(finding.statistic.holds for finding in self.alarms)


@dataclass(frozen=True)
class _Found:
    statistic: Statistic
    value: float
    p: float
    items: int
    against: int


def judge(night: Night, reference: Night, false_alarms: float, least: float, seed: int = 0) -> Judged:
    """Compare a night with a reference.

    Args:
        night: At least LEAST_ITEMS items whose pictures the reference does not have.
        reference: At least LEAST_REFERENCE.
        false_alarms: Share of nights with an alarm, of whatever statistic, if nothing ever changes.
        least: Smaller changes are no alarm, however certain they are.
        seed: Of the resamples.
    """
    rng = np.random.default_rng(seed)
    new, old = night.sample.drawn(MOST_ITEMS), reference.sample.drawn(MOST_ITEMS)
    most = resamples_for(false_alarms / len(Statistic))
    judged = _Comparison(new, old, rng, most)
    found = [*judged.labels(), *_failed(night, reference), *judged.scores(), *judged.vectors()]
    adjusted = holm(np.array([each.p for each in found]))
    findings = tuple(
        DriftFinding(
            statistic=each.statistic, value=each.value, p=each.p, adjusted_p=float(p),
            is_alarm=bool(p <= false_alarms and each.value >= least), items=each.items, against=each.against,
        )
        for each, p in zip(found, adjusted, strict=True)
    )  # fmt: skip
    return Judged(findings, *judged.accuracy, judged.limits, judged.likeness, frozenset(judged.too_few))


class _Comparison:
    """The statistics of a night."""

    def __init__(self, night: Sample, reference: Sample, rng: np.random.Generator, most: int) -> None:
        self._night, self._reference, self._rng, self._most = night, reference, rng, most
        self.accuracy: tuple[float | None, float | None] = (None, None)
        self.limits: dict[Statistic, Limit] = {}
        self.likeness: dict[str, float] = {}
        self.too_few: set[Statistic] = set()

    def labels(self) -> Iterator[_Found]:
        """The largest change of a type's share, and the distance of Jensen and Shannon of all shares.

        Both sides are drawn anew from the two together (a permutation): the night's types are a hypergeometric draw.
        """
        n, m = len(self._night), len(self._reference)
        names, codes = np.unique(
            np.concatenate([self._night.types, self._reference.types]).astype(str), return_inverse=True
        )
        of_night, both = (np.bincount(part, minlength=len(names)) for part in (codes[:n], codes))

        def drawn(number: int) -> np.ndarray:
            counts = self._rng.multivariate_hypergeometric(both, n, size=number, method="marginals")
            return _label_values(counts, both, n, m)

        observed = _label_values(of_night[None], both, n, m)[0]
        for statistic, value, p in zip(
            (Statistic.LABELS, Statistic.LABEL_MIX), observed, p_values(observed, drawn, self._most), strict=True
        ):
            yield _Found(statistic, float(value), float(p), n, m)

    def scores(self) -> Iterator[_Found]:
        """How sure the model is, and what the pictures are like, of items of the same types."""
        night, reference = self._night, self._reference
        wanted: dict[Statistic, tuple[np.ndarray, np.ndarray, Side]] = {
            Statistic.CONFIDENCE: (night.confidence, reference.confidence, "low"),
            Statistic.BLUR: (night.blur, reference.blur, "low"),
            Statistic.BRIGHTNESS: (night.brightness, reference.brightness, "both"),
            Statistic.SIZE: (night.pixels, reference.pixels, "both"),
        }
        compared = {name: of for name, of in wanted.items() if min(map(_known, of[:2])) >= _LEAST_KNOWN}
        confidence = (night.confidence.astype(float), reference.confidence.astype(float))
        scores = [Score(*of) for of in compared.values()]
        both = Conditional(*soft_labels(night, reference), scores, self._rng, mean=confidence)
        if both.effective < LEAST_REFERENCE:
            self.too_few |= {*compared, Statistic.EXPECTED_ACCURACY}
            return
        self.accuracy = (float(confidence[0].mean()), float(both.weights @ confidence[1]))
        self.limits |= {name: both.limit(number) for number, name in enumerate(compared)}
        names = [*compared, Statistic.EXPECTED_ACCURACY]
        for name, value, p in zip(names, both.observed, both.p_values(self._most), strict=True):
            known = compared[name][:2] if name in compared else confidence
            yield _Found(name, float(value), float(p), *map(_known, known))

    def vectors(self) -> Iterator[_Found]:
        """Whether items look like others of their type, and like the reference; nothing without vectors."""
        view = view_of(self._night, self._reference, self._rng)
        if view is None or min(map(_known, view.likeness)) < _LEAST_KNOWN:
            return
        self.likeness = dict(zip(view.night.ids.tolist(), view.likeness[0].tolist(), strict=True))
        scores = [Score(*view.likeness, "low")]
        both = Conditional(
            *soft_labels(view.night, view.reference), scores, self._rng, features=view.features
        )  # fmt: skip
        if both.effective < LEAST_REFERENCE:
            self.too_few |= {Statistic.LIKENESS, Statistic.LOOK}
            return
        self.limits[Statistic.LIKENESS] = both.limit(0)
        for name, value, p in zip(
            (Statistic.LIKENESS, Statistic.LOOK), both.observed, both.p_values(self._most), strict=True
        ):
            yield _Found(name, float(value), float(p), len(view.night), len(view.reference))


def _known(values: np.ndarray) -> int:
    return int((~np.isnan(values)).sum())


def _label_values(counts: np.ndarray, both: np.ndarray, n: int, m: int) -> np.ndarray:
    """Of nights with such counts of the types, int [B, K]: the largest change, and the distance; float64 [B, 2]."""
    night, reference = counts / n, (both - counts) / m
    largest = np.abs(night - reference).max(axis=1)
    return np.stack([largest, np.nan_to_num(jensenshannon(night, reference, base=2, axis=1))], axis=1)


def _failed(night: Night, reference: Night) -> Iterator[_Found]:
    """Whether more pictures cannot be used: Fisher's exact test, one-sided."""
    failed, items = night.failed + reference.failed, night.items + reference.items
    p = float(hypergeom.sf(night.failed - 1, items, failed, night.items))
    change = night.failed / night.items - reference.failed / reference.items
    yield _Found(Statistic.FAILED, max(change, 0.0), p, night.items, reference.items)
