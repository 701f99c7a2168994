"""Each engine of the device: its rate by batch size and threads, its agreement, what it compiles, what it needs."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from tagger.engines.agreement import agrees, compare
from tagger.engines.base import Engine
from tagger.engines.choose import choose_engine, engine_names, prepare
from tagger.engines.sample import decoded_sample
from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tests.gpu_check.setting import Check, Setting

_COMPARED = 512
_TOO_LARGE = 65_536
_MAX_PIXELS = 10**8
_THREADS = (1, 2, 3)


def engines(setting: Setting) -> Iterator[Check]:
    """Engines run compiled, agree with float32, compile once, and answer a batch that does not fit."""
    bundle = Bundle.load(Location(str(setting.bundle())))
    pixels = decoded_sample(setting.images()[: setting.size(5_000, 256)], bundle.card, _MAX_PIXELS)
    expected = prepare(bundle, "torch-cpu-float32", 16).start().run(pixels[:_COMPARED])[0]
    names = engine_names("cuda") if setting.device == "cuda" else ("torch-cpu-float32",)
    for name in names:
        for batch in (512, 128, 2_048) if setting.device == "cuda" else (16,):
            yield from _measured(setting, bundle, name, batch, pixels, expected)
    if setting.device == "cuda":
        yield _compilations()
        yield _too_large(bundle, pixels)


def _measured(
    setting: Setting, bundle: Bundle, name: str, batch: int, pixels: np.ndarray, expected: np.ndarray
) -> Iterator[Check]:
    label = f"{name}, batch {batch}"
    started = time.perf_counter()
    engine = prepare(bundle, name, batch).start()
    whole = engine.run(pixels[:batch])[0]
    ready_s = time.perf_counter() - started
    agreement = compare(bundle.card, name, expected, engine.run(pixels[:_COMPARED])[0])
    yield Check(f"{label} agrees with float32", agrees(agreement), str(agreement))
    rates = [_rate(engine, _resized(pixels, batch), threads, setting.size(3, 1)) for threads in _THREADS]
    each = ", ".join(f"{rate:,.0f}" for rate in rates)
    compiled = getattr(engine, "is_compiled", True)
    yield Check(
        f"{label} runs compiled", compiled, f"ready after {ready_s:.1f} s; images/s with 1, 2, 3 threads: {each}"
    )
    tail = engine.run(pixels[: batch - 3])[0]
    yield Check(f"{label} pads its last batch", np.array_equal(whole[: batch - 3], tail), "equal to the last digit")
    yield Check(f"{label} from four threads", _is_the_same_from_threads(engine, pixels[: 16 * batch]), "as from one")
    if setting.device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
        torch.cuda.reset_peak_memory_stats()
        yield Check(f"{label} memory", True, f"peak {peak:,.0f} MiB")


def _resized(pixels: np.ndarray, batch: int) -> np.ndarray:
    return np.ascontiguousarray(np.resize(pixels, (batch, *pixels.shape[1:])))


def _rate(engine: Engine, images: np.ndarray, threads: int, seconds: float) -> float:
    """Images a second that so many threads get from an engine."""
    engine.run(images)
    done = [0] * threads
    started = time.perf_counter()

    def work(number: int) -> None:
        while time.perf_counter() < started + seconds:
            engine.run(images)
            done[number] += len(images)

    _in_threads(work, threads)
    return sum(done) / (time.perf_counter() - started)


def _is_the_same_from_threads(engine: Engine, pixels: np.ndarray) -> bool:
    parts = np.array_split(pixels, 4)
    alone = [engine.run(part)[0] for part in parts]
    together: list[np.ndarray] = [np.zeros(0)] * len(parts)

    def work(number: int) -> None:
        together[number] = engine.run(parts[number])[0]

    _in_threads(work, len(parts))
    return all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def _in_threads(work: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _compilations() -> Check:
    from torch._dynamo.utils import counters

    breaks = dict(counters["graph_break"])
    return Check("no graph breaks", not breaks, f"{dict(counters['stats'])}, breaks {breaks}")


def _too_large(bundle: Bundle, pixels: np.ndarray) -> Check:
    name = f"a batch of {_TOO_LARGE:,}"
    try:
        chosen = choose_engine(bundle, "auto", "cuda", _TOO_LARGE, lambda: [pixels[:_COMPARED]])[1]
    except UsageError as error:
        return Check(name, True, f"refused: {str(error)[:300]}")
    return Check(name, True, f"runs: {chosen}")
