"""Thresholds from a target precision, on predictions that are drawn so that their truth is known."""

import numpy as np
import pandas as pd
import pytest

from tagger.confidence.target import apply, coverage_curve, fit_policy, highest_target, lower_bound, own_classes
from tagger.confidence.thresholds import Thresholds, decide
from tagger.evaluation.metrics import Evaluation
from tagger.schemas.documents.bundle import LevelPolicy, Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision

MASTER, ARTICLE = Level.MASTER_CATEGORY, Level.ARTICLE_TYPE


def drawn(items: int, seed: int, hard_class: str = "", classes: int = 3) -> Evaluation:
    """Honest confidences, except for one class, which is right half as often as it says."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"id": [str(n) for n in range(items)]})
    for level, names, sure in ((MASTER, ["A", "B"], 400), (ARTICLE, [*"xyzabcdefg"][:classes], 6)):
        confidence = rng.beta(sure, 1, items).astype(np.float32)
        named = rng.choice(names, items)
        honest = np.where(named == hard_class, confidence / 2, confidence)
        table[f"{level}Confidence"] = confidence
        table[str(level)] = named
        table[f"{level}True"] = np.where(rng.random(items) < honest, named, "other")
    return Evaluation.of_table("val", table)


@pytest.mark.parametrize(("target", "items"), [(0.9, 3000), (0.95, 3000), (0.98, 12_000)])
def test_the_promise_is_kept_on_new_items(target: float, items: int) -> None:
    new = drawn(40_000, seed=1000)
    sharp = np.zeros(40_000, bool)
    targets = {MASTER: 0.99, ARTICLE: target}
    met = dict.fromkeys(Level, 0)
    coverages = []
    for seed in range(60):
        policy = fit_policy(drawn(items, seed), np.zeros(items, bool), targets, probability=0.95, class_items=0)
        applied = apply(policy, new, sharp)
        for level, found in applied.items():
            met[level] += found.precision is None or found.precision >= targets[level]
        coverages.append(applied[ARTICLE].coverage)
    assert all(count >= 57 for count in met.values()), met
    curve = coverage_curve(new.levels[ARTICLE])
    possible = curve["coverage"][curve["precision"] >= target].max()
    assert possible * 0.5 < np.mean(coverages) < possible, "careful, but not for nothing"


def test_what_cannot_be_shown_accepts_nothing_and_says_what_can() -> None:
    few = drawn(100, seed=1)
    sharp = np.zeros(100, bool)
    policy = fit_policy(few, sharp, {MASTER: 0.99, ARTICLE: 0.99}, probability=0.95, class_items=0)
    assert [p.accept_above for p in policy.levels.values()] == [None, None]
    assert all(applied.accepted == 0 for applied in apply(policy, few, sharp).values())
    possible = highest_target(few, sharp, MASTER, 0.95)
    assert possible
    assert 0.85 < possible < 0.99
    again = fit_policy(few, sharp, {MASTER: possible, ARTICLE: 0.5}, probability=0.95, class_items=0)
    assert again.levels[MASTER].accept_above is not None


def test_a_class_with_items_enough_has_its_own_threshold() -> None:
    found = drawn(12_000, seed=3, hard_class="y")
    sharp = np.zeros(12_000, bool)
    policy = fit_policy(found, sharp, {MASTER: 0.9, ARTICLE: 0.9}, probability=0.95, class_items=1000)
    classes = policy.levels[ARTICLE].classes
    assert classes == {"y": None}, "at most half of it is right; the others accept more together"
    assert own_classes(found, sharp, ARTICLE, 1000) == ["x", "y", "z"]
    assert apply(policy, found, sharp)[ARTICLE].coverage == policy.levels[ARTICLE].coverage
    shared = fit_policy(found, sharp, {MASTER: 0.9, ARTICLE: 0.9}, probability=0.95, class_items=0)
    assert shared.levels[ARTICLE].classes == {}
    assert shared.levels[ARTICLE].coverage < policy.levels[ARTICLE].coverage


def test_own_thresholds_that_lower_coverage_are_not_used_and_the_promise_is_kept_all_the_same() -> None:
    targets, new = {MASTER: 0.99, ARTICLE: 0.9}, drawn(40_000, seed=1000, classes=10)
    met = 0
    for seed in range(20):
        few = drawn(2000, seed, classes=10)
        plain, own = (fit_policy(few, np.zeros(2000, bool), targets, 0.95, least) for least in (0, 100))
        assert own.levels[ARTICLE].coverage >= plain.levels[ARTICLE].coverage > 0.3
        assert len(own_classes(few, np.zeros(2000, bool), ARTICLE, 100)) == 10
        precision = apply(own, new, np.zeros(40_000, bool))[ARTICLE].precision
        met += precision is None or precision >= 0.9
    assert met >= 19


def test_doubted_items_are_not_accepted_and_count_as_not_covered() -> None:
    found = drawn(3000, seed=4)
    doubted = np.arange(3000) % 2 == 0
    policy = fit_policy(found, doubted, {MASTER: 0.9, ARTICLE: 0.6}, probability=0.95, class_items=0)
    assert policy.levels[MASTER].coverage == pytest.approx(0.5, abs=0.01)
    assert apply(policy, found, doubted)[MASTER].accepted == round(policy.levels[MASTER].coverage * 3000)


def test_equal_confidences_are_accepted_together() -> None:
    table = pd.DataFrame({"id": range(2000)})
    for level in Level:
        table[f"{level}Confidence"] = np.repeat(np.array([0.9, 0.6], np.float32), 1000)
        table[str(level)] = "A"
        table[f"{level}True"] = np.where((np.arange(2000) < 1000) | (np.arange(2000) % 2 == 0), "A", "B")
    policy = fit_policy(Evaluation.of_table("val", table), np.zeros(2000, bool), {MASTER: 0.9, ARTICLE: 0.9}, 0.95, 0)
    assert policy.levels[ARTICLE].accept_above == pytest.approx(0.9)
    assert policy.levels[ARTICLE].coverage == 0.5


def test_the_lower_bound_is_that_of_clopper_and_pearson() -> None:
    assert lower_bound(300, 300, 0.95) == pytest.approx(0.05 ** (1 / 300))
    assert lower_bound(90, 100, 0.95) == pytest.approx(0.8363, abs=1e-4)
    assert lower_bound(0, 10, 0.95) == 0
    assert lower_bound(0, 0, 0.95) is None


def test_named_thresholds_win_over_the_policy_and_the_policy_over_the_usual_ones() -> None:
    level = LevelPolicy(target_precision=0.9, accept_above=0.7, classes={"x": 0.4, "y": None}, coverage=0.5,
                        precision=0.95, at_least=0.9)  # fmt: skip
    policy = Policy(probability=0.95, fitted_on=10, levels={ARTICLE: level, MASTER: level})
    fitted = Thresholds.of_policy(policy)
    assert fitted.needed(ARTICLE, ["x", "y", "z"]).tolist() == [0.4, np.inf, 0.7]
    named = Thresholds.of_policy(policy, {ARTICLE: 0.2})
    assert named.needed(ARTICLE, ["x", "y"]).tolist() == [0.2, 0.2]
    assert named.needed(MASTER, ["A"]).tolist() == [0.7]
    assert Thresholds.of_policy(None).needed(MASTER, ["A"]).tolist() == [0.9]


def test_the_policy_accepts_backs_off_and_asks() -> None:
    needed = {MASTER: np.array(0.9), ARTICLE: np.array([0.8, 0.8, 0.8, 0.8, 0.8, np.inf])}
    confidence = {
        MASTER: np.array([0.95, 0.95, 0.85, 0.95, 0.90, 0.95]),
        ARTICLE: np.array([0.85, 0.70, 0.99, 0.85, 0.80, 1.0]),
    }
    doubted = np.array([False, False, False, True, False, False])
    assert decide(needed, confidence, doubted).tolist() == [
        Decision.ACCEPT, Decision.ACCEPT_MASTER_ONLY, Decision.REVIEW, Decision.REVIEW, Decision.ACCEPT,
        Decision.ACCEPT_MASTER_ONLY,
    ]  # fmt: skip
