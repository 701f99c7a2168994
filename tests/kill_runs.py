"""Kills runs at random moments and repeats them: `python -m tests.kill_runs --manifest M --images S --model B`.

Each run is killed with SIGKILL once, in its command, one of its workers or its raylet, and called again until it is
done. It must then hold exactly one row an item, equal to an undisturbed run's, and have redone at most the shards that
were in flight.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.jobs.benchmark.process_tree import tree_of
from tagger.tagging.gpu_engines import EngineServer
from tagger.tagging.shard_tagger import ShardTagger
from tests.builders import tag_arguments

TARGETS = ("driver", "worker", "raylet")
_TITLES = {"engine": f"ray::{EngineServer.__name__}", "worker": f"ray::{ShardTagger.__name__}", "raylet": "raylet"}
_OWN = ("runId", "taggedAt")
_WORKERS = 2
_CALLS = 4
_WAIT_S = 300


@dataclass(frozen=True)
class Moment:
    """When something is killed."""

    target: str
    after_parts: int
    """The kill comes as soon as there are so many."""
    later_s: float = 0.0
    """And so much later."""


@dataclass(frozen=True)
class Killed:
    """What came of one kill."""

    moment: Moment
    parts_before: int
    redone: int
    calls: int
    """How often the command was called until the next kill, or until the run was done."""


def tag(command: list[str], out: Path) -> subprocess.Popen[bytes]:
    """Start a command; what it says is added to a file beside its run."""
    with _log(out).open("ab") as log:
        return subprocess.Popen(
            [*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )


def _log(out: Path) -> Path:
    return out.parent / f"{out.name}.log"


def predictions(run: Path) -> pa.Table:
    """All that a run predicted, less what names the run itself, in the order of ids."""
    files = sorted((run / "predictions").glob("part-*.parquet"))
    table = pa.concat_tables([pq.ParquetFile(f).read().replace_schema_metadata(None) for f in files])
    return table.drop_columns(list(_OWN)).sort_by("id")


def kill_and_repeat(command: list[str], out: Path, *moments: Moment) -> list[Killed]:
    """Kill one run at several moments, one after another, and call it again whenever it has ended."""
    parts = out / "predictions"
    process = tag(command, out)
    stamps: list[dict[str, int]] = []
    calls: list[int] = []
    for moment in moments:
        while len(_stamps(parts)) < moment.after_parts:
            if process.poll() is not None:
                process = _repeat(process, command, out, calls)
            time.sleep(0.02)
        time.sleep(moment.later_s)
        stamps.append(_stamps(parts))
        calls.append(1)
        _kill(process, moment.target)
        if moment.target == "driver":
            process.wait()
    while process.wait(_WAIT_S):
        process = _repeat(process, command, out, calls)
    if not (out / "_SUCCESS").exists():
        raise AssertionError(f"killed at {moments}, the run never ended")
    after = _stamps(parts)
    redone = [sum(after[name] != stamp for name, stamp in before.items()) for before in stamps]
    return [Killed(*killed) for killed in zip(moments, map(len, stamps), redone, calls, strict=True)]


def _repeat(
    process: subprocess.Popen[bytes], command: list[str], out: Path, calls: list[int]
) -> subprocess.Popen[bytes]:
    """Call a command again that has ended, and count that; AssertionError after too many calls for one kill."""
    if not calls or calls[-1] == _CALLS or not process.returncode:
        raise AssertionError(f"the run ended with {process.returncode}: {_log(out).read_text()[-2000:]}")
    calls[-1] += 1
    return tag(command, out)


def _stamps(parts: Path) -> dict[str, int]:
    return {f.name: f.stat().st_mtime_ns for f in parts.glob("part-*.parquet")} if parts.exists() else {}


def _kill(process: subprocess.Popen[bytes], target: str) -> None:
    """Kill the command, or a process below it; the command itself where there is none such yet."""
    if process.poll() is not None:
        return
    tree = tree_of(process.pid)
    title = _TITLES.get(target, "")
    below = [pid for pid, name in tree.items() if title and Path(name).name.startswith(title)]
    os.kill(random.choice(below) if below else process.pid, signal.SIGKILL)


def run(command: list[str], work: Path, kills: int, seed: int) -> list[Killed]:
    """Kill so many runs, and compare each with one that nobody disturbed."""
    rng = random.Random(seed)
    calm = work / "undisturbed"
    work.mkdir(parents=True, exist_ok=True)
    code = tag(command, calm).wait()
    if code:
        raise AssertionError(f"the undisturbed run ended with {code}: {_log(calm).read_text()[-2000:]}")
    expected = predictions(calm)
    parts = len(_stamps(calm / "predictions"))
    ids = expected["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    results = []
    for number in range(kills):
        target = TARGETS[number % len(TARGETS)]
        # before the first part lie the seconds in which everything starts
        after, moment_s = rng.randrange(parts), rng.uniform(0, 0.5)
        if not after:
            moment_s *= 20
        (killed,) = kill_and_repeat(command, work / f"killed-{number}", Moment(target, after, moment_s))
        got = predictions(work / f"killed-{number}")
        if not got.equals(expected):
            raise AssertionError(f"{killed}: {len(got)} rows, not the {len(expected)} of the undisturbed run")
        if killed.redone > 0:
            raise AssertionError(f"{killed}: parts that were there were done again")
        results.append(killed)
        print(f"{number + 1}: {killed}", file=sys.stderr, flush=True)
    return results


def main() -> None:
    """Kill runs, compare them, and print how many were killed where."""
    parser = tag_arguments(part_rows=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.out.is_dir() and any(given.out.iterdir()):
        parser.error(f"--out {given.out} is not empty, and runs that are done already cannot be killed")
    command = [
        sys.executable, "-m", "tagger.jobs.tag", "--manifest", given.manifest, "--images", given.images, "--model",
        given.model, "--workers", str(_WORKERS), "--part-rows", str(given.part_rows),
    ]  # fmt: skip
    killed = run(command, given.out, given.kills, given.seed)
    calls = Counter(k.moment.target for k in killed)
    print(json.dumps({"killed": calls, "inTheMiddle": sum(k.parts_before > 0 for k in killed), "allEqual": True}))


if __name__ == "__main__":
    main()
