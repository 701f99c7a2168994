"""Measures on this machine what the steps of a tagging run cost, to simulate runs on a cluster."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from tagger.errors import TaggerError, UsageError
from tagger.flow.tasks import in_turn
from tagger.images.stores import ImageStore, open_store
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.jobs.benchmark.loopback_s3 import BUCKET, loopback_s3
from tagger.jobs.benchmark.rates import decode_only, run_in_parallel
from tagger.jobs.benchmark.tag_job import Tagged, TagJob, run_script
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.manifest.manifest import Manifest
from tagger.manifest.selection import EVERYTHING
from tagger.models.bundle import Bundle
from tagger.runs.directory import RunDirectory
from tagger.runs.parallel_staging import stage_ranges, staging_keys
from tagger.runs.parts import Spent, part_counts
from tagger.runs.range_staging import RangeStaging
from tagger.runs.staging import shard_of, stage
from tagger.schemas.configs.bench import BenchConfig
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.documents.cluster_costs import ClusterCosts, ImageCosts
from tagger.schemas.tables.item import ITEM
from tagger.schemas.tables.prediction import PREDICTION

BUSY = 0.1
"""Share of the CPUs that others may use, before it is said."""
_MORE_ROUNDS = 6
"""Rounds beyond those that were asked for, while the machine is too busy to tell the costs from noise."""
_FEW, _SMALL_PART_ROWS = 1024, 32
_WATCHED_S = 3.0
_STAGED_ROWS = 200_000
_STAGED_PART_ROWS = (8192, 256)
_COUNTED_PARTS = 1000


def read_costs(file: Path) -> ClusterCosts:
    """The costs that an earlier call printed with --json. Raises UsageError when the file has none."""
    try:
        document = json.loads(file.read_bytes())
        return ClusterCosts.model_validate(document.get("costs", document) if isinstance(document, dict) else document)
    except OSError as error:
        raise UsageError(f"--costs: {file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"--costs: {file}: {where or 'the document'}: {first['msg']}") from error
    except ValueError as error:
        raise UsageError(f"--costs: {file} is not JSON: {error}") from error


@dataclass(frozen=True)
class Round:
    """Runs of the tag job, one right after another, because the speed of shared machines drifts."""

    small_parts: Tagged
    usual_parts: Tagged
    from_s3: Tagged | None


def measure_costs(
    config: BenchConfig, bundle: Bundle, files: Sequence[Path], job: TagJob, console: Console
) -> ClusterCosts:
    """Measure each cost; takes minutes.

    Args:
        config: Rounds, seconds, and whether to measure S3.
        bundle: The model.
        files: Images, N of them.
        job: Calls the tag job.
        console: Shows the steps.

    Raises:
        TaggerError: when the machine is too busy to tell some cost from noise.
    """
    others_cpu = _others_cpu()
    if others_cpu > BUSY:
        console.warn(
            f"Other processes use {percent(others_cpu, 0)} of this machine's CPUs, so all costs will be too high; "
            "measure on a machine that does nothing else"
        )
    console.step("The tag job once, to choose an engine, which later calls then take without comparing")
    engine = job(_manifest(files, job.work / "all.csv"), _pattern(files)).engine
    console.step(f"Decoding only, {job.workers} processes")
    decoded = run_in_parallel(decode_only, job.workers, (bundle, files, config.seconds))
    rounds: list[Round] = []
    for number in range(1, config.rounds + _MORE_ROUNDS + 1):
        if number <= config.rounds:
            console.step(f"Round {number} of {config.rounds}: the tag job in small parts, and in usual parts")
        elif costs_are_told(rounds):
            break
        else:
            console.step(f"Round {number}, since the earlier ones differ too much to tell what a part costs")
        rounds.append(_round(files, job, config.s3))
    image, part = image_and_part(rounds, job.workers / decoded)
    console.step("Staging, counting parts, and scheduling through Ray")
    stage_row, stage_part = _staging(job.work)
    card = bundle.card
    return ClusterCosts(
        measured_on=(
            f"{os.cpu_count()} cores, {job.workers} workers, {len(files):,} images; {card.architecture.backbone} "
            f"{card.preprocessing.height}x{card.preprocessing.width} on {engine}"
        ),
        others_cpu=others_cpu,
        start=median(r.small_parts.seconds - r.small_parts.tagging_s for r in rounds),
        worker_start=max(0, median(r.small_parts.tagging_s - _worker_s(r.small_parts) / job.workers for r in rounds)),
        stage_row=stage_row,
        stage_part=stage_part,
        stage_range_row=_staging_in_ranges(job.work),
        image=image,
        part=part,
        finish_part=_finish_part_s(job.work),
        image_bytes=sum(file.stat().st_size for file in files) / len(files),
        **run_script("scheduling_costs"),
    )


def _others_cpu() -> float:
    """Share of the machine's CPUs in use while this command waits."""
    return psutil.cpu_percent(interval=_WATCHED_S) / 100


def _manifest(files: Sequence[Path], file: Path) -> Path:
    file.write_text("id\n" + "".join(f"{image.stem}\n" for image in files))
    return file


