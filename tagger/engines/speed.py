"""Measures engines against each other."""

import time
from collections.abc import Mapping

import numpy as np

from tagger.engines.base import Engine, UnsuitableError
from tagger.engines.choice_progress import ChoiceProgress, Watch

_IMAGES = 64
_ROUNDS = 4  # the first one warms up caches
_STEP = "timing engines"
_FAILED = 0.0


def quickest_first(engines: Mapping[str, Engine], images: np.ndarray, watch: Watch) -> list[str]:
    """The names of engines in the order of their speed on this machine; those that fail come first.

    Which precision is quickest depends on the processor: one with AMX for bfloat16 alone runs bfloat16 three times as
    fast as float16, and float32 faster than float16. The least time of several rounds counts, because other work on a
    machine only ever adds to it.

    Args:
        engines: By name; they may raise UnsuitableError.
        images: uint8 [N, H, W, C], at least one.
        watch: Receives the progress.
    """
    some = images[:_IMAGES]
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(_ROUNDS):
        watch(ChoiceProgress(_STEP, number * len(some), _ROUNDS * len(some)))
        for name, engine in engines.items():
            if seconds[name][-1:] != [_FAILED]:
                seconds[name].append(_seconds(engine, some))
    watch(ChoiceProgress(_STEP, _ROUNDS * len(some), _ROUNDS * len(some)))
    return sorted(engines, key=lambda name: min(seconds[name][1:] or [_FAILED]))


def _seconds(engine: Engine, images: np.ndarray) -> float:
    """How long an engine takes; nothing where it fails, so that it is compared first and its error is said."""
    started = time.perf_counter()
    try:
        engine.run(images, embeddings=False)
    except UnsuitableError:
        return _FAILED
    return time.perf_counter() - started
