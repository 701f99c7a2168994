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
from tests.builders import tag_arguments

TARGETS = ("driver", "worker", "raylet")
_TITLES = {"engine": "ray::_EngineServer", "worker": "ray::ShardTagger", "raylet": "raylet"}
_OWN = ("runId", "taggedAt")
_WORKERS = 2
_CALLS = 4


@dataclass(frozen=True)
class Killed:
    """One run that was killed and repeated."""

    target: str
    after_parts: int
    """The kill came as soon as there were so many, and a moment later."""
    parts_before: int
    redone: int
    calls: int
    """How often the command was called until the run was done."""


def tag(command: list[str], out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def predictions(run: Path) -> pa.Table:
    """All that a run predicted, less what names the run itself, in the order of ids."""
    files = sorted((run / "predictions").glob("part-*.parquet"))
    table = pa.concat_tables([pq.ParquetFile(f).read().replace_schema_metadata(None) for f in files])
    return table.drop_columns(list(_OWN)).sort_by("id")


def kill_and_repeat(command: list[str], out: Path, target: str, after_parts: int, moment_s: float) -> Killed:
    process = tag(command, out)
    parts = out / "predictions"
    while len(_stamps(parts)) < after_parts and process.poll() is None:
        time.sleep(0.02)
    time.sleep(moment_s)
    before = _stamps(parts)
    _kill(process, target)
    calls = 1
    while calls < _CALLS:
        _, said = process.communicate(timeout=300)
        if process.returncode == 0:
            break
        process = tag(command, out)
        calls += 1
    if not (out / "_SUCCESS").exists():
        raise AssertionError(f"killed {target} after {after_parts} parts, the run never ended: {said[-2000:]}")
    after = _stamps(parts)
    redone = sum(after[name] != stamp for name, stamp in before.items())
    return Killed(target, after_parts, len(before), redone, calls)


def _stamps(parts: Path) -> dict[str, int]:
    return {f.name: f.stat().st_mtime_ns for f in parts.glob("part-*.parquet")} if parts.exists() else {}


def _kill(process: subprocess.Popen[str], target: str) -> None:
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
    process = tag(command, calm)
    _, said = process.communicate()
    if process.returncode:
        raise AssertionError(f"the undisturbed run ended with {process.returncode}: {said[-2000:]}")
    expected = predictions(calm)
    parts = len(_stamps(calm / "predictions"))
    ids = expected["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    found = []
    for number in range(kills):
        target = TARGETS[number % len(TARGETS)]
        # before the first part lie the seconds in which everything starts
        after, moment_s = rng.randrange(parts), rng.uniform(0, 0.5)
        if not after:
            moment_s *= 20
        killed = kill_and_repeat(command, work / f"killed-{number}", target, after, moment_s)
        got = predictions(work / f"killed-{number}")
        if not got.equals(expected):
            raise AssertionError(f"{killed}: {len(got)} rows, not the {len(expected)} of the undisturbed run")
        if killed.redone > 0:
            raise AssertionError(f"{killed}: parts that were there were done again")
        found.append(killed)
        print(f"{number + 1}: {killed}", file=sys.stderr, flush=True)
    return found


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
    calls = Counter(k.target for k in killed)
    print(json.dumps({"killed": calls, "inTheMiddle": sum(k.parts_before > 0 for k in killed), "allEqual": True}))


if __name__ == "__main__":
    main()
