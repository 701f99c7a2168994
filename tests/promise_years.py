"""How often a promise that is kept is called broken, and one that is not: simulated years of nights, each looked at.

python -m tests.promise_years --years 1000
"""

import argparse

import numpy as np

from tagger.confidence.anytime import ConfidenceSequence, TargetVerdict
from tagger.confidence.qa_sample import Precision

NIGHTS = 365


def broken_years(years: int, precision: float, promised: float, answers: float, seed: int = 0) -> int:
    """Years in which a look at some night says that the promise is broken.

    Args:
        years: How many are simulated.
        precision: The true share of right tags.
        promised: The promised one.
        answers: Mean number of answers a night.
        seed: Of the answers.
    """
    rng = np.random.default_rng(seed)
    sequence = ConfidenceSequence(None, promised, 0.95)
    broken = 0
    for _ in range(years):
        asked = rng.poisson(answers, NIGHTS)
        right = rng.binomial(asked, precision)
        lowest, highest = sequence.limits(np.cumsum(right), np.cumsum(asked))
        broken += bool((highest < promised).any()) and bool((lowest <= highest).all())
    return broken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=1000)
    years = parser.parse_args().years
    assert ConfidenceSequence(None, 0.95, 0.95).start().verdict is TargetVerdict.OPEN
    for precision, answers in ((0.95, 1), (0.95, 5), (0.95, 20), (0.93, 5), (0.90, 5)):
        broken = broken_years(years, precision, 0.95, answers)
        of = Precision.of(np.arange(years) < broken, years, 0.95)
        print(
            f"precision {precision:.0%}, promised 95%, {answers} answers a night: called broken in {broken} of "
            f"{years:,} years ({of.lowest:.1%} to {of.highest:.1%})"
        )


if __name__ == "__main__":
    main()