def _pattern(files: Sequence[Path]) -> str:
    return f"{files[0].parent}/{{id}}.jpg"


def _round(files: Sequence[Path], job: TagJob, with_s3: bool) -> Round:
    few = _manifest(files[:_FEW], job.work / "few.csv")
    everything, images = job.work / "all.csv", _pattern(files)
    small, usual = job(few, images, "--part-rows", str(_SMALL_PART_ROWS)), job(everything, images)
    if not with_s3:
        return Round(small, usual, None)
    with loopback_s3(files[0].parent) as endpoint:
        return Round(small, usual, job(everything, f"s3://{BUCKET}/{{id}}.jpg", "--s3-endpoint", endpoint))


def costs_are_told(rounds: Sequence[Round]) -> bool:
    """Whether an image and a part cost something by these rounds, which noise can hide."""
    try:
        image_and_part(rounds, 0.0)
    except TaggerError:
        return False
    return True


def image_and_part(rounds: Sequence[Round], decode_s: float) -> tuple[ImageCosts, float]:
    """Seconds of a worker for an image and for a part, of parts of usual and of small size.

    Each is taken from its fastest round: what else runs on a machine only adds to a time, so further rounds come closer
    to what a quiet machine needs, and a median does not (see `timeit.Timer.repeat`).

    Raises:
        TaggerError: when the runs differ too much.
    """
    usual = min(_worker_s(r.usual_parts) / _rows(r.usual_parts) for r in rounds)
    parts_an_image = len(rounds[0].usual_parts.parts) / _rows(rounds[0].usual_parts)
    small = min(median(part.spent.worker_s for part in r.small_parts.parts) for r in rounds)
    part = (small - _SMALL_PART_ROWS * usual) / (1 - _SMALL_PART_ROWS * parts_an_image)
    image = usual - part * parts_an_image
    forward = min(sum(p.spent.engine_s or 0 for p in r.usual_parts.parts) / _rows(r.usual_parts) for r in rounds)
    from_s3 = [_worker_s(r.from_s3) / _rows(r.from_s3) for r in rounds if r.from_s3]
    fetch = min(from_s3) - usual if from_s3 else None
    if part < 0 or image - forward + min(0, fetch or 0) < 0:
        raise TaggerError(
            "the runs differ too much to tell what an image and a part cost: the machine is too busy. Run it again, "
            "with more --items or --rounds"
        )
    return ImageCosts(forward=forward, decode=decode_s, rest=image - forward - decode_s, fetch=fetch), part


def _worker_s(tagged: Tagged) -> float:
    return sum(part.spent.worker_s for part in tagged.parts)


def _rows(tagged: Tagged) -> int:
    return sum(part.rows for part in tagged.parts)


def _staging(work: Path) -> tuple[float, float]:
    """Seconds for a row and for a part: of a Parquet manifest with ids in random order, in few and in many parts."""
    numbers = np.random.default_rng(0).permutation(_STAGED_ROWS)
    pq.write_table(pa.table({"id": [f"sku-{number:09d}" for number in numbers]}), work / "staged.parquet")
    (few_s, few), (many_s, many) = (_staged(work, part_rows) for part_rows in _STAGED_PART_ROWS)
    a_part = max(0.0, (many_s - few_s) / (many - few))
    return (few_s - few * a_part) / _STAGED_ROWS, a_part


def _staging_in_ranges(work: Path) -> float:
    """Seconds for a row of the same manifest, of one process that does the work of all."""
    manifest, store = _staged_catalog(work)
    directory = RunDirectory(Location(str(work / "staged-in-ranges")))
    keys = staging_keys(directory.work, directory.rejects, ())
    staging = RangeStaging(manifest, store, EVERYTHING, (), directory.work, directory.rejects, keys)
    began = time.perf_counter()
    stage_ranges(staging, manifest.ranges(), _STAGED_PART_ROWS[0], lambda _: None, 2, in_turn)
    return (time.perf_counter() - began) / _STAGED_ROWS


def _staged_catalog(work: Path) -> tuple[Manifest, ImageStore]:
    config = CheckConfig(manifest=str(work / "staged.parquet"), images=f"{work}/images/{{id}}.jpg")
    manifest = Manifest(Location(config.manifest), config)
    return manifest, open_store(config, manifest)


def _staged(work: Path, part_rows: int) -> tuple[float, int]:
    """Seconds to stage the manifest, and its shards."""
    manifest, store = _staged_catalog(work)
    directory = RunDirectory(Location(str(work / f"staged-{part_rows}")))
    began = time.perf_counter()
    shards = stage(manifest, store, directory.work, directory.rejects, part_rows).shards
    return time.perf_counter() - began, shards


def _finish_part_s(work: Path) -> float:
    """Seconds to read the counts of a part, of many, and to delete its shard."""
    directory = RunDirectory(Location(str(work / "finished")))
    for number in range(_COUNTED_PARTS):
        directory.write_part(number, PREDICTION.empty_table(), {}, Spent(0, None))
        write_parquet(shard_of(directory.work, number), ITEM.empty_table())
    began = time.perf_counter()
    part_counts(directory.predictions)
    directory.work.delete()
    return (time.perf_counter() - began) / _COUNTED_PARTS
