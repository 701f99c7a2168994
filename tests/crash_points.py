"""Ends a run at every point at which it touches a file, and repeats it: `python -m tests.crash_points --kills 1000`.

The night is a real one, over small shards and with predictions of a night before: its manifest is staged, its shards
are tagged, its parts counted. Only Ray is left out, which would take seconds a kill: a shard is tagged in a process
that the command forks, and done again if it dies, as the pool of workers does. `tests.kill_runs` kills real workers.
"""

import argparse
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tagger.demo.drawn_catalogue import ARTICLES, draw_catalogue
from tagger.engines.base import Engine, PreparedEngine
from tagger.imaging.threads import decode_in_one_thread
from tagger.io.location import Location
from tagger.models.classifier import new_classifier, pack
from tagger.schemas.configs.tag import TagConfig
from tagger.tagging import engine_choice
from tagger.tagging.collector import Claim, Outcome
from tagger.tagging.shard_tagger import ShardTagger, TagPlan
from tagger.tagging.worker_pool import Workers
from tagger.workflows import staged_rows
from tagger.workflows import tag as workflow
from tests.builders import card
from tests.kill_runs import predictions

_LIMIT_S = 60
_TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "fcntl.flock"}


@dataclass(frozen=True)
class Kill:
    """When a process kills itself."""

    target: str
    """`driver`, the command's process, or `worker`, the first process that tags the shard."""
    touch: int
    """At the so-manieth time that it touches a file of the run."""
    shard: int = 0
    """Of which shard the worker is."""
    later_s: float = 0.0
    """And so much later, in the middle of what follows."""


class Alone:
    """The coordinator's client of a worker that is alone: every image is its own."""

    def add_outcomes(self, outcomes: Mapping[bytes, Outcome]) -> None: ...

    def add_rows(self, rows: int) -> None: ...

    def claim(self, digests: Sequence[bytes], take_over: bool = False) -> list[Outcome | Claim]:
        return [Claim.MINE] * len(digests)

    def flush(self) -> None: ...


class Touches:
    """Counts how often this process touches a file of a folder, and kills it at one of these moments."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.fsencode(folder)
        self._kill: Kill | None = None
        self.count = 0
        sys.addaudithook(self._see)

    def begin(self, kill: Kill | None) -> None:
        """Count from 0."""
        self.count, self._kill = 0, kill

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _TOUCHES and self._is_below(arguments[0]):
            self.count += 1
            if self._kill and self.count == self._kill.touch:
                if self._kill.later_s:
                    signal.setitimer(signal.ITIMER_REAL, self._kill.later_s)  # SIGALRM ends the process
                else:
                    os.kill(os.getpid(), signal.SIGKILL)

    def _is_below(self, path: object) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.fsencode(path).startswith(self._folder)


@dataclass
class Night:
    """A night's run, in a process that may be killed.

    Args:
        config: Of the run; `out` is given by each call.
        work: A folder for runs, and for what their processes note.
    """

    config: TagConfig
    work: Path

    @property
    def notes(self) -> Path:
        """Lines of the runs' processes: how often each touched files, and the shard of each worker that was killed."""
        return self.work / "touches"

    def call(self, out: Path, kill: Kill | None) -> int:
        """Run the command in a process; return its status as `os.waitpid` does."""
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            self._run(out, kill)
        status = _wait(pid)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # a worker that has outlived the command
        return status

    def _run(self, out: Path, kill: Kill | None) -> NoReturn:
        """In the process: tag without Ray, then end at once."""
        os.setpgid(0, 0)
        code = 1
        try:
            touches = Touches(out)
            touches.begin(kill if kill and kill.target == "driver" else None)
            of_worker = kill if kill and kill.target == "worker" else None
            without_ray: dict[str, Any] = {
                "fit_workers": lambda *_, **__: Workers(1, 1),
                "tag_shards": partial(self._tag_shards, touches, of_worker),
            }  # fmt: skip
            with (
                patch.multiple(workflow, **without_ray),
                patch.object(staged_rows, "ray_session", lambda *_, **__: nullcontext()),
                patch.object(engine_choice, "ray_is_running", return_value=True),  # or another process chooses it
            ):
                workflow.tag(self.config.model_copy(update={"out": str(out)}))
            self._note("driver", touches.count)
            code = 0
        except Exception:
            logging.exception("the command")
        finally:
            os._exit(code)

    def _tag_shards(
        self,
        touches: Touches,
        kill: Kill | None,
        plan: TagPlan,
        prepared: "Future[PreparedEngine]",
        shards: Sequence[int],
        workers: Workers,
        watch: Callable[[int, str], None],
    ) -> None:
        """Tag shards one after another, each in a process of its own; one that dies is followed by another."""
        while not prepared.done():
            watch(0, "choosing an engine")
            time.sleep(0.01)
        engine = prepared.result().start()
        for number in shards:
            while status := self._tag_shard(touches, kill, plan, engine, number):
                assert kill and os.WIFSIGNALED(status), f"a worker ended with {status}"
                self._note("killed", number)
                kill = None
            watch(number, "")

    def _tag_shard(self, touches: Touches, kill: Kill | None, plan: TagPlan, engine: Engine, number: int) -> int:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                touches.begin(kill if kill and kill.shard == number else None)
                ShardTagger(plan, Alone, lambda: engine, engine_is_remote=False).tag(number)
                self._note("worker", touches.count)
                code = 0
            except Exception:
                logging.exception("a worker")
            finally:
                os._exit(code)
        return _wait(pid)

    def _note(self, what: str, number: int) -> None:
        with self.notes.open("a") as file:
            file.write(f"{what} {number}\n")


