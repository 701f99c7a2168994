"""Whether INT8 on a CPU is quicker than the engines, and how far it makes the decisions of float32.

    python -m tests.int8_speed BUNDLE IMAGES [--images 6000]

Needs `pip install nncf`. The bundle's model is quantised in several ways, each calibrated on 512 of the images and
compared on the others. The times are medians of five rounds in turns, one thread, in microseconds an image.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import nncf
import numpy as np

from tagger.engines.agreement import compare
from tagger.engines.base import BATCH_SIZE
from tagger.engines.openvino import convert, cpu_precisions
from tagger.engines.sample import decoded_sample
from tagger.io.location import Location
from tagger.models.bundle import Bundle

_BATCH = BATCH_SIZE["cpu"]
_CALIBRATED_ON, _TIMED = 512, 256
_ROUNDS = 6  # the first one warms up
_SETTINGS: dict[str, dict[str, Any]] = {
    "performance": {},
    "mixed": {"preset": nncf.QuantizationPreset.MIXED},
    "mixed, exact bias": {"preset": nncf.QuantizationPreset.MIXED, "fast_bias_correction": False},
    "mixed, exact bias, depthwise in float": {
        "preset": nncf.QuantizationPreset.MIXED,
        "fast_bias_correction": False,
        "ignored_scope": nncf.IgnoredScope(types=["GroupConvolution"]),
    },
}

Logits = Callable[[np.ndarray], np.ndarray]
"""From images uint8 [N, H, W, C] to leaf logits float32 [N, L]; N is a multiple of the batch size."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path, metavar="IMAGES", help="folder of JPEGs")
    parser.add_argument("--images", type=int, default=6000)
    asked = parser.parse_args()
    bundle = Bundle.load(Location(str(asked.bundle)))
    files = sorted(asked.folder.glob("*.jpg"))[: asked.images]
    pixels = decoded_sample((file.read_bytes() for file in files), bundle.card, 10**8)
    calibration, others = pixels[:_CALIBRATED_ON], pixels[_CALIBRATED_ON : len(pixels) // _BATCH * _BATCH]
    engines = {name: _as_it_is(bundle, name) for name in cpu_precisions()}
    engines |= {f"int8, {name}": _quantised(bundle, calibration, kind) for name, kind in _SETTINGS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(_ROUNDS):
        for name, run in engines.items():
            started = time.perf_counter()
            run(others[:_TIMED])
            seconds[name].append(time.perf_counter() - started)
    expected = engines["float32"](others)
    for name, run in engines.items():
        check = compare(bundle.card, name, expected, run(others))
        cost = 1e6 * median(seconds[name][1:]) / _TIMED
        print(f"{name}: {cost:,.0f} µs; {check.same_decisions:.2%} of {check.sure_images:,} decisions as of float32")


def _as_it_is(bundle: Bundle, precision: str) -> Logits:
    engine = convert(bundle, precision, _BATCH).start()
    return lambda images: engine.run(images)[0]


def _quantised(bundle: Bundle, images: np.ndarray, settings: dict[str, Any]) -> Logits:
    import openvino

    prepared, core = convert(bundle, "float32", _BATCH), openvino.Core()
    batches = np.split(images, len(images) // _BATCH)
    model = core.read_model(prepared.topology, prepared.weights)
    model = nncf.quantize(model, nncf.Dataset(batches), subset_size=len(batches), **settings)
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1})
    return lambda many: np.concatenate([compiled(batch)[0] for batch in np.split(many, len(many) // _BATCH)])


if __name__ == "__main__":
    main()
