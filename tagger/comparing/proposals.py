"""A run's changes as moves, each accepted or rejected as a whole after a sample of it was judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.comparing.pairs import ARTICLE, MASTER
from tagger.confidence.anytime import Bound, ConfidenceSequence, TargetVerdict
from tagger.flow.hash_order import sample_order
from tagger.schemas.tables.final_tag import TagSource, TagState
from tagger.schemas.tables.prediction import PREDICTION, Decision, ReviewReason

MOVE = "move"
OLD_MASTER, OLD_ARTICLE = f"old.{MASTER}", f"old.{ARTICLE}"
PREDICTED_COLUMNS = ["id", "imageUri", "imageDigest", f"{MASTER}Confidence", f"{ARTICLE}Confidence", "alternatives"]
_LEAST_OFFERED = 0.01
"""The old tag is offered, however improbable the newer run finds it."""
_SPARE = 2
"""So many times the answers that suffice if all are right are drawn, in case that some are not."""


class MoveState(StrEnum):
    """What becomes of a move."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class JudgedMove:
    """One move, and what is known of it."""

    number: int
    old: str
    """The tag before, in words; empty where there was none."""
    new: str
    items: int
    drawn: int
    """Items of its sample."""
    needed: int
    """Answers that show the precision if all say that the new tag is right."""
    bound: Bound
    further: int | None
    """Answers that are still missing if the share of right ones stays as it is; None where it will not be shown."""
    state: MoveState
    by_person: bool
    """Whether somebody has decided about the move itself."""


def changes(old: Iterable[pa.Table], new: Iterable[pa.Table]) -> pd.DataFrame:
    """Items that a newer run would tag otherwise, with the number of their move: 0 is the largest one.

    What a person has decided, before or now, is no change of a model's. Items whose article type the newer run is not
    sure of are left out.

    Args:
        old: Final tags before, by FINAL_TAG.
        new: Those of the newer run.
    """
    before: dict[str, tuple[str | None, str | None, str | None]] = {}
    for table in old:
        columns = (table[name].to_pylist() for name in ("id", MASTER, ARTICLE, "source"))
        before.update((item, (master, article, source)) for item, master, article, source in zip(*columns, strict=True))
    rows = []
    for table in new:
        for row in table.select(["id", MASTER, ARTICLE, "state", "source"]).to_pylist():
            master, article, source = before.get(row["id"], (None, None, None))
            if row["state"] != TagState.COMPLETE or TagSource.PERSON in (row["source"], source):
                continue
            if (master, article) != (row[MASTER], row[ARTICLE]):
                rows.append((row["id"], master or "", article or "", row[MASTER], row[ARTICLE]))
    frame = pd.DataFrame(rows, columns=["id", OLD_MASTER, OLD_ARTICLE, MASTER, ARTICLE])
    names = [OLD_MASTER, OLD_ARTICLE, MASTER, ARTICLE]
    sizes = frame.groupby(names, sort=True).size().sort_values(ascending=False, kind="stable")
    numbers = {name: number for number, name in enumerate(sizes.index)}
    frame[MOVE] = [numbers[name] for name in frame[names].itertuples(index=False, name=None)]
    return frame


def samples(frame: pd.DataFrame, target: float, seed: int = 0) -> pd.DataFrame:
    """Items to judge of each move, in a random order within it: the ones that suffice if all are right come first."""
    order = sample_order(frame["id"].tolist(), seed)
    shuffled = frame.iloc[np.argsort(order, kind="stable")]
    rank = shuffled.groupby(MOVE).cumcount()
    needed = shuffled[MOVE].map({n: answers_needed(items, target) for n, items in frame[MOVE].value_counts().items()})
    chosen = shuffled.assign(rank=rank, spare=rank >= needed)[rank < _SPARE * needed]
    return chosen.sort_values(["spare", MOVE, "rank"], kind="stable")


