"""The bench command: measures decoding, the forward pass, the whole tag job, and plain scripts, on the same images."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.engines.base import BATCH_SIZE, PreparedEngine
from tagger.engines.choose import choose_engine, resolve_device
from tagger.engines.sample import decoded_sample
from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.jobs.benchmark.cluster_costs import measure_costs, read_costs
from tagger.jobs.benchmark.cluster_model import simulate
from tagger.jobs.benchmark.cluster_report import cluster_of, report_cluster
from tagger.jobs.benchmark.inputs import MAX_PIXELS, SOME, enlarged, random_bundle, write_images
from tagger.jobs.benchmark.loopback_s3 import BUCKET, loopback_s3
from tagger.jobs.benchmark.rates import decode_only, forward_only, rate_beyond_start, run_in_parallel
from tagger.jobs.benchmark.report import FIXED_COST_ITEMS, FROM_S3, Result, known_median, report, report_searches
from tagger.jobs.benchmark.tag_job import TagJob, run_script
from tagger.jobs.shell.console import Console
from tagger.machine import usable_cores
from tagger.models.bundle import Bundle
from tagger.registry.versions import resolved
from tagger.schemas.configs.bench import BenchConfig
from tagger.schemas.values import parse_range
from tagger.similarity.index import VectorIndex
from tagger.tagging.gpu_engines import BATCHES_AT_ONCE

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
        if config.cluster:
            return _on_cluster(config, config.cluster, work, console)
        console.step("Preparing images and model")
        bundle = _bundle(config)
        if config.baselines and bundle.card.preprocessing.edges != "none":
            raise UsageError(
                "--baselines: the plain scripts know nothing of edges, which this bundle looks at; take --no-baselines"
            )
        bundle.save(Location(str(work / "bundle")))
        files = write_images(config, bundle, work)
        workers = _workers(config)
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


def _bundle(config: BenchConfig) -> Bundle:
    return Bundle.load(Location(resolved(config.model, Location, "--model"))) if config.model else random_bundle(config)


def _workers(config: BenchConfig) -> int:
    return parse_range(config.workers)[1] or usable_cores()


def _on_cluster(config: BenchConfig, cluster: str, work: Path, console: Console) -> int:
    """Simulate runs on a cluster, with costs that are measured here or were measured before."""
    if config.costs:
        costs = read_costs(Path(config.costs))
    else:
        console.step("Preparing images and model")
        bundle = _bundle(config)
        bundle.save(Location(str(work / "bundle")))
        files = write_images(config, bundle, work)
        costs = measure_costs(config, bundle, files, TagJob(work, config.engine, _workers(config)), console)
    if config.gpu_rate is not None:
        costs = costs.model_copy(update={"gpu_images_per_second": config.gpu_rate})
    played = cluster_of(config, cluster, costs)
    report_cluster(config, costs, played, [simulate(costs, played, n, config.part_rows) for n in config.rows], console)
    return 0


def _engine(config: BenchConfig, bundle: Bundle, files: Sequence[Path]) -> PreparedEngine:
    device = resolve_device(config.device, config.engine)
    some = [file.read_bytes() for file in files[:SOME]]
    return choose_engine(
        bundle, config.engine, device, BATCH_SIZE[device], lambda: [decoded_sample(some, bundle.card, MAX_PIXELS)]
    )[0]


def _callers(prepared: PreparedEngine, workers: int) -> tuple[int, int]:
    """Processes that have the engine, and threads of each that call it, as in the job: a GPU has one process."""
    return (1, BATCHES_AT_ONCE) if prepared.name.split("-")[1] == "cuda" else (workers, 1)


def _round(
    work: Path, prepared: PreparedEngine, bundle: Bundle, files: Sequence[Path], result: Result, config: BenchConfig
) -> None:
    """Measure the forward pass right before and after the tag job, because the speed of shared machines drifts."""
    manifest = work / "all.csv"
    manifest.write_text("id\n" + "".join(f"{file.stem}\n" for file in files))
    images = f"{work}/images/{{id}}.jpg"
    job = TagJob(work, result.engine, result.workers)
    processes, threads = _callers(prepared, result.workers)
    forward = (forward_only, processes, (prepared, bundle, files, config.seconds, threads))
    before = run_in_parallel(*forward)
    tagged = job(manifest, images)
    if config.embeddings:
        with_vectors = job(manifest, images, "--embeddings")
        result.embeddings_cost.append(with_vectors.tagging_s / tagged.tagging_s - 1)
    after = run_in_parallel(*forward)
    few = work / "few.csv"
    few.write_text("id\n" + "".join(f"{file.stem}\n" for file in files[:FIXED_COST_ITEMS]))
    small = job(few, images)
    more = len(files) - FIXED_COST_ITEMS
    rate = rate_beyond_start(more, small.tagging_s, tagged.tagging_s)
    result.rounds.append({"forward only": (before + after) / 2, "end to end": rate})
    if config.s3:
        with loopback_s3(work / "images") as endpoint:
            flags = ("--s3-endpoint", endpoint)
            objects = [job(rows, f"s3://{BUCKET}/{{id}}.jpg", *flags) for rows in (few, manifest)]
        result.rounds[-1][FROM_S3] = rate_beyond_start(more, *(run.tagging_s for run in objects))
    result.engine_share.append(tagged.engine_share)
    result.memory.append(tagged.memory)
    result.fixed_cost_s.append(small.seconds)
    result.ray_alone_s.append(run_script("bare_ray")["seconds"])


def _searched(index: str, size: int, work: Path, console: Console) -> dict[str, float]:
    """Build an index of `size` vectors, search it, and delete it."""
    VectorIndex(Location(index))  # says what is wrong with it
    grown = work / f"index-{size}"
    console.step(f"An index of {size:,} vectors")
    given = ("--index", index, "--grown", str(grown))
    built = run_script("grown_index", "build", *given, "--size", str(size))
    console.step("Searching it")
    searched = run_script("grown_index", "search", *given)
    shutil.rmtree(grown)
    return {**built, "buildPeakBytes": built["peakBytes"], **searched}


def _baseline(script: str, work: Path, workers: int) -> float:
    measured = run_script(
        script, "--images", str(work / "images"), "--model", str(work / "bundle"), "--workers",
        str(max(1, workers - 1) if script == "ray_data_script" else workers), "--batch-size", "32", "--limit",
        str(_BASELINE_ITEMS),
    )  # fmt: skip
    return rate_beyond_start(int(measured["images"]), measured.get("startSeconds", 0), measured["seconds"])


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
    tagged = TagJob(work, result.engine, result.workers)(folder, "column:image")
    shutil.rmtree(folder)
    return {
        "rows": rows,
        "seconds": tagged.seconds,
        "taggingSeconds": tagged.tagging_s,
        "microsecondsPerRow": 1e6 * tagged.tagging_s / rows,
        "parts": len(tagged.parts),
        "driverBytes": tagged.memory.driver,
        "workerBytes": tagged.memory.worker,
    }


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="bench")
