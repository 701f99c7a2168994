"""The quality check: what the answers about the sample show of the accepted tags, after each of them.

Items of the sample are asked about in a random order, and without their tag: people who see a tag agree with it too
often. The classes to choose from are the model's, in the order of the alphabet.

An answer counts once all items before it in that order are decided. Otherwise, who skips what is hard to tell would
show a precision that the tags do not have.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tagger.confidence.anytime import TargetVerdict
from tagger.confidence.qa_sample import SAMPLED, Promise, accepted_items, promises_of, sample_answers
from tagger.decisions.final_tags import newest_by_id
from tagger.decisions.read import standing_rows
from tagger.flow.hash_order import sample_order
from tagger.review.store.leaves import Leaf, Leaves
from tagger.review.store.records import Filter, QueuedItem, Search
from tagger.review.store.review import ReviewStore
from tagger.review.web.images import images_of
from tagger.review.web.texts import Texts
from tagger.runs.directory import RunDirectory
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import ReviewReason

SAMPLE = Filter(reason=ReviewReason.QA_SAMPLE, order="random")
PROBABILITY = 0.95
_CHOICES = 5


@dataclass(frozen=True)
class Shown:
    """What the answers so far show."""

    promises: Mapping[Level, Promise]
    """By level; levels of which nothing was drawn are left out."""
    held: int
    """Items with an answer that does not count yet, because one before them is skipped, or open with somebody."""


@dataclass(frozen=True)
class QualityCheck:
    """The quality sample of one run."""

    store: ReviewStore
    run: RunDirectory
    targets: Mapping[Level, float]
    """Precision that the run's policy promises, by level, 0 to 1; empty without a policy."""
    _reading: Lock = field(default_factory=Lock, repr=False)

    @cached_property
    def has_sample(self) -> bool:
        """Whether the run drew a sample."""
        return self.store.finder.count(Search(SAMPLE)) > 0

    def shown(self) -> Shown:
        """What the answers so far show."""
        with self._reading:
            sample, accepted = self._drawn
        decided = newest_by_id(standing_rows(self.store, ReviewReason.QA_SAMPLE))
        answers, held = in_random_order(sample_answers([sample], decided))
        promises = promises_of(answers, accepted, self.targets, PROBABILITY)
        drawn = set(answers["level"])
        return Shown({level: promise for level, promise in promises.items() if level in drawn}, held)

    @cached_property
    def _drawn(self) -> tuple[pa.Table, Mapping[Level, int]]:
        """The predictions of the sample, and how many others are accepted; the run is read once."""
        empty = self.run.read(SAMPLED).slice(0, 0)
        tables = [empty, *(_of_sample(table) for table in self.run.batches(SAMPLED))]
        return pa.concat_tables(tables), accepted_items(self.run.batches(["decision"]))


def in_random_order(answers: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Put rows of `sample_answers` in the random order of their items; those behind an undecided item become waiting.

    Returns:
        The rows, with their places in `decidedAt`, and the number of answered items that wait for one before them.
    """
    ordered = answers.iloc[np.argsort(sample_order(answers["id"].tolist()), kind="stable")].reset_index(drop=True)
    ordered["decidedAt"] = np.arange(len(ordered))
    behind = ordered["waiting"].cummax()
    held = int(ordered.loc[behind & ordered["answered"], "id"].nunique())
    ordered.loc[behind, "waiting"] = True
    ordered.loc[behind, ["answered", "right"]] = False
    return ordered, held


def _of_sample(table: pa.Table) -> pa.Table:
    reasons = table["reviewReasons"].combine_chunks()
    rows = pc.list_parent_indices(reasons).filter(pc.equal(pc.list_flatten(reasons), ReviewReason.QA_SAMPLE))
    return table.take(rows)


def is_settled(promises: Mapping[Level, Promise]) -> bool:
    """Whether every target is shown or lost, so that further answers change nothing."""
    verdicts = [promise.bound.verdict for promise in promises.values() if promise.target is not None]
    return bool(verdicts) and all(verdict in (TargetVerdict.SHOWN, TargetVerdict.LOST) for verdict in verdicts)


def sentences(t: Texts, promises: Mapping[Level, Promise]) -> Iterator[str]:
    """What the answers so far show, a sentence for each level, the article type first."""
    for level in reversed(Level):
        promise = promises.get(level)
        if promise is not None and promise.bound.answers:
            yield f"{_shown(t, level, promise)} {_verdict(t, promise)}".strip()


def _shown(t: Texts, level: Level, promise: Promise) -> str:
    bound = promise.bound
    values = {"answers": bound.answers, "level": str(level), "probability": t.whole_percent(PROBABILITY)}
    if bound.is_contradictory:
        return t("check-contradictory", **values)
    # a bound is never rounded to more than it says
    return t("check-at-least", lowest=t.percent(math.floor(1000 * bound.lowest + 1e-9) / 1000), **values)


def _verdict(t: Texts, promise: Promise) -> str:
    if promise.target is None:
        return ""
    target = t.whole_percent(promise.target)
    match promise.bound.verdict, promise.further_answers:
        case TargetVerdict.SHOWN, _:
            return t("check-shown", target=target)
        case TargetVerdict.LOST, _:
            highest = t.percent(math.ceil(1000 * promise.bound.highest - 1e-9) / 1000)
            return t("check-lost", target=target, highest=highest)
        case TargetVerdict.OPEN, int(further) if further > promise.waiting:
            return t("check-too-small", target=target, further=further, waiting=promise.waiting)
        case TargetVerdict.OPEN, int(further):
            return t("check-open", target=target, further=further)
        case _:
            return t("check-unlikely", target=target)


def check_view(item: QueuedItem, leaves: Leaves) -> dict[str, Any]:
    """Values for the template of one item of the sample, without all that tells its tag.

    Args:
        item: The item.
        leaves: What may be chosen.
    """
    told = {item.known_master, item.known_article, item.master, item.article}
    return {
        "item": item,
        "choices": _choices(item, leaves),
        "images": [image for image in images_of(item) if not image.problem],
        "columns": {name: value for name, value in item.columns.items() if value not in told},
    }


def _choices(item: QueuedItem, leaves: Leaves) -> list[Leaf]:
    """The tag and the model's next classes, in the order of the alphabet."""
    pairs = [(item.master, item.article)]
    pairs += [(each["masterCategory"], each["articleType"]) for each in item.alternatives]
    found = (leaves.find(*pair) for pair in dict.fromkeys(pairs))
    return sorted([leaf for leaf in found if leaf][:_CHOICES], key=lambda leaf: (leaf.article, leaf.master))
