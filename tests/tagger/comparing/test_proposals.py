"""Moves: what changes, how much of it is judged, and when that shows enough."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tagger.comparing.pairs import ARTICLE, MASTER
from tagger.comparing.proposals import (
    MOVE,
    OLD_ARTICLE,
    MoveState,
    answers_needed,
    changes,
    judge_moves,
    proposal_queue,
    samples,
)
from tagger.confidence.anytime import ConfidenceSequence, TargetVerdict
from tagger.schemas.tables.final_tag import FINAL_TAG

Tag = tuple[str, str]
FLATS, HEELS, TEES = ("Footwear", "Flats"), ("Footwear", "Heels"), ("Apparel", "Tshirts")


def tags(of: Mapping[str, Tag | None], source: str = "model") -> list[pa.Table]:
    rows: list[dict[str, object]] = [
        {
            "id": item, MASTER: tag and tag[0], ARTICLE: tag and tag[1], "source": tag and source, "attributes": [],
            "state": "complete" if tag else "waiting", "modelId": "m", "runId": "r",
        }
        for item, tag in of.items()
    ]  # fmt: skip
    return [pa.Table.from_pylist(rows, schema=FINAL_TAG)]


def answer(item: str, tag: Tag) -> dict[str, str]:
    return {"id": item, MASTER: tag[0], ARTICLE: tag[1]}


def test_changes_are_moves_by_both_levels_and_no_persons_tag_is_among_them() -> None:
    old = tags({"1": FLATS, "2": FLATS, "3": HEELS, "4": None, "7": FLATS})
    by_person = tags({"5": FLATS}, "person")
    new = tags({"1": HEELS, "2": HEELS, "3": HEELS, "4": TEES, "5": HEELS, "6": TEES, "7": None})
    found = changes([*old, *by_person], [*new, *tags({"8": HEELS}, "person")])
    assert found[["id", OLD_ARTICLE, ARTICLE, MOVE]].to_numpy().tolist() == [
        ["1", "Flats", "Heels", 1], ["2", "Flats", "Heels", 1], ["4", "", "Tshirts", 0], ["6", "", "Tshirts", 0],
    ]  # fmt: skip


@pytest.mark.parametrize("items", [1, 5, 40, 312, 5000])
def test_a_sample_begins_with_the_answers_that_suffice_if_all_are_right(items: int) -> None:
    needed = answers_needed(items, 0.95)
    sequence = ConfidenceSequence(items, 0.95)
    assert sequence.after([True] * needed).verdict is TargetVerdict.SHOWN
    if needed > 1:
        assert sequence.after([True] * (needed - 1)).verdict is TargetVerdict.OPEN
    frame = changes([], tags({str(n): HEELS for n in range(items)}))
    sample = samples(frame, 0.95)
    assert len(sample) == min(items, 2 * needed)
    assert sample["spare"].tolist() == sorted(sample["spare"])
    assert sample["rank"].tolist() == list(range(len(sample)))


def test_a_move_is_accepted_rejected_or_open_by_its_answers_in_random_order() -> None:
    frame = changes([], tags({f"a{n}": HEELS for n in range(300)} | {f"b{n}": TEES for n in range(200)}))
    drawn = samples(frame, 0.95)
    of = {number: drawn[drawn[MOVE] == number]["id"].tolist() for number in (0, 1)}
    first = judge_moves(frame, drawn, {}, 0.95, {})
    assert [(m.new, m.items, m.bound.answers, m.state) for m in first] == [
        ("Heels", 300, 0, MoveState.OPEN), ("Tshirts", 200, 0, MoveState.OPEN),
    ]  # fmt: skip
    right = {item: answer(item, HEELS) for item in of[0][: first[0].needed]}
    wrong = {item: answer(item, HEELS) for item in of[1][:6]}
    judged = judge_moves(frame, drawn, right | wrong, 0.95, {})
    assert [move.state for move in judged] == [MoveState.ACCEPTED, MoveState.REJECTED]
    gap = {item: row for item, row in right.items() if item != of[0][3]}
    assert judge_moves(frame, drawn, gap, 0.95, {})[0].bound.answers == 3, "what comes after a gap waits"
    asked = judge_moves(frame, drawn, right | wrong, 0.95, {1: MoveState.ACCEPTED})
    assert [(move.state, move.by_person) for move in asked] == [(MoveState.ACCEPTED, False), (MoveState.ACCEPTED, True)]


def test_the_bound_is_seldom_broken_by_a_move_that_is_not_good_enough() -> None:
    """With a true precision below the target, at most 5% of moves are accepted, whenever the judge stops."""
    generator = np.random.default_rng(3)
    frame = changes([], tags({str(n): HEELS for n in range(200)}))
    accepted = 0
    for seed in range(120):
        wrong = set(generator.choice(200, 14, replace=False).tolist())  # 93% are right
        drawn = samples(frame, 0.95, seed)
        answers = {i: answer(i, FLATS if int(i) in wrong else HEELS) for i in drawn["id"]}
        accepted += judge_moves(frame, drawn, answers, 0.95, {})[0].state is MoveState.ACCEPTED
    assert accepted <= 12


def test_the_old_tag_is_the_other_answer_and_nothing_else_is_said() -> None:
    frame = changes(tags({"1": FLATS}), tags({"1": HEELS, "2": TEES}))
    drawn: pd.DataFrame = samples(frame, 0.95)
    predicted = {
        item: {"id": item, "imageUri": f"{item}.jpg", "imageDigest": None, f"{MASTER}Confidence": 0.9,
               f"{ARTICLE}Confidence": 0.8, "alternatives": None}
        for item in ("1", "2")
    }  # fmt: skip
    rows = {row["id"]: row for row in proposal_queue(drawn, predicted, "m", "r").to_pylist()}
    assert [(a[ARTICLE], round(a["confidence"], 2)) for a in rows["1"]["alternatives"]] == [
        ("Heels", 0.8), ("Flats", 0.01),
    ]  # fmt: skip
    assert [a[ARTICLE] for a in rows["2"]["alternatives"]] == ["Tshirts"]
    assert (rows["1"]["imageUri"], rows["1"]["reviewReasons"]) == ("1.jpg", ["proposed"])
