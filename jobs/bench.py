"""The bench command: measures decoding, the forward pass, the whole tag job, and plain scripts, on the same images."""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.engines.base import BATCH_SIZE, PreparedEngine
from tagger.engines.choose import choose_engine, resolve_device
from tagger.engines.sample import decoded_sample
from tagger.errors import TaggerError, UsageError
from tagger.io.location import Location
from tagger.jobs.benchmark.inputs import MAX_PIXELS, SOME, enlarged, random_bundle, write_images
from tagger.jobs.benchmark.loopback_s3 import BUCKET, CREDENTIALS, loopback_s3
from tagger.jobs.benchmark.process_tree import PeakMemory, run_measured
from tagger.jobs.benchmark.rates import decode_only, forward_only, rate_beyond_start, run_in_parallel
from tagger.jobs.benchmark.report import FIXED_COST_ITEMS, FROM_S3, Result, known_median, report, report_searches
from tagger.jobs.shell.console import Console
from tagger.machine import usable_cores
from tagger.models.bundle import Bundle
from tagger.schemas.configs.bench import BenchConfig
from tagger.schemas.values import parse_range
from tagger.similarity.index import VectorIndex

_BASELINE_ITEMS = 4096  # they are slow
_BASELINES = {"plain DataLoader script": "dataloader_script", "plain Ray Data pipeline": "ray_data_script"}
_GROWTH_SHARD_ROWS = 50_000


def run(config: BenchConfig, console: Console) -> int:
    """Run each measurement in its own process, all on the same files."""
    with tempfile.TemporaryDirectory(dir=config.scratch) as folder:
        work = Path(folder)
        if config.index:
            report_searches([_searched(config.index, size, work, console) for size in config.growth], console)
            return 0
        console.step("Preparing images and model")
        bundle = Bundle.load(Location(config.model)) if config.model else random_bundle(config)
        if config.baselines and bundle.card.preprocessing.edges != "none":
            raise UsageError(
                "--baselines: the plain scripts know nothing of edges, which this bundle looks at; take --no-baselines"
            )
        bundle.save(Location(str(work / "bundle")))
        files = write_images(config, bundle, work)
        workers = parse_range(config.workers)[1] or usable_cores()
        prepared = _engine(config, bundle, files)
        result = Result(len(files), prepared.name, workers)
        rates = result.images_per_second

        console.step(f"Decoding only, {workers} processes")
        rates["decode only"] = run_in_parallel(decode_only, workers, (bundle, files, config.seconds))
        for number in range(1, config.rounds + 1):
            console.step(f"Round {number} of {config.rounds}: forward only, the tag job from end to end, forward only")
            _round(work, prepared, bundle, files, result, config)
        for name in result.rounds[0]:
            rates[name] = known_median([r[name] for r in result.rounds])
        for name, script in _BASELINES.items() if config.baselines else ():
            console.step(f"The {name}")
            rates[name] = _baseline(script, work, workers)
        for rows in config.growth:
            console.step(f"The tag job on {rows:,} rows")
            result.growth.append(_grown(bundle, work, files, rows, result))
    report(result, bundle, config, console)
    return 0


def _engine(config: BenchConfig, bundle: Bundle, files: Sequence[Path]) -> PreparedEngine:
    device = resolve_device(config.device, config.engine)
    some = [file.read_bytes() for file in files[:SOME]]
    return choose_engine(
        bundle, config.engine, device, BATCH_SIZE[device], lambda: [decoded_sample(some, bundle.card, MAX_PIXELS)]
    )[0]


def _round(
    work: Path, prepared: PreparedEngine, bundle: Bundle, files: Sequence[Path], result: Result, config: BenchConfig
) -> None:
    """Measure the forward pass right before and after the tag job, because the speed of shared machines drifts."""
    manifest = work / "all.csv"
    manifest.write_text("id\n" + "".join(f"{file.stem}\n" for file in files))
    images = f"{work}/images/{{id}}.jpg"
    before = run_in_parallel(forward_only, result.workers, (prepared, bundle, files, config.seconds))
    tagged = _tag(manifest, images, work, result)
    if config.embeddings:
        with_vectors = _tag(manifest, images, work, result, "--embeddings")
        result.embeddings_cost.append(with_vectors.tagging_s / tagged.tagging_s - 1)
    after = run_in_parallel(forward_only, result.workers, (prepared, bundle, files, config.seconds))
    few = work / "few.csv"
    few.write_text("id\n" + "".join(f"{file.stem}\n" for file in files[:FIXED_COST_ITEMS]))
    small = _tag(few, images, work, result)
    more = len(files) - FIXED_COST_ITEMS
    rate = rate_beyond_start(more, small.tagging_s, tagged.tagging_s)
    result.rounds.append({"forward only": (before + after) / 2, "end to end": rate})
    if config.s3:
        with loopback_s3(work / "images") as endpoint:
            flags = ("--s3-endpoint", endpoint)
            objects = [_tag(rows, f"s3://{BUCKET}/{{id}}.jpg", work, result, *flags) for rows in (few, manifest)]
        result.rounds[-1][FROM_S3] = rate_beyond_start(more, *(run.tagging_s for run in objects))
    result.engine_share.append(tagged.engine_share)
    result.memory.append(tagged.memory)
    result.fixed_cost_s.append(small.seconds)
    result.ray_alone_s.append(_script("bare_ray")["seconds"])


