"""Bounds that may be looked at after every answer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln
from scipy.stats import binom

from tagger.confidence.anytime import Bound, ConfidenceSequence, TargetVerdict
from tests.qa_answers import broken, clopper_pearson, simulated

RUNS = 1000
RATES = [0.8, 0.95, 0.98, 0.995]
POPULATIONS = [None, 1000]
MOST_BROKEN = int(binom.ppf(0.999, RUNS, 0.05))
"""72: a bound that is broken in exactly 5% of runs exceeds it once in a thousand."""


def shares(right: int, answers: int) -> np.ndarray:
    return np.arange(answers) < right


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("rate", RATES)
def test_the_bound_is_broken_at_any_time_in_at_most_five_percent_of_a_thousand_runs(
    rate: float, population: int | None
) -> None:
    answers = simulated(rate, RUNS, 500, population, seed=7)
    assert broken(answers, rate, ConfidenceSequence(population).limits) <= MOST_BROKEN


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("rate", RATES[:-1])  # at 99.5%, few answers are wrong, so few looks can be
def test_an_interval_for_one_look_is_broken_far_more_often_when_looked_at_after_every_answer(
    rate: float, population: int | None
) -> None:
    answers = simulated(rate, RUNS, 500, population, seed=7)
    assert broken(answers, rate, clopper_pearson) > MOST_BROKEN


def test_a_verdict_is_wrong_in_at_most_five_percent_of_runs_just_beside_the_target() -> None:
    sequence = ConfidenceSequence(target=0.95)
    for rate, wrong in ((0.949, TargetVerdict.SHOWN), (0.95, TargetVerdict.LOST)):
        runs = simulated(rate, RUNS, 300, None, seed=3)
        verdicts = [sequence.after(answers).verdict for answers in runs]
        assert verdicts.count(wrong) <= MOST_BROKEN


def test_exactly_those_numbers_of_right_items_are_held_that_the_ratio_of_prior_and_posterior_holds() -> None:
    """By the definition, with every number of right items tried."""
    items = 40
    for answers in range(1, items + 1):
        for right in range(answers + 1):
            wrong = answers - right
            mixture = float(betaln(19 + right, 1 + wrong) - betaln(19, 1))
            held = [
                k
                for k in range(right, items - wrong + 1)
                if math.exp(mixture) * math.perm(items, answers)
                < 20 * math.perm(k, right) * math.perm(items - k, wrong)
            ]
            lowest, highest = ConfidenceSequence(items).limits(np.array([right]), np.array([answers]))
            assert (lowest[0] * items, highest[0] * items) == pytest.approx((held[0], held[-1]))
            assert len(held) == held[-1] - held[0] + 1, "without gaps"


def test_without_a_population_the_bound_solves_robbins_equation() -> None:
    lowest, highest = ConfidenceSequence().limits(np.array([205]), np.array([214]))
    mixture = float(betaln(19 + 205, 1 + 9) - betaln(19, 1))
    for share in (lowest[0], highest[0]):
        assert mixture - 205 * math.log(share) - 9 * math.log(1 - share) == pytest.approx(math.log(20))
    assert lowest[0] < 205 / 214 < highest[0]


def test_a_large_population_is_like_an_endless_one_and_a_small_one_is_known_better() -> None:
    right, answers = np.array([195]), np.array([200])
    small, large, endless = (ConfidenceSequence(n).limits(right, answers) for n in (250, 10**7, None))
    assert np.allclose(large, endless, atol=1e-6)
    assert small[0] > endless[0]
    assert small[1] < endless[1]


def test_all_items_answered_leave_no_doubt() -> None:
    bound = ConfidenceSequence(40, target=0.95).after(shares(38, 40)[::-1])
    assert (bound.lowest, bound.highest, bound.verdict) == (0.95, 0.95, TargetVerdict.SHOWN)


def test_targets_are_shown_lost_or_open() -> None:
    sequence = ConfidenceSequence(target=0.95)
    assert sequence.after([True] * 100).verdict is TargetVerdict.SHOWN
    assert sequence.after([True, False] * 10).verdict is TargetVerdict.LOST
    assert sequence.after([True] * 5).verdict is TargetVerdict.OPEN
    assert sequence.start().verdict is TargetVerdict.OPEN
    assert ConfidenceSequence().after([True] * 100).verdict is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.integers(0, 60), st.sampled_from([None, 60, 1000]))
def test_one_answer_at_a_time_is_the_same_as_all_of_them(answers: list[bool], cut: int, population: int | None) -> None:
    sequence = ConfidenceSequence(population, target=0.5)
    bound = sequence.after(answers[:cut])
    for answer in answers[cut:]:
        before, bound = bound, sequence.after([answer], bound)
        if not bound.is_contradictory:
            assert before.lowest <= bound.lowest <= bound.highest <= before.highest
    assert bound == sequence.after(answers)
    assert (bound.answers, bound.right) == (len(answers), sum(answers))


def test_answers_that_change_over_time_are_called_contradictory_and_settle_nothing() -> None:
    sequence = ConfidenceSequence(target=0.95)
    hardest_last = [True] * 300 + [False] * 100
    bound = sequence.after(hardest_last)
    assert (bound.is_contradictory, bound.verdict) == (True, TargetVerdict.OPEN)
    assert sequence.further_answers(bound) is None
    assert sequence.after([True] * 9, bound).is_contradictory, "from then on"


@pytest.mark.parametrize("population", [None, 2000])
def test_the_forecast_is_the_first_number_of_answers_that_shows_the_target_at_the_same_share(
    population: int | None,
) -> None:
    sequence = ConfidenceSequence(population, target=0.95)
    bound = sequence.after(~shares(2, 100))
    further = sequence.further_answers(bound)
    assert further is not None

    def lowest(answers: int) -> float:
        return float(sequence.limits(np.array([round(0.98 * answers)]), np.array([answers]))[0][0])

    before, enough = (100 + further - 1) // 50 * 50, -(-(100 + further) // 50) * 50  # 98% of them are whole numbers
    assert lowest(before) < 0.95 <= lowest(enough)


def test_there_is_no_forecast_where_the_share_of_right_answers_is_not_above_the_target() -> None:
    sequence = ConfidenceSequence(target=0.95)
    assert sequence.further_answers(sequence.start()) is None
    assert sequence.further_answers(sequence.after(shares(19, 20))) is None
    assert sequence.further_answers(sequence.after([True, False] * 20)) is None
    assert sequence.further_answers(sequence.after([True] * 100)) == 0
    with pytest.raises(ValueError, match="without a target"):
        ConfidenceSequence().further_answers(Bound(0, 1, 0, 0, None))


def test_what_is_not_understood_is_refused() -> None:
    with pytest.raises(ValueError, match="11 answers about 10 items"):
        ConfidenceSequence(10).after([True] * 11)
    with pytest.raises(ValueError, match="list of bools"):
        ConfidenceSequence().after(np.array([1, 0, 2]))
    for wrong in ({"population": 0}, {"target": 95.0}, {"probability": 95.0}):
        with pytest.raises(ValueError, match="must"):
            ConfidenceSequence(**wrong)  # type: ignore[arg-type]
