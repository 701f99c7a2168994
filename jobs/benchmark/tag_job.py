"""Runs the tag job and the scripts of a benchmark, each in processes of their own."""

import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tagger.errors import TaggerError
from tagger.io.location import Location
from tagger.jobs.benchmark.loopback_s3 import CREDENTIALS
from tagger.jobs.benchmark.process_tree import PeakMemory, run_measured
from tagger.runs.parts import PartCounts, part_counts


@dataclass(frozen=True)
class Tagged:
    """Time and memory of one call of the tag job."""

    seconds: float
    tagging_s: float
    engine: str
    engine_share: float | None
    memory: PeakMemory
    parts: list[PartCounts]


@dataclass(frozen=True)
class TagJob:
    """Calls of the tag job that have a bundle, an engine and a number of workers in common.

    Args:
        work: A folder, with the bundle in `bundle`.
        engine: Name of the engine.
        workers: How many.
    """

    work: Path
    engine: str
    workers: int

    def __call__(self, manifest: Path, images: str, *flags: str) -> Tagged:
        """Run it, and delete its results. Raises TaggerError when it fails, or fails on an image."""
        out = self.work / "run"
        command = [
            sys.executable, "-P", "-m", "tagger.jobs.tag", "--manifest", str(manifest), "--images", images, "--model",
            str(self.work / "bundle"), "--out", str(out), "--engine", self.engine, "--workers", str(self.workers),
            "--json", *flags,
        ]  # fmt: skip
        started = time.perf_counter()
        done, memory = run_measured(command, CREDENTIALS if "--s3-endpoint" in flags else None)
        seconds = time.perf_counter() - started
        if done.returncode:
            raise TaggerError(f"the tag job ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        vectors = any((out / "embeddings").glob("*.parquet"))
        parts = part_counts(Location(str(out / "predictions")))
        shutil.rmtree(out)
        record = json.loads(done.stdout)
        if record["counts"]["decisions"].get("failed"):
            raise TaggerError(f"the tag job failed on {record['counts']['errors']}")
        if vectors != ("--embeddings" in flags):
            raise TaggerError("the tag job wrote image vectors where it should not, or none where it should")
        return Tagged(
            seconds, record["taggingSeconds"], record["engine"]["engine"], record["engineShare"], memory, parts
        )


def run_script(name: str, *arguments: str) -> dict[str, float]:
    """Run a script of this package in its own process; return what it prints as JSON. Raises TaggerError."""
    done, _ = run_measured([sys.executable, "-P", "-m", f"tagger.jobs.benchmark.{name}", *arguments])
    if done.returncode:
        raise TaggerError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    measured: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured
