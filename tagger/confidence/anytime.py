"""An anytime-valid confidence sequence for the share of right tags: it may be looked at after every answer.

A confidence interval for a fixed number of answers, such as that of Clopper and Pearson (1934), holds for one look. Who
looks after each answer and stops at a good moment is wrong far more often. A confidence sequence holds at all looks
together.

The method is a beta-binomial mixture (Robbins 1970, "Statistical methods related to the law of the iterated
logarithm"). For items drawn without replacement from a finite number of them, it is the ratio of prior and posterior
under the hypergeometric distribution (Waudby-Smith and Ramdas 2020, "Confidence sequences for sampling without
replacement", arXiv:2006.04347, theorem 2.1). Under the true share, that ratio is a martingale that begins at 1, so with
probability 1 - a it never reaches 1/a (Ville 1939). For answers that are right or wrong, it is also the capital of a
mixture of bets (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS-B 86).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import betaln, gammaln, xlog1py, xlogy

_PRIOR = (19.0, 1.0)
"""Beta prior of the mixture: mean 0.95. Any prior is valid; this one needs few answers for targets of 90 to 98%."""
_BISECTIONS = 40
_MOST_ANSWERS = 10_000_000


class TargetVerdict(StrEnum):
    """What a confidence sequence says of a target."""

    SHOWN = "shown"
    LOST = "lost"
    OPEN = "open"


@dataclass(frozen=True)
class Bound:
    """Where the share of right items lies, after some answers.

    It is all that a confidence sequence keeps: `ConfidenceSequence.after` continues from it.
    """

    lowest: float
    """With `highest`, 0 to 1: they hold the true share after every answer, with the sequence's probability."""
    highest: float
    answers: int
    right: int
    verdict: TargetVerdict | None
    """None without a target. The first one that is not open stays."""
    is_contradictory: bool = False
    """Whether later answers contradict earlier ones: at some moment, no share fitted all of them.

    With random draws this is as rare as a broken bound. Else the items were not asked in a random order, or the answers
    have changed over time. Then `lowest` and `highest` are those of all answers at one look, and the verdict is open.
    """

    @property
    def share(self) -> float | None:
        """Share of right answers, 0 to 1; None without answers."""
        return self.right / self.answers if self.answers else None