def _wait(pid: int) -> int:
    """Wait for a process; return its status. AssertionError if it does not end."""
    until = time.monotonic() + _LIMIT_S
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError(f"a process was not at its end after {_LIMIT_S} s")


@dataclass(frozen=True)
class Finished:
    """What a run left, less what is its own."""

    predictions: pa.Table
    rejects: pa.Table
    counts: dict[str, Any]
    files: set[str]

    @classmethod
    def of(cls, run: Path) -> "Finished":
        """Read a run's folder."""
        record = json.loads((run / "run.json").read_bytes())
        files = {str(file.relative_to(run)) for file in run.rglob("*")} - {"_lock"}  # that of a killed holder is free
        return cls(predictions(run), _table(run / "rejects"), record["counts"], files)


def _table(folder: Path) -> pa.Table:
    tables = [pq.ParquetFile(file).read().replace_schema_metadata(None) for file in sorted(folder.glob("*.parquet"))]
    return pa.concat_tables(tables) if tables else pa.table({})


def new_night(work: Path, items: int = 80, part_rows: int = 8) -> Night:
    """Draw a catalogue, tag most of it in one night, and change some of it before the next, which is returned."""
    drawn = draw_catalogue(work / "catalogue", items, seed=5)
    torch.manual_seed(0)
    draft = card(list(ARTICLES))
    pack(draft, new_classifier(draft, "none").state_dict()).save(Location(str(work / "bundle")))
    heading, *rows = drawn.manifest.read_text().splitlines()
    first = work / "first.csv"
    first.write_text("\n".join([heading, *rows[: items * 2 // 3]]))
    first_night = TagConfig(
        manifest=str(first), images=f"{drawn.images}/{{id}}.jpg", model=str(work / "bundle"), out="-", device="cpu",
        engine="torch-cpu-float32", part_rows=part_rows, embeddings=True,
    )  # fmt: skip
    status = Night(first_night, work).call(work / "runs" / "first", None)
    assert status == 0, f"the first night ended with {status}"
    for name in sorted(file.name for file in drawn.images.glob("*.jpg"))[: items // 8]:
        data = (drawn.images / name).read_bytes()
        (drawn.images / name).write_bytes(data + b"changed")
    known = [str(work / "runs" / "first")]
    return Night(first_night.model_copy(update={"manifest": str(drawn.manifest), "known": known}), work)


def kills(night: Night, count: int, seed: int) -> Iterator[list[Kill]]:
    """Kills of so many runs: at each touch that the undisturbed run made, and then several a run, at random moments."""
    rng = random.Random(seed)
    noted = [line.split() for line in night.notes.read_text().splitlines()]
    of_driver = max(int(touches) for process, touches in noted if process == "driver")
    of_workers = [int(touches) for process, touches in noted if process == "worker"]
    at = [Kill("driver", touch) for touch in range(1, of_driver + 1)]
    at += [Kill("worker", touch, shard) for shard, of in enumerate(of_workers) for touch in range(1, of + 1)]
    rng.shuffle(at)
    for number in range(count):
        if number < len(at):
            yield [at[number]]
        else:
            drawn = [replace(rng.choice(at), later_s=rng.choice((0, rng.uniform(1e-4, 0.05)))) for _ in range(3)]
            # those of the command first: one that loses a worker alone goes on to its end
            yield sorted(drawn[: rng.randint(1, 3)], key=lambda kill: kill.target)


def run(work: Path, count: int, seed: int) -> dict[str, int]:
    """Kill so many runs, and compare each with one that nobody disturbed.

    Returns:
        How many processes were killed, by target, and how many runs there were.

    Raises:
        AssertionError: when a run that was killed differs from the undisturbed one.
    """
    night = new_night(work)
    night.notes.unlink(missing_ok=True)
    calm = work / "runs" / "undisturbed"
    assert night.call(calm, None) == 0
    expected = Finished.of(calm)
    done: Counter[str] = Counter()
    for number, planned in enumerate(kills(night, count, seed)):
        out = work / "runs" / f"killed-{number}"
        for kill in planned:
            status = night.call(out, kill)
            assert status == 0 or os.WIFSIGNALED(status), f"{planned}: the command ended with {status}"
            done["driver"] += os.WIFSIGNALED(status)
        assert night.call(out, None) == 0, f"{planned}: the command that goes on did not end well"
        got = Finished.of(out)
        assert got.files == expected.files, f"{planned}: other files: {sorted(got.files ^ expected.files)}"
        for part in fields(Finished):
            assert getattr(got, part.name) == getattr(expected, part.name), f"{planned}: other {part.name}"
        shutil.rmtree(out)
        done["runs"] += 1
        print(f"{number + 1}: {planned}", file=sys.stderr, flush=True)
    done["worker"] = sum(line.startswith("killed") for line in night.notes.read_text().splitlines())
    return dict(done)


def main() -> None:
    """Kill runs, compare them, and print how many processes were killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100, help="number of runs")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    decode_in_one_thread()  # no thread of a library may run where this process forks
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        print(json.dumps(run(Path(work), given.kills, given.seed) | {"allEqual": True}))


if __name__ == "__main__":
    main()
