"""Simulated QA runs: how often a bound is broken at any time, and how many answers show or lose a target.

    python -m tests.qa_answers [--target 0.95] [--runs 1000]

The second table is that of docs/managers/how-sure.md.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import beta

from tagger.confidence.anytime import ConfidenceSequence

Limits = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
_RATES = (0.9, 0.93, 0.94, 0.95, 0.955, 0.96, 0.965, 0.97, 0.975, 0.98, 0.985, 0.99, 0.995)
_MOST_ANSWERS = 10_000


def simulated(rate: float, runs: int, answers: int, population: int | None, seed: int) -> np.ndarray:
    """Answers of QA runs in random order, bool [runs, answers]: draws without replacement, or independent ones."""
    rng = np.random.default_rng(seed)
    if population is None:
        return rng.random((runs, answers)) < rate
    right = round(rate * population)
    if not np.isclose(right, rate * population):
        raise ValueError(f"{rate:g} of {population} items is no whole number")
    return np.stack([rng.permutation(population)[:answers] < right for _ in range(runs)])


def looks(answers: np.ndarray, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """The limits after every answer of every run, each [runs, answers]; equal counts are computed once."""
    right = answers.cumsum(axis=1)
    most = answers.shape[1] + 1
    codes, of_look = np.unique(right + most * np.arange(1, most), return_inverse=True)
    lowest, highest = limits(codes % most, codes // most)
    return lowest[of_look].reshape(right.shape), highest[of_look].reshape(right.shape)


def broken(answers: np.ndarray, rate: float, limits: Limits) -> int:
    """Runs in which the true share is outside of the limits after some answer."""
    lowest, highest = looks(answers, limits)
    return int(((lowest > rate + 1e-9) | (highest < rate - 1e-9)).any(axis=1).sum())


def clopper_pearson(right: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% interval of a fixed number of answers (Clopper and Pearson 1934), [N] each."""
    wrong = answers - right
    lowest = np.where(right > 0, beta.ppf(0.025, np.maximum(right, 1), wrong + 1), 0.0)
    return lowest, np.where(wrong > 0, beta.ppf(0.975, right + 1, np.maximum(wrong, 1)), 1.0)


def _until(rate: float, target: float, runs: int) -> str:
    """Answers until the target is shown, and until it is lost: share of the runs, median, 90th percentile."""
    lowest, highest = looks(simulated(rate, runs, _MOST_ANSWERS, None, seed=1), ConfidenceSequence().limits)
    shown, lost = (np.where(m.any(1), m.argmax(1) + 1, np.inf) for m in (lowest >= target, highest < target))
    first = np.minimum(shown, lost)
    middle, most = np.quantile(first, [0.5, 0.9], method="inverted_cdf")
    ends = " | ".join(f"{n:,.0f}" if np.isfinite(n) else f"over {_MOST_ANSWERS:,}" for n in (middle, most))
    is_shown, is_lost = (shown < lost).mean(), (lost < shown).mean()
    return f"| {rate:.1%} | {ends} | {is_shown:.1%} | {is_lost:.1%} |"


def _cost_ms(population: int | None) -> float:
    """Median time of taking one answer after another, in milliseconds."""
    sequence = ConfidenceSequence(population, target=0.95)
    bound, times = sequence.start(), []
    for answer in simulated(0.98, 1, 1000, population, seed=2)[0]:
        began = time.perf_counter()
        bound = sequence.after([answer], bound)
        sequence.further_answers(bound)
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times))


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=float, default=0.95, help="share to be shown")
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs for each rate")
    asked = parser.parse_args()
    for items in (None, 1000, 1_000_000):
        print(f"{_cost_ms(items):.1f} ms an answer with its forecast, of {items or 'endless'} items")
    print("| right | items | bound broken | repeated Clopper-Pearson interval broken |\n|---|---|---|---|")
    for population in (None, 1000):
        for rate in (0.8, 0.9, 0.95, 0.98, 0.995):
            answers = simulated(rate, asked.runs, 1000, population, seed=0)
            bound = broken(answers, rate, ConfidenceSequence(population).limits) / asked.runs
            naive = broken(answers, rate, clopper_pearson) / asked.runs
            print(f"| {rate:.1%} | {population or 'endless'} | {bound:.1%} | {naive:.1%} |", flush=True)
    print("\n| right | answers, median | nine in ten runs | shown | lost |\n|---|---|---|---|---|")
    for rate in _RATES:
        print(_until(rate, asked.target, asked.runs), flush=True)


if __name__ == "__main__":
    main()