@dataclass(frozen=True)
class _Tagged:
    """Time and memory of one call of the tag job."""

    seconds: float
    tagging_s: float
    engine_share: float | None
    memory: PeakMemory
    parts: int


def _tag(manifest: Path, images: str, work: Path, result: Result, *flags: str) -> _Tagged:
    out = work / "run"
    command = [
        sys.executable, "-P", "-m", "tagger.jobs.tag", "--manifest", str(manifest), "--images", images, "--model",
        str(work / "bundle"), "--out", str(out), "--engine", result.engine, "--workers", str(result.workers), "--json",
        *flags,
    ]  # fmt: skip
    started = time.perf_counter()
    done, memory = run_measured(command, CREDENTIALS if "--s3-endpoint" in flags else None)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise TaggerError(f"the tag job ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    vectors = any((out / "embeddings").glob("*.parquet"))
    shutil.rmtree(out)
    record = json.loads(done.stdout)
    if record["counts"]["decisions"].get("failed"):
        raise TaggerError(f"the tag job failed on {record['counts']['errors']}")
    if vectors != ("--embeddings" in flags):
        raise TaggerError("the tag job wrote image vectors where it should not, or none where it should")
    return _Tagged(seconds, record["taggingSeconds"], record["engineShare"], memory, record["counts"]["parts"])


def _searched(index: str, size: int, work: Path, console: Console) -> dict[str, float]:
    """Build an index of `size` vectors, search it, and delete it."""
    VectorIndex(Location(index))  # says what is wrong with it
    grown = work / f"index-{size}"
    console.step(f"An index of {size:,} vectors")
    given = ("--index", index, "--grown", str(grown))
    built = _script("grown_index", "build", *given, "--size", str(size))
    console.step("Searching it")
    searched = _script("grown_index", "search", *given)
    shutil.rmtree(grown)
    return {**built, "buildPeakBytes": built["peakBytes"], **searched}


def _baseline(script: str, work: Path, workers: int) -> float:
    measured = _script(
        script, "--images", str(work / "images"), "--model", str(work / "bundle"), "--workers",
        str(max(1, workers - 1) if script == "ray_data_script" else workers), "--batch-size", "32", "--limit",
        str(_BASELINE_ITEMS),
    )  # fmt: skip
    return rate_beyond_start(int(measured["images"]), measured.get("startSeconds", 0), measured["seconds"])


def _script(name: str, *arguments: str) -> dict[str, float]:
    done, _ = run_measured([sys.executable, "-P", "-m", f"tagger.jobs.benchmark.{name}", *arguments])
    if done.returncode:
        raise TaggerError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    measured: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def _grown(bundle: Bundle, work: Path, files: Sequence[Path], rows: int, result: Result) -> dict[str, float]:
    """Tag a Parquet manifest with `rows` distinct images, made of a few images at the model's size."""
    folder = work / f"grown-{rows}"
    folder.mkdir()
    size = bundle.card.preprocessing
    small = [enlarged(file.read_bytes(), max(size.height, size.width)) for file in files[:SOME]]
    for first in range(0, rows, _GROWTH_SHARD_ROWS):
        rows_of_shard = range(first, min(rows, first + _GROWTH_SHARD_ROWS))
        images = [small[n % len(small)] + n.to_bytes(8, "big") for n in rows_of_shard]
        table = pa.table({"id": [f"item-{n}" for n in rows_of_shard], "image": pa.array(images, pa.binary())})
        pq.write_table(table, folder / f"{first:09d}.parquet", row_group_size=5_000, compression="none")
    tagged = _tag(folder, "column:image", work, result)
    shutil.rmtree(folder)
    return {
        "rows": rows,
        "seconds": tagged.seconds,
        "taggingSeconds": tagged.tagging_s,
        "microsecondsPerRow": 1e6 * tagged.tagging_s / rows,
        "parts": tagged.parts,
        "driverBytes": tagged.memory.driver,
        "workerBytes": tagged.memory.worker,
    }


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="bench")
