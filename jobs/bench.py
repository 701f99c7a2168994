"""Bench job: decoding, the forward pass, the whole tag job, and what users write without it, on the same images."""

import io
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from jobs.console import Console
from jobs.process_tree import PeakMemory, run_measured
from schemas.bundle import Architecture, Calibration, Inference, ModelCard, Preprocessing, Provenance
from schemas.config import BenchConfig, CheckConfig, parse_range, parse_size
from schemas.taxonomy import Taxonomy
from tagger.catalog.manifest import Manifest
from tagger.catalog.stores import IMAGE_SUFFIXES, fetch_all, open_store
from tagger.catalog.synthetic import ARTICLES, draw_catalogue
from tagger.errors import ImageError, TaggerError, UsageError
from tagger.imaging.decode import decode
from tagger.inference.sample import decoded_sample
from tagger.models.bundle import Bundle
from tagger.models.engines import BATCH_SIZE, PreparedEngine, choose_engine, device_here
from tagger.storage import Location

_DRAWN = 512
_MAX_PIXELS = 100_000_000
_FIXED_COST_ITEMS = 100
_BASELINE_ITEMS = 4096  # they are slow
_AT_LEAST_S = 6.0
_MB = 2**20
_GROWTH_SHARD_ROWS = 50_000


@dataclass
class Result:
    """What was measured: images per second by what did it, and memory and time of the tag job."""

    images: int
    engine: str
    workers: int
    images_per_second: dict[str, float] = field(default_factory=dict)
    """Medians over the rounds."""
    rounds: list[dict[str, float]] = field(default_factory=list)
    engine_share: list[float] = field(default_factory=list)
    fixed_cost_s: list[float] = field(default_factory=list)
    memory: list[PeakMemory] = field(default_factory=list)
    growth: list[dict[str, float]] = field(default_factory=list)


def run(config: BenchConfig, console: Console) -> int:
    """Measure one thing after another in processes of their own, all on the same files."""
    with tempfile.TemporaryDirectory(dir=config.scratch) as folder:
        work = Path(folder)
        console.step("Preparing images and model")
        bundle = Bundle.load(Location(config.model)) if config.model else _random_bundle(config)
        bundle.save(Location(str(work / "bundle")))
        files = _write_images(config, bundle, work)
        workers = parse_range(config.workers)[1] or len(os.sched_getaffinity(0))
        prepared = _engine(config, bundle, files)
        result = Result(len(files), prepared.name, workers)
        rates = result.images_per_second

        console.step(f"Decoding only, {workers} processes")
        rates["decode only"] = _together(_decode, workers, (bundle, files))
        for number in range(1, config.rounds + 1):
            console.step(f"Round {number} of {config.rounds}: forward only, the tag job from end to end, forward only")
            _round(work, prepared, bundle, files, result)
        for name in ("forward only", "end to end"):
            rates[name] = median(r[name] for r in result.rounds)
        if config.baselines:
            for name, script in (
                ("plain DataLoader script", "dataloader_script"),
                ("plain Ray Data pipeline", "ray_data_script"),
            ):
                console.step(f"The {name}")
                rates[name] = _baseline(script, work, workers)
        for rows in config.growth:
            console.step(f"The tag job on {rows:,} rows")
            result.growth.append(_grown(bundle, work, files, rows, result))
    _report(result, bundle, config, console)
    return 0


def _random_bundle(config: BenchConfig) -> Bundle:
    from datetime import UTC, datetime

    from tagger.models.classifier import new_classifier, pack

    height, width = parse_size(config.image_size)
    card = ModelCard(
        model_id="",
        taxonomy=Taxonomy.of(list(ARTICLES), {}),
        architecture=Architecture(backbone=config.backbone, dropout=0, embedding_dim=1),
        preprocessing=Preprocessing(height=height, width=width, fit="pad", resize="bicubic"),
        inference=Inference(flip=False),
        calibration=Calibration(),
        blur_threshold=0,
        provenance=Provenance(created_at=datetime.now(UTC), config={}, versions={}),
    )
    return pack(card, new_classifier(card, "none").state_dict())


def _write_images(config: BenchConfig, bundle: Bundle, work: Path) -> list[Path]:
    """As many files as asked, all different: where there are fewer images, a copy ends in a number of its own."""
    (work / "images").mkdir()
    found = list(islice(_usable(_source(config, work), bundle), config.items))
    if not found:
        raise UsageError("--images: not one image can be used")
    if config.enlarge:
        found = [_enlarged(data, config.enlarge) for data in found]
    files = []
    for number, data in enumerate(islice(cycle(found), config.items)):
        files.append(work / "images" / f"{number:08d}.jpg")
        files[-1].write_bytes(data if number < len(found) else data + number.to_bytes(8, "big"))
    return files


def _usable(images: Iterator[bytes | ImageError], bundle: Bundle) -> Iterator[bytes]:
    for data in images:
        try:
            if isinstance(data, bytes):
                decode(data, bundle.card.preprocessing, _MAX_PIXELS)
                yield data
        except ImageError:
            continue


