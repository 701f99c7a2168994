"""The page of a comparison: one HTML file without external resources."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tagger.comparing.judging import JudgedPairs
from tagger.comparing.pairs import ARTICLE, NEW, OLD, McNemar, Pairs
from tagger.evaluation.standalone import page_environment

_SAMPLES = 6


def samples_of(pairs: Pairs, moves: pd.DataFrame, count: int) -> dict[tuple[str, str], pd.DataFrame]:
    """A few items of each of the first moves."""
    groups = pairs.disagreements.groupby([f"{OLD}.{ARTICLE}", f"{NEW}.{ARTICLE}"])
    names = [(row[f"{OLD}.{ARTICLE}"], row[f"{NEW}.{ARTICLE}"]) for row in moves.head(count).to_dict("records")]
    return {name: groups.get_group(name).head(_SAMPLES) for name in names}


def page_of(
    facts: Mapping[str, Any],
    moves: pd.DataFrame,
    samples: Mapping[tuple[str, str], pd.DataFrame],
    pictures: Mapping[str, str],
    truth: McNemar | None,
    judged: JudgedPairs,
    judge_folder: str,
    waiting: int,
) -> str:
    """Render the page as HTML.

    Args:
        facts: Names and counts.
        moves: The result of `moves`.
        samples: Items of the moves to show.
        pictures: Thumbnails by image reference.
        truth: How both compare with what is known; None where nothing is.
        judged: What people said.
        judge_folder: The run of disagreements to judge.
        waiting: How many of these there are.
    """
    environment = page_environment(__file__)
    by_name = {(row[f"{OLD}.{ARTICLE}"], row[f"{NEW}.{ARTICLE}"]): row for row in moves.to_dict("records")}
    shown = [_shown(name, by_name[name], items, pictures) for name, items in samples.items()]
    return environment.get_template("comparison.html").render(
        facts=facts, moves=shown, more=len(moves) - len(shown), truth=truth, judged=judged,
        judge_folder=shlex.quote(judge_folder), waiting=waiting,
    )  # fmt: skip


def _shown(
    name: tuple[str, str], row: Mapping[Any, Any], items: pd.DataFrame, pictures: Mapping[str, str]
) -> dict[str, Any]:
    rows: Sequence[Mapping[Any, Any]] = items.to_dict("records")
    return {
        "old": name[0],
        "new": name[1],
        "items": int(row["items"]),
        "accepted": int(row["accepted"]),
        "old_right": row["old_right"] / row["items"],
        "new_right": row["new_right"] / row["items"],
        "samples": [(each["id"], pictures.get(each[f"{NEW}.imageUri"] or "", "")) for each in rows],
    }