@dataclass(frozen=True)
class ConfidenceSequence:
    """A confidence sequence for the share of right items, from answers about randomly drawn ones.

    The draws must be random: the next item is any of those that have not been asked, each with the same probability.
    A queue that begins with the least certain items is not.
    """

    population: int | None = None
    """Number of items that are drawn from, without replacement; the share is theirs.

    None: the share is that of all items like these, and each answer is an independent draw.
    """
    target: float | None = None
    """Share to be shown, 0 to 1."""
    probability: float = 0.95
    """Of a sequence whose bounds hold the true share after every answer, 0 to 1."""

    def __post_init__(self) -> None:
        if self.population is not None and self.population < 1:
            raise ValueError(f"population must be at least 1, not {self.population}")
        if self.target is not None and not 0 < self.target < 1:
            raise ValueError(f"target must lie between 0 and 1, not {self.target}")
        if not 0 < self.probability < 1:
            raise ValueError(f"probability must lie between 0 and 1, not {self.probability}")

    def start(self) -> Bound:
        """The bound before the first answer."""
        return Bound(0.0, 1.0, 0, 0, None if self.target is None else TargetVerdict.OPEN)

    def after(self, answers: Sequence[bool] | np.ndarray, since: Bound | None = None) -> Bound:
        """The bound after further answers.

        Args:
            answers: Whether each answer says that the tag is right, bool [N], in the order in which they were given.
            since: The bound before them; by default there was no answer.

        Raises:
            ValueError: when an answer is no bool, or there are more answers than items.
        """
        before = since or self.start()
        if not len(answers):
            return before
        given = np.asarray(answers)
        if given.dtype != np.bool_ or given.ndim != 1:
            raise ValueError(f"answers are a list of bools, not {given.dtype} {list(given.shape)}")
        right = before.right + np.cumsum(given)
        asked = before.answers + np.arange(1, len(given) + 1)
        lowest, highest = self.limits(right, asked)
        return self._joined(before, lowest, highest, int(asked[-1]), int(right[-1]))

    def limits(self, right: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and highest share that these counts do not exclude, each float64 [N] from 0 to 1.

        Args:
            right: Number of right answers at each look, int [N].
            answers: Number of answers at each look, int [N].

        Raises:
            ValueError: when there are more answers than items.
        """
        right, answers = np.asarray(right, np.float64), np.asarray(answers, np.float64)
        if self.population is not None and len(answers) and answers.max() > self.population:
            raise ValueError(f"{answers.max():.0f} answers about {self.population} items")
        if self.population is None:
            likeliest = right / np.maximum(answers, 1)
            return self._edge(right, answers, likeliest, -1e-9), self._edge(right, answers, likeliest, 1 + 1e-9)
        fewest, most = right, self.population - (answers - right)
        likeliest = np.floor((self.population + 1) * right / np.maximum(answers, 1)).clip(fewest, most)
        lowest = self._edge(right, answers, likeliest, fewest - 1)
        return lowest / self.population, self._edge(right, answers, likeliest, most + 1) / self.population

    def further_answers(self, bound: Bound) -> int | None:
        """How many more answers show the target if the share of right ones stays exactly as it is.

        Chance makes it more or fewer. 0 when the target is shown; None when it will not be: it is lost, or the share
        is not above it, or there is no answer yet.

        Raises:
            ValueError: when the sequence has no target.
        """
        if self.target is None:
            raise ValueError("without a target there is nothing to show")
        if bound.verdict is not TargetVerdict.OPEN or bound.share is None or bound.is_contradictory:
            return 0 if bound.verdict is TargetVerdict.SHOWN else None
        most = _MOST_ANSWERS if self.population is None else self.population - bound.answers
        if bound.share <= self.target or not self._shows(bound, most):
            return None
        too_few, enough = 0, most
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            too_few, enough = (too_few, middle) if self._shows(bound, middle) else (middle, enough)
        return enough

    def _joined(self, before: Bound, lowest: np.ndarray, highest: np.ndarray, answers: int, right: int) -> Bound:
        """Join the limits of further looks, [N] each, with those before: all hold together, so the tightest does."""
        lowest_so_far = np.maximum.accumulate(np.append(before.lowest, lowest))
        highest_so_far = np.minimum.accumulate(np.append(before.highest, highest))
        if before.is_contradictory or bool((lowest_so_far > highest_so_far).any()):
            verdict = None if self.target is None else TargetVerdict.OPEN
            return Bound(float(lowest[-1]), float(highest[-1]), answers, right, verdict, is_contradictory=True)
        least, most = float(lowest_so_far[-1]), float(highest_so_far[-1])
        return Bound(least, most, answers, right, self._verdict(least, most))

    def _verdict(self, lowest: float, highest: float) -> TargetVerdict | None:
        if self.target is None:
            return None
        if lowest >= self.target:
            return TargetVerdict.SHOWN
        return TargetVerdict.LOST if highest < self.target else TargetVerdict.OPEN

    def _edge(
        self, right: np.ndarray, answers: np.ndarray, inside: np.ndarray, outside: np.ndarray | float
    ) -> np.ndarray:
        """Bisect between a value that the sequence holds and one that it does not; items or, without end, shares; [N].

        The probability of the answers falls from the likeliest value on to both sides, so what is held has no gaps.
        """
        wrong, least = answers - right, self._least_log_probability(right, answers)
        inside, outside = np.broadcast_arrays(inside, outside)
        for _ in range(_BISECTIONS if self.population is None else self.population.bit_length() + 1):
            middle = (inside + outside) / 2
            if self.population is not None:
                middle = np.where(outside < inside, np.ceil(middle), np.floor(middle))  # neighbours: that inside
            is_inside = self._log_probability(right, wrong, middle) > least
            inside, outside = np.where(is_inside, middle, inside), np.where(is_inside, outside, middle)
        return inside.clip(0, self.population or 1)

    def _shows(self, bound: Bound, further: int) -> bool:
        """Whether so many more answers, with the share of right ones as it is, exclude all that is below the target."""
        answers = np.float64(bound.answers + further)
        right = answers * bound.right / bound.answers
        least = self._least_log_probability(right, answers)
        if self.population is None:
            return bool(self._log_probability(right, answers - right, np.float64(self.target or 0)) <= least)
        below = np.ceil((self.target or 0) * self.population) - 1
        if below < right or self.population - below < answers - right:
            return True
        return bool(self._log_probability(right, answers - right, below) <= least)

    def _least_log_probability(self, right: np.ndarray | np.float64, answers: np.ndarray | np.float64) -> np.ndarray:
        """The log probability of the answers from which on a value is held: that of the mixture, times 1 - p; [N]."""
        mixture = betaln(_PRIOR[0] + right, _PRIOR[1] + answers - right) - betaln(*_PRIOR)
        return np.asarray(mixture + np.log1p(-self.probability))

    def _log_probability(
        self, right: np.ndarray | np.float64, wrong: np.ndarray | np.float64, value: np.ndarray | np.float64
    ) -> np.ndarray:
        """Log probability of the answers, in their order, where so many items, or such a share of them, are right; [N].

        With a population, there must be as many right and wrong items as answers, if not more.
        """
        if self.population is None:
            share = np.clip(value, 0, 1)
            return np.asarray(xlogy(right, share) + xlog1py(wrong, -share))
        draws = _log_falling(value, right) + _log_falling(self.population - value, wrong)
        return np.asarray(draws - _log_falling(np.float64(self.population), right + wrong))


def _log_falling(items: np.ndarray | np.float64, drawn: np.ndarray | np.float64) -> np.ndarray:
    """Log of the falling factorial: in how many ways so many of the items can be drawn in order, [N]."""
    return np.asarray(gammaln(items + 1) - gammaln(items - drawn + 1))
