"""What people's answers over all nights say of what a model promises: a bound that holds however often one looks."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from tagger.confidence.anytime import TargetVerdict
from tagger.confidence.qa_sample import SAMPLED, Promise, each_once, promises_of, sample_answers
from tagger.decisions.final_tags import newest_by_id
from tagger.decisions.read import DATABASE, decisions_of
from tagger.runs.ledger import LedgerEntry
from tagger.schemas.documents.taxonomy import Level

PROBABILITY = 0.95
_PLURAL = {Level.MASTER_CATEGORY: "master categories", Level.ARTICLE_TYPE: "article types"}


@dataclass(frozen=True)
class PromiseSoFar:
    """What is known of one level's accepted tags."""

    level: Level
    target: float
    """The promised precision, 0 to 1."""
    promise: Promise
    """With bounds that hold with PROBABILITY."""
    since: datetime | None
    """When the first answer was given; None without one."""

    @property
    def measured(self) -> float | None:
        """Share of right answers, 0 to 1; None without answers."""
        bound = self.promise.bound
        return bound.right / bound.answers if bound.answers else None

    @property
    def is_broken(self) -> bool:
        """Whether fewer tags are right than was promised."""
        bound = self.promise.bound
        return bound.verdict is TargetVerdict.LOST and not bound.is_contradictory

    @property
    def words(self) -> str:
        """The promise and its receipt in a sentence."""
        bound, name = self.promise.bound, _PLURAL[self.level]
        promised = f"{100 * self.target:g}% of the accepted {name} are promised to be right"
        if self.measured is None or self.since is None:
            return f"{promised}; nobody has judged any yet."
        measured = (
            f"{100 * self.measured:.1f}% of {bound.answers:,} judged since {self.since:%Y-%m-%d} were, so at least "
            f"{100 * bound.lowest:.1f}% are"
        )
        if self.is_broken:
            return f"{promised}; {measured}, and at most {100 * bound.highest:.1f}%: the promise is broken."
        return f"{promised}; {measured} ({100 * PROBABILITY:g}% sure)."


def promises_so_far(entries: Sequence[LedgerEntry], model_id: str, targets: dict[str, float]) -> list[PromiseSoFar]:
    """The promises of a model, and what the answers about its runs say of them; none where nothing is promised.

    The bounds hold with PROBABILITY for every night at once, as long as each night's tags are as precise as promised
    (`tagger.confidence.anytime`).

    Args:
        entries: Runs, the newest first; those of other models do not count, nor those that were taken back.
        model_id: The model.
        targets: The promised precision by level.
    """
    counted = [e for e in entries if e.done and not e.rolled_back and e.record.model_id == model_id]
    if not targets:
        return []
    database = os.environ.get(DATABASE)
    drawn = [
        sample_answers(entry.directory.batches(SAMPLED), newest_by_id(decisions_of(entry.directory, database)))
        for entry in counted
    ]
    answers = each_once(pd.concat(drawn or [sample_answers([], {})], ignore_index=True))
    wanted = {Level(name): target for name, target in targets.items()}
    promises = promises_of(answers, {}, wanted, PROBABILITY)
    found = []
    for level, target in wanted.items():
        times = answers.loc[(answers["level"] == level) & answers["answered"], "decidedAt"]
        since = pd.Timestamp(times.min()).to_pydatetime() if len(times) else None
        found.append(PromiseSoFar(level, target, promises[level], since))
    return found
