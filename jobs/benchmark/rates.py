"""Measures single steps in images per second, in as many processes as the job has for them."""

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

from tagger.engines.base import PreparedEngine
from tagger.engines.sample import decoded_sample
from tagger.imaging.decode import decode
from tagger.imaging.threads import decode_in_one_thread
from tagger.jobs.benchmark.inputs import MAX_PIXELS, SOME
from tagger.models.bundle import Bundle

_WORK_AT_LEAST_S = 0.3
_WORK_PER_START = 0.2
"""Least ratio of the extra time of the long run to the short run. Start-up varies by some per cent from run to run,
more on a shared machine, so a smaller difference does not tell work from start-up."""

_PASSES_OF_A_THREAD = 8
"""Between two times at which threads wait for each other."""


def run_in_parallel(work: Callable[..., tuple[int, float]], processes: int, arguments: tuple[object, ...]) -> float:
    """Images per second of several processes that do the same work at the same time.

    Args:
        work: One of the functions below.
        processes: Number of processes.
        arguments: Those of `work`.
    """
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(processes)
    with context.Pool(processes, initializer=_init_process, initargs=(gate,)) as pool:
        counts = pool.starmap(work, [arguments] * processes, chunksize=1)
    return sum(images / seconds for images, seconds in counts)


_gate: list[object] = []


def _init_process(gate: object) -> None:
    _gate[:] = [gate]
    decode_in_one_thread()


def _repeat(work: Callable[[], int], at_least_s: float) -> tuple[int, float]:
    """Repeat work for at least `at_least_s` seconds; all processes start together."""
    work()
    _gate[0].wait()  # type: ignore[attr-defined]
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < at_least_s:
        images += work()
    return images, time.perf_counter() - started


def rate_beyond_start(images: int, short_s: float, long_s: float) -> float:
    """Images per second without start-up; NaN if the short run took nearly as long as the long one.

    Args:
        images: Additional images of the long run.
        short_s: Seconds of the short run, start-up included.
        long_s: Seconds of the long run, start-up included.
    """
    work_s = long_s - short_s
    return images / work_s if work_s >= max(_WORK_AT_LEAST_S, _WORK_PER_START * short_s) else math.nan


def decode_only(bundle: Bundle, files: Sequence[Path], at_least_s: float) -> tuple[int, float]:
    """Decode images for at least `at_least_s` seconds; return how many, and the seconds."""
    data = cycle([file.read_bytes() for file in files[:SOME]])
    size = bundle.card.preprocessing
    return _repeat(lambda: len([decode(d, size, MAX_PIXELS) for d in islice(data, 64)]), at_least_s)


def forward_only(
    prepared: PreparedEngine, bundle: Bundle, files: Sequence[Path], at_least_s: float, threads: int = 1
) -> tuple[int, float]:
    """Run the engine on decoded images for at least `at_least_s` seconds; return how many, and the seconds.

    Args:
        prepared: The engine.
        bundle: Its model.
        files: Images; some of them are decoded.
        at_least_s: Seconds.
        threads: Threads that call the engine at the same time.
    """
    pixels = decoded_sample([file.read_bytes() for file in files[:SOME]], bundle.card, MAX_PIXELS)
    engine = prepared.start()
    passes = [pixels] * (threads * _PASSES_OF_A_THREAD if threads > 1 else 1)
    with ThreadPoolExecutor(threads) as pool:
        return _repeat(
            lambda: sum(pool.map(lambda some: len(engine.run(some, embeddings=False)[0]), passes)), at_least_s
        )
