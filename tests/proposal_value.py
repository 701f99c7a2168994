"""What a proposal lets through: its samples are answered by the labels, and each state's precision is counted.

    python -m tests.proposal_value PROPOSAL --labels styles.csv --run NEW [--old OLD]

PROPOSAL is a new folder. The answers are written as a review's export, and the proposal is asked again.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.comparing.pairs import ARTICLE, MASTER
from tagger.comparing.proposals import MOVE, MoveState
from tagger.evaluation.intervals import share
from tagger.schemas.configs.compare import ProposeConfig
from tagger.schemas.tables.decision import DECISION
from tagger.workflows.propose import MOVES, propose


def main() -> None:
    """Answer the samples, and print what the states hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proposal", type=Path)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--old", nargs="*", default=[])
    parser.add_argument("--precision", type=float, default=0.95)
    given = parser.parse_args()
    config = ProposeConfig(
        run=given.run, old=given.old, manifest=given.labels, images=given.images, out=str(given.proposal),
        precision=given.precision, shown=0,
    )  # fmt: skip
    propose(config)
    labels = pd.read_csv(given.labels, dtype=str, on_bad_lines="skip").set_index("id")[[MASTER, ARTICLE]]
    asked = pq.read_table(given.proposal / "predictions")["id"].to_pylist()
    rows = [
        {"id": item, MASTER: labels.at[item, MASTER], ARTICLE: labels.at[item, ARTICLE], "verdict": "accepted",
         "decidedBy": "labels", "decidedAt": datetime.now(UTC), "runId": "r"}
        for item in asked
    ]  # fmt: skip
    (given.proposal / "decisions").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, DECISION), given.proposal / "decisions/part-00000.parquet")
    result = propose(config)
    frame = pd.read_parquet(given.proposal / MOVES)
    frame["right"] = frame[ARTICLE].to_numpy() == labels.loc[frame["id"], ARTICLE].to_numpy()
    print(f"{result.items:,} items change, in {len(result.moves)} moves; {len(asked):,} were judged at most")
    for state in MoveState:
        moves = [move for move in result.moves if move.state is state]
        items = frame[frame[MOVE].isin([move.number for move in moves])]
        if len(items):
            of = share(int(items["right"].sum()), len(items))
            answers = sum(move.bound.answers for move in moves)
            print(
                f"{state}: {len(moves)} moves, {len(items):,} items, {answers:,} answers, {100 * of.value:.1f}% right "
                f"({100 * (of.low or 0):.1f} to {100 * (of.high or 1):.1f}%)"
            )
    shown = [move for move in result.moves if move.state is MoveState.ACCEPTED]
    below = [m for m in shown if frame[frame[MOVE] == m.number]["right"].mean() < given.precision]
    print(f"accepted moves whose precision is below {100 * given.precision:g}%: {len(below)} of {len(shown)}")


if __name__ == "__main__":
    main()
