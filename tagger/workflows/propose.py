"""Puts a run's changes up as moves, and counts what people said of their samples."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from tagger.comparing.pairs import ARTICLE, MASTER
from tagger.comparing.proposals import (
    MOVE,
    OLD_ARTICLE,
    OLD_MASTER,
    PREDICTED_COLUMNS,
    JudgedMove,
    MoveState,
    changes,
    judge_moves,
    proposal_queue,
    samples,
)
from tagger.comparing.proposals_page import page_of
from tagger.decisions.final_tags import newest_by_id
from tagger.decisions.read import DATABASE, decisions_of
from tagger.errors import UsageError
from tagger.evaluation.pictures import Pictures
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.io.parquet import open_parquet, write_parquet
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.parts import Spent
from tagger.runs.staging import Staged
from tagger.schemas.configs.compare import ProposeConfig
from tagger.schemas.tables.change import Outcome
from tagger.workflows.final_tags import FinalTags
from tagger.workflows.open_catalog import open_catalog, resolve_location, versions

PAGE, MOVES, STATES = "moves.html", "moves.parquet", "moves.json"
_SAMPLES = 6
_COLUMNS = ["id", MOVE, OLD_MASTER, OLD_ARTICLE, MASTER, ARTICLE]


@dataclass(frozen=True)
class ProposeResult:
    """The moves of a proposal."""

    out: Location
    moves: list[JudgedMove]
    to_judge: int
    """Items of all samples."""
    judged: int

    @property
    def items(self) -> int:
        """That change."""
        return sum(move.items for move in self.moves)

    def in_state(self, state: MoveState) -> int:
        """Items of the moves in a state."""
        return sum(move.items for move in self.moves if move.state == state)


def propose(config: ProposeConfig, reporter: Reporter = LOG) -> ProposeResult:
    """Put a run's changes up as moves; where a proposal is there already, count what was judged.

    Args:
        config: The newer run, the earlier ones, the manifest with its images, and the folder to write to.
        reporter: Where progress and warnings go.

    Returns:
        The moves with their states. `tagger review --run OUT` shows their samples.

    Raises:
        UsageError: when there is no run, or the folder holds something else.
        InputError: when no run has finished.
    """
    out = resolve_location(config.out, config)
    directory = RunDirectory(out)
    both = [number for number in config.accept if number in config.reject]
    if both:
        raise UsageError(f"--accept and --reject {both[0]}: choose one of the two")
    _, store = open_catalog(config, reporter)
    if (out / MOVES).exists():
        _check_same(config, directory)
        frame = _read(out)
    else:
        if out.files():
            raise UsageError(f"--out: {out} is not empty, and holds no proposal; name a new folder")
        frame = _begin(config, directory, reporter)
    if frame.empty:
        return _nothing(config, out)
    states = _states(config, out, frame)
    drawn = samples(frame, config.precision, config.seed)
    decided = newest_by_id(decisions_of(directory, config.database or os.environ.get(DATABASE)))
    moves = judge_moves(frame, drawn, decided, config.precision, states)
    result = ProposeResult(out, moves, len(drawn), int(drawn["id"].isin(decided.keys()).sum()))
    shown = {move.number: drawn[drawn[MOVE] == move.number].head(_SAMPLES) for move in moves[: config.shown]}
    refs = _predicted(directory, [item for rows in shown.values() for item in rows["id"]])
    pictures = Pictures(store, config.max_pixels).of([ref["imageUri"] for ref in refs.values()])
    tiles = {
        number: [(item, pictures.get(refs[item]["imageUri"] or "", "") if item in refs else "") for item in rows["id"]]
        for number, rows in shown.items()
    }
    (out / PAGE).write_text(page_of(moves, tiles, config.precision, str(out)))
    document = {"precision": config.precision, "states": {str(move.number): str(move.state) for move in moves},
                "byPerson": {str(number): str(state) for number, state in states.items()}}  # fmt: skip
    (out / STATES).write_text(as_json(document))
    return result


def _check_same(config: ProposeConfig, directory: RunDirectory) -> None:
    """Raise UsageError where the samples were drawn for another precision, or by another seed."""
    record = directory.record()
    for name in ("precision", "seed") if record else ():
        then, now = record.config.get(name) if record else None, getattr(config, name)
        if then != now:
            raise UsageError(f"--{name}: the samples of {directory.root} were drawn for {then}; name a new --out")


def _nothing(config: ProposeConfig, out: Location) -> ProposeResult:
    """A proposal without moves. Raises UsageError when one is named."""
    if config.accept or config.reject:
        raise UsageError(f"there is no move {[*config.accept, *config.reject][0]}: nothing changes")
    (out / PAGE).write_text(page_of([], {}, config.precision, str(out)))
    (out / STATES).write_text(as_json({"precision": config.precision, "states": {}, "byPerson": {}}))
    return ProposeResult(out, [], 0, 0)


def _begin(config: ProposeConfig, directory: RunDirectory, reporter: Reporter) -> pd.DataFrame:
    """Find what changes, draw samples of it, and write both: the changes last."""
    new = FinalTags(resolve_location(config.run, config), config.database, [])
    olds = [FinalTags(resolve_location(name, config), None, []) for name in config.old]
    reporter.step("Comparing the tags")
    frame = changes((table for old in reversed(olds) for table in old.tables()), new.tables())
    if frame.empty:
        directory.root.check_writable("--out")
        write_parquet(directory.root / MOVES, pa.Table.from_pandas(frame[_COLUMNS], preserve_index=False))
        return frame
    drawn = samples(frame, config.precision, config.seed)
    predicted: dict[str, Mapping[str, Any]] = {}
    for entry in reversed(new.entries):
        predicted |= _predicted(entry.directory, drawn["id"].tolist()) if entry.done and not entry.rolled_back else {}
    key = "\n".join([*(entry.record.run_id for entry in new.entries), str(config.precision), *drawn["id"]])
    inputs = {"changes": hashlib.sha256(key.encode()).hexdigest()[:16]}
    model = str(new.entries[0].record.config.get("model") or "")
    settings = {**config.model_dump(mode="json"), "model": model, "out": directory.root.uri}
    record = directory.begin(settings, inputs, new.entries[0].record.model_id, versions(), kind="proposal")
    if not directory.is_done():
        queue = proposal_queue(drawn, predicted, record.model_id, record.run_id)
        directory.write_part(0, queue, {}, Spent(0, None))
        directory.finish(record, Staged(len(queue), len(queue), 0, 0, {}, {}, 1))
    write_parquet(directory.root / MOVES, pa.Table.from_pandas(frame[_COLUMNS], preserve_index=False))
    return frame


def _read(out: Location) -> pd.DataFrame:
    frame: pd.DataFrame = open_parquet(out / MOVES).read().to_pandas()
    return frame


def _predicted(directory: RunDirectory, items: list[str]) -> dict[str, Mapping[str, Any]]:
    """The predictions of items by id, with PREDICTED_COLUMNS."""
    wanted = set(items)
    rows = (row for table in directory.batches(PREDICTED_COLUMNS) for row in table.to_pylist())
    return {row["id"]: row for row in rows if row["id"] in wanted}


def _states(config: ProposeConfig, out: Location, frame: pd.DataFrame) -> dict[int, MoveState]:
    """Moves that somebody has decided about as a whole: before, and now."""
    known = set(frame[MOVE].unique().tolist())
    unknown = [number for number in [*config.accept, *config.reject] if number not in known]
    if unknown:
        raise UsageError(f"there is no move {unknown[0]}; the moves are 0 to {max(known)}")
    before = read_states(out).get("byPerson", {})
    states = {int(number): MoveState(state) for number, state in before.items()}
    states |= dict.fromkeys(config.accept, MoveState.ACCEPTED) | dict.fromkeys(config.reject, MoveState.REJECTED)
    return states


def read_states(out: Location) -> dict[str, Any]:
    """What is known of the moves of a proposal; empty before the first count."""
    file = out / STATES
    return dict(json.loads(file.read_bytes())) if file.exists() else {}


class Proposed:
    """What a proposal lets through.

    Args:
        out: Its folder.
        database: Where decisions are kept, where it is not beside the run.

    Raises UsageError when it is no proposal.
    """

    def __init__(self, out: Location, database: str | None) -> None:
        if not (out / MOVES).exists():
            raise UsageError(f"--proposal: {out} is no proposal; tagger propose makes one")
        states = {int(number): state for number, state in read_states(out).get("states", {}).items()}
        frame = _read(out)
        held = {MoveState.OPEN: Outcome.PROPOSED, MoveState.REJECTED: Outcome.REJECTED}
        self._outcomes = {
            item: held[MoveState(states[move])]
            for item, move in zip(frame["id"], frame[MOVE], strict=True)
            if states[move] != MoveState.ACCEPTED
        }
        self.decided = newest_by_id(decisions_of(RunDirectory(out), database))
        """The newest decision about each item of the samples."""

    def outcome(self, item: str) -> Outcome | None:
        """What becomes of an item whose move is not accepted; None for all others, and for those that were judged."""
        return None if item in self.decided else self._outcomes.get(item)
