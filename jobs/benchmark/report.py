"""Reports a benchmark: tables, the same data as JSON, a plot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from tagger.jobs.benchmark.process_tree import PeakMemory
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.models.bundle import Bundle
from tagger.schemas.configs.bench import BenchConfig

FIXED_COST_ITEMS = 100
FROM_S3 = "end to end from S3 (loopback)"
_ITEMS_THAT_DO = 16_384
_MB = 2**20


@dataclass
class Result:
    """Results of a benchmark: images per second of each method, and memory and time of the tag job."""

    images: int
    engine: str
    workers: int
    images_per_second: dict[str, float] = field(default_factory=dict)
    """Medians over the rounds."""
    rounds: list[dict[str, float]] = field(default_factory=list)
    engine_share: list[float | None] = field(default_factory=list)
    fixed_cost_s: list[float] = field(default_factory=list)
    """Seconds of a whole run over few items."""
    ray_alone_s: list[float] = field(default_factory=list)
    """Seconds to start Ray and one actor, and to shut down."""
    embeddings_cost: list[float] = field(default_factory=list)
    """Additional time of tagging with image vectors, as a share."""
    memory: list[PeakMemory] = field(default_factory=list)
    growth: list[dict[str, float]] = field(default_factory=list)


def report(result: Result, bundle: Bundle, config: BenchConfig, console: Console) -> None:
    """Print the results, and plot them if the config says so."""
    rates = result.images_per_second
    size = bundle.card.preprocessing
    flip = ", with its mirror image" if bundle.card.inference.flip else ""
    model = f"{bundle.card.architecture.backbone} {size.height}x{size.width}{flip}"
    console.table(
        f"{model}, {result.images:,} images, {result.workers} workers, {result.engine}",
        ["what", "images/s", "of forward only", "end to end is … times this"],
        [
            (name, _whole(rate), _shown(rate / rates["forward only"]), _shown(rates["end to end"] / rate))
            for name, rate in rates.items()
        ],
    )
    ratios = _ratios(result)
    console.say(
        f"End to end / forward only, round by round: {', '.join(map(_shown, ratios))}; "
        f"median {_shown(known_median(ratios))}."
    )
    if of_local := _s3_of_local(result):
        console.say(
            f"From S3 on loopback / from local files, round by round: {', '.join(map(_shown, of_local))}; median "
            f"{_shown(known_median(of_local))}. The server takes its time from the same cores."
        )
    unknown = [name for name, rate in rates.items() if math.isnan(rate)]
    if unknown or any(map(math.isnan, ratios)):
        console.warn(
            f"{', '.join(unknown) or 'end to end in some rounds'}: not measurable on so few items, which take hardly "
            f"longer than start-up; take --items {max(_ITEMS_THAT_DO, 4 * result.images)}"
        )
    shares = _shares(result)
    if shares:
        values = ", ".join(f"{share:.2f}" for share in shares)
        console.say(f"Share of the job's workers' time that the engine took, in the same runs: {values}.")
    if result.embeddings_cost:
        values = ", ".join(f"{100 * cost:+.1f}%" for cost in result.embeddings_cost)
        console.say(f"With --embeddings tagging takes longer by {values}; median {100 * _cost(result):+.1f}%.")
    fixed, alone = (", ".join(f"{s:.1f}" for s in seconds) for seconds in (result.fixed_cost_s, result.ray_alone_s))
    console.say(
        f"Whole runs over {FIXED_COST_ITEMS} items: {fixed} s, of which Ray with one actor that does nothing takes "
        f"{alone} s; end to end is without start and end."
    )
    driver, worker = _largest_memory(result)
    console.say(f"Largest memory of the tag job: command {driver / _MB:,.0f} MB, any worker {worker / _MB:,.0f} MB.")
    if result.growth:
        _growth_table(result, console)
    if config.plot:
        _plot(result, Path(config.plot))
        console.say(f"Plot: {config.plot}")
    console.result({"model": model, **_document(result)})


def _document(result: Result) -> dict[str, object]:
    """The results as JSON; None for what could not be measured."""
    rates = result.images_per_second
    ratios = _ratios(result)
    shares = _shares(result)
    driver, worker = _largest_memory(result)
    return {
        "images": result.images,
        "engine": result.engine,
        "workers": result.workers,
        "imagesPerSecond": {name: _or_none(rate) for name, rate in rates.items()},
        "rounds": [{name: _or_none(rate) for name, rate in of_round.items()} for of_round in result.rounds],
        "endToEndOfForwardOnly": _or_none(known_median(ratios)),
        "fromS3OfLocal": _or_none(known_median(_s3_of_local(result))),
        "engineShare": median(shares) if shares else None,
        "embeddingsCost": _cost(result) if result.embeddings_cost else None,
        "fixedCostSeconds": median(result.fixed_cost_s),
        "rayAloneSeconds": median(result.ray_alone_s),
        "driverBytes": driver,
        "workerBytes": worker,
        "growth": result.growth,
    }


def _ratios(result: Result) -> list[float]:
    """For each round, the end-to-end rate as a share of the forward pass alone."""
    return [rates["end to end"] / rates["forward only"] for rates in result.rounds]


def _s3_of_local(result: Result) -> list[float]:
    """For each round, the rate from S3 as a share of that from local files; empty where it was not measured."""
    return [rates[FROM_S3] / rates["end to end"] for rates in result.rounds if FROM_S3 in rates]


def _shares(result: Result) -> list[float]:
    return [share for share in result.engine_share if share is not None]


def _largest_memory(result: Result) -> tuple[int, int]:
    """Peak memory of the command, and of any worker, bytes."""
    return max(m.driver for m in result.memory), max(m.worker for m in result.memory)


def report_searches(sizes: Sequence[dict[str, float]], console: Console) -> None:
    """Print the building and searching of indexes of several sizes, one row each."""
    console.table(
        f"Five nearest of new vectors, by {int(sizes[0]['threads'])} threads",
        ["vectors", "queries/s", "recall@5", "one query ms", "memory MB", "of its own"],
        [
            (
                int(s["vectors"]), round(s["queriesPerSecond"]), percent(s["recall"]),
                f"{s['aloneMilliseconds']:.1f}", round(s["peakBytes"] / _MB), round(s["ownBytes"] / _MB),
            )
            for s in sizes
        ],
    )  # fmt: skip
    console.table(
        "Building these indexes",
        ["vectors", "seconds", "memory MB", "1% more in s", "files MB"],
        [
            (
                int(s["vectors"]), round(s["buildSeconds"]), round(s["buildPeakBytes"] / _MB), f"{s['addSeconds']:.1f}",
                round(s["fileBytes"] / _MB),
            )
            for s in sizes
        ],
    )  # fmt: skip
    console.say("Memory is with the pages of files that are mapped, which the system takes back where it needs them.")
    console.result({"searches": list(sizes)})


def known_median(values: Sequence[float]) -> float:
    """The median of the values that are not NaN; NaN without one."""
    return median([v for v in values if not math.isnan(v)] or [math.nan])


def _cost(result: Result) -> float:
    return median(result.embeddings_cost)


def _shown(ratio: float) -> str:
    return "–" if math.isnan(ratio) else f"{ratio:.2f}"


def _whole(rate: float) -> object:
    return "not measurable" if math.isnan(rate) else round(rate)


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _growth_table(result: Result, console: Console) -> None:
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


def _plot(result: Result, file: Path) -> None:
    """Bars of images per second, and the time per row as the rows grow."""
    from matplotlib.figure import Figure

    panels = 1 + bool(result.growth)
    figure = Figure(figsize=(6.5 * panels, 3.2), layout="constrained")
    axes: Sequence[object] = np.atleast_1d(figure.subplots(1, panels)).tolist()
    known = {name: rate for name, rate in result.images_per_second.items() if not math.isnan(rate)}
    names, rates = list(known), list(known.values())
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