def _source(config: BenchConfig, work: Path) -> Iterator[bytes | ImageError]:
    if config.manifest:
        options = CheckConfig(manifest=config.manifest, images=config.images)
        manifest = Manifest(Location(config.manifest), options)
        store = open_store(options, manifest)
        for batch in manifest.batches():
            yield from fetch_all(store, store.locate(batch))
        return
    if config.images:
        folder = Path(config.images)
        found = sorted(f for f in folder.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise UsageError(f"--images: no image files in {folder}; with --manifest, any image store will do")
    else:
        found = sorted(draw_catalogue(work / "drawn", min(config.items, _DRAWN), oddities=False).images.iterdir())
    yield from (file.read_bytes() for file in found)


def _enlarged(data: bytes, longer_side: int) -> bytes:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = longer_side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    out = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def _engine(config: BenchConfig, bundle: Bundle, files: Sequence[Path]) -> PreparedEngine:
    device = device_here(config.device, config.engine)
    some = [file.read_bytes() for file in files[:_DRAWN]]
    return choose_engine(
        bundle, config.engine, device, BATCH_SIZE[device], lambda: decoded_sample(some, bundle.card, _MAX_PIXELS)
    )[0]


def _together(work: Callable[..., tuple[int, float]], processes: int, arguments: tuple[object, ...]) -> float:
    """Images per second of some processes that do the same at the same time."""
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(processes)
    with context.Pool(processes, initializer=_let_in, initargs=(gate,)) as pool:
        found = pool.starmap(work, [arguments] * processes, chunksize=1)
    return sum(images / seconds for images, seconds in found)


_gate: list[object] = []


def _let_in(gate: object) -> None:
    _gate[:] = [gate]


def _for_a_while(work: Callable[[], int]) -> tuple[int, float]:
    """Repeat work until some seconds have gone; all processes begin together."""
    work()
    _gate[0].wait()  # type: ignore[attr-defined]
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < _AT_LEAST_S:
        images += work()
    return images, time.perf_counter() - started


def _decode(bundle: Bundle, files: Sequence[Path]) -> tuple[int, float]:
    data = cycle([file.read_bytes() for file in files[:_DRAWN]])
    size = bundle.card.preprocessing
    return _for_a_while(lambda: len([decode(d, size, _MAX_PIXELS) for d in islice(data, 64)]))


def _forward(prepared: PreparedEngine, bundle: Bundle, files: Sequence[Path]) -> tuple[int, float]:
    pixels = decoded_sample([file.read_bytes() for file in files[:_DRAWN]], bundle.card, _MAX_PIXELS)
    engine = prepared.start()
    return _for_a_while(lambda: len(engine.run(pixels)[0]))


def _round(work: Path, prepared: PreparedEngine, bundle: Bundle, files: Sequence[Path], result: Result) -> None:
    """Measure the forward pass right before and after the tag job, because the speed of shared machines drifts."""
    manifest = work / "all.csv"
    manifest.write_text("id\n" + "".join(f"{file.stem}\n" for file in files))
    images = f"{work}/images/{{id}}.jpg"
    before = _together(_forward, result.workers, (prepared, bundle, files))
    tagged = _tag(manifest, images, work, result)
    after = _together(_forward, result.workers, (prepared, bundle, files))
    few = work / "few.csv"
    few.write_text("id\n" + "".join(f"{file.stem}\n" for file in files[:_FIXED_COST_ITEMS]))
    small = _tag(few, images, work, result)
    rate = (len(files) - _FIXED_COST_ITEMS) / max(1e-9, tagged.tagging_s - small.tagging_s)
    result.rounds.append({"forward only": (before + after) / 2, "end to end": rate})
    result.engine_share.append(tagged.engine_share)
    result.memory.append(tagged.memory)
    result.fixed_cost_s.append(small.seconds)


@dataclass(frozen=True)
class _Tagged:
    """What one call of the tag job took."""

    seconds: float
    tagging_s: float
    engine_share: float
    memory: PeakMemory
    parts: int


def _tag(manifest: Path, images: str, work: Path, result: Result) -> _Tagged:
    out = work / "run"
    command = [
        sys.executable, "-m", "jobs.tag", "--manifest", str(manifest), "--images", images, "--model",
        str(work / "bundle"), "--out", str(out), "--engine", result.engine, "--workers", str(result.workers), "--json",
    ]  # fmt: skip
    started = time.perf_counter()
    done, memory = run_measured(command)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise TaggerError(f"the tag job ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    shutil.rmtree(out)
    record = json.loads(done.stdout)
    if record["counts"]["decisions"].get("failed"):
        raise TaggerError(f"the tag job failed on {record['counts']['errors']}")
    return _Tagged(seconds, record["taggingSeconds"], record["engineShare"], memory, record["counts"]["parts"])


def _baseline(script: str, work: Path, workers: int) -> float:
    command = [
        sys.executable, "-m", f"jobs.baselines.{script}", "--images", str(work / "images"), "--model",
        str(work / "bundle"), "--workers", str(max(1, workers - 1) if script == "ray_data_script" else workers),
        "--batch-size", "32", "--limit", str(_BASELINE_ITEMS),
    ]  # fmt: skip
    done, _ = run_measured(command)
    if done.returncode:
        raise TaggerError(f"{script} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return float(found["images"] / max(1e-9, found["seconds"]))


def _grown(bundle: Bundle, work: Path, files: Sequence[Path], rows: int, result: Result) -> dict[str, float]:
    """Tag a Parquet manifest with so many different images in it, made of the same few at the model's size."""
    folder = work / f"grown-{rows}"
    folder.mkdir()
    size = bundle.card.preprocessing
    small = [_enlarged(file.read_bytes(), max(size.height, size.width)) for file in files[:_DRAWN]]
    for first in range(0, rows, _GROWTH_SHARD_ROWS):
        numbers = range(first, min(rows, first + _GROWTH_SHARD_ROWS))
        images = [small[n % len(small)] + n.to_bytes(8, "big") for n in numbers]
        table = pa.table({"id": [f"item-{n}" for n in numbers], "image": pa.array(images, pa.binary())})
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


def _report(result: Result, bundle: Bundle, config: BenchConfig, console: Console) -> None:
    rates = result.images_per_second
    size = bundle.card.preprocessing
    flip = ", with its mirror image" if bundle.card.inference.flip else ""
    model = f"{bundle.card.architecture.backbone} {size.height}x{size.width}{flip}"
    console.table(
        f"{model}, {result.images:,} images, {result.workers} workers, {result.engine}",
        ["what", "images/s", "of forward only", "end to end is … times this"],
        [
            (name, round(rate, 1), f"{rate / rates['forward only']:.2f}", f"{rates['end to end'] / rate:.2f}")
            for name, rate in rates.items()
        ],
    )
    ratios = [r["end to end"] / r["forward only"] for r in result.rounds]
    console.say(f"End to end / forward only, round by round: {', '.join(f'{r:.2f}' for r in ratios)}.")
    shares = ", ".join(f"{share:.2f}" for share in result.engine_share)
    console.say(f"Share of the job's workers' time that the engine took, in the same runs: {shares}.")
    fixed = ", ".join(f"{s:.1f}" for s in result.fixed_cost_s)
    console.say(f"Whole runs over {_FIXED_COST_ITEMS} items: {fixed} s; end to end is without start and end.")
    driver, worker = (max(getattr(m, kind) for m in result.memory) for kind in ("driver", "worker"))
    console.say(f"Largest memory of the tag job: command {driver / _MB:,.0f} MB, any worker {worker / _MB:,.0f} MB.")
    if result.growth:
        console.table(
            "As the rows grow (every image different)",
            ["rows", "seconds", "microseconds a row", "parts", "command MB", "largest worker MB"],
            [
                (
                    int(g["rows"]), round(g["seconds"], 1), round(g["microsecondsPerRow"]), int(g["parts"]),
                    round(g["driverBytes"] / _MB), round(g["workerBytes"] / _MB),
                )
                for g in result.growth
            ],
        )  # fmt: skip
    if config.plot:
        _plot(result, Path(config.plot))
        console.say(f"Plot: {config.plot}")
    console.result(
        {
            "model": model,
            "images": result.images,
            "engine": result.engine,
            "workers": result.workers,
            "imagesPerSecond": rates,
            "rounds": result.rounds,
            "engineShare": median(result.engine_share),
            "fixedCostSeconds": median(result.fixed_cost_s),
            "driverBytes": driver,
            "workerBytes": worker,
            "growth": result.growth,
        }
    )


def _plot(result: Result, file: Path) -> None:
    """Bars of images per second, and the time per row as the rows grow."""
    from matplotlib.figure import Figure

    panels = 1 + bool(result.growth)
    figure = Figure(figsize=(6.5 * panels, 3.2), layout="constrained")
    axes: Sequence[object] = np.atleast_1d(figure.subplots(1, panels)).tolist()
    names, rates = list(result.images_per_second), list(result.images_per_second.values())
    bars = axes[0].barh(names[::-1], rates[::-1], color="#4c78a8")  # type: ignore[attr-defined]
    axes[0].bar_label(bars, fmt="{:,.0f}", padding=3)  # type: ignore[attr-defined]
    axes[0].set(xlabel="images per second", title=result.engine)  # type: ignore[attr-defined]
    axes[0].margins(x=0.15)  # type: ignore[attr-defined]
    if result.growth:
        rows, cost = [g["rows"] for g in result.growth], [g["microsecondsPerRow"] for g in result.growth]
        axes[1].plot(rows, cost, "o-", color="#e45756")  # type: ignore[attr-defined]
        axes[1].set(  # type: ignore[attr-defined]
            xscale="log", ylim=(0, None), xlabel="rows", ylabel="microseconds a row", title="cost as the rows grow"
        )
    figure.savefig(file)


if __name__ == "__main__":
    from jobs.cli import main

    main(job="bench")