def answers_needed(items: int, target: float) -> int:
    """How many answers show the precision of a move, if all say that the new tag is right."""
    sequence = ConfidenceSequence(items, target)
    right = np.arange(1, items + 1)
    lowest, _ = sequence.limits(right, right)
    return int(np.argmax(np.maximum.accumulate(lowest) >= target)) + 1


def proposal_queue(
    items: pd.DataFrame, predicted: Mapping[str, Mapping[str, Any]], model_id: str, run_id: str
) -> pa.Table:
    """Samples as the predictions of a run, by PREDICTION: the new tag, and the old one as the other alternative.

    Args:
        items: The result of `samples`.
        predicted: The newer run's prediction of each item by id, with the columns PREDICTED_COLUMNS.
        model_id: Of the run.
        run_id: Of the run.
    """
    now = datetime.now(UTC)
    rows = []
    for row in items.to_dict("records"):
        given = dict(predicted[row["id"]])
        others = {(a[MASTER], a[ARTICLE]): a["confidence"] for a in given.pop("alternatives") or ()}
        leaves = {(row[MASTER], row[ARTICLE]): given[f"{ARTICLE}Confidence"]}
        if row[OLD_ARTICLE]:
            old = (row[OLD_MASTER], row[OLD_ARTICLE])
            leaves[old] = max(_LEAST_OFFERED, others.get(old, 0.0))
        rows.append(
            {
                **given, MASTER: row[MASTER], ARTICLE: row[ARTICLE],
                "alternatives": [{MASTER: m, ARTICLE: a, "confidence": c} for (m, a), c in leaves.items()],
                "decision": Decision.REVIEW, "reviewReasons": [ReviewReason.PROPOSED],
                "modelId": model_id, "runId": run_id, "taggedAt": now,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=PREDICTION)


def judge_moves(
    frame: pd.DataFrame,
    drawn: pd.DataFrame,
    decisions: Mapping[str, Mapping[str, Any]],
    target: float,
    by_person: Mapping[int, MoveState],
) -> list[JudgedMove]:
    """What the answers say of each move: shown, lost or open, by a bound that may be looked at after every answer.

    An answer counts once all before it in the random order of its move are given, whatever the order of the queue.

    Args:
        frame: The result of `changes`.
        drawn: The result of `samples`.
        decisions: The newest decision of each item, by DECISION.
        target: Precision to show, 0 to 1.
        by_person: Moves that somebody decided about as a whole.
    """
    moves = []
    by_move = dict(tuple(drawn.sort_values("rank", kind="stable").groupby(MOVE)))
    for number in sorted(set(frame[MOVE].tolist())):
        items, sample = frame[frame[MOVE] == number], by_move[number]
        sequence = ConfidenceSequence(len(items), target)
        bound = sequence.after(_answers(sample, decisions))
        state = by_person.get(number) or _STATES[bound.verdict or TargetVerdict.OPEN]
        first = items.iloc[0]
        moves.append(
            JudgedMove(
                number, _before(first), first[ARTICLE], len(items), len(sample),
                answers_needed(len(items), target), bound, sequence.further_answers(bound), state,
                number in by_person,
            )
        )  # fmt: skip
    return moves


def _before(row: pd.Series) -> str:
    """The tag before: the article type, or the master category alone."""
    master = row[OLD_MASTER]
    return str(row[OLD_ARTICLE] or (f"{master}, no type" if master else ""))


_STATES = {
    TargetVerdict.SHOWN: MoveState.ACCEPTED,
    TargetVerdict.LOST: MoveState.REJECTED,
    TargetVerdict.OPEN: MoveState.OPEN,
}


def _answers(sample: pd.DataFrame, decisions: Mapping[str, Mapping[str, Any]]) -> Sequence[bool]:
    """Whether the new tag is right, of the sample's first items up to one that nobody has answered."""
    answers = []
    for row in sample.to_dict("records"):
        decision = decisions.get(row["id"])
        if decision is None:
            break
        answers.append((decision[MASTER], decision[ARTICLE]) == (row[MASTER], row[ARTICLE]))
    return answers
