"""Decodes mutations of a folder's images, and says what came of them: `python -m tests.fuzz_images --images DIR`."""

import argparse
import json
import resource
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tagger.errors import ImageError
from tagger.imaging.decode import decode
from tagger.schemas.documents.bundle import Preprocessing
from tests.corpus import mutations

_LIMIT = 100_000_000
_MOST_IMAGES = 500


@dataclass(frozen=True)
class Fuzzed:
    """usable + errors = all mutations."""

    usable: int
    errors: dict[str, int]
    slowest_s: float
    grown_mb: float


def fuzz(images: list[bytes], count: int, seed: int) -> Fuzzed:
    size = Preprocessing(height=112, width=84, fit="pad", resize="bicubic")
    usable, slowest = 0, 0.0
    errors: Counter[str] = Counter()
    for data in images[:20]:
        decode(data, size, _LIMIT)
    before = _peak_mb()
    for data in mutations(images, count, seed):
        started = time.perf_counter()
        try:
            assert decode(data, size, _LIMIT).pixels.shape == (112, 84, 3)
            usable += 1
        except ImageError as error:
            errors[str(error.code)] += 1
        slowest = max(slowest, time.perf_counter() - started)
    return Fuzzed(usable, dict(errors), slowest, _peak_mb() - before)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    files = sorted(f for f in arguments.images.rglob("*") if f.is_file())[:_MOST_IMAGES]
    found = fuzz([file.read_bytes() for file in files], arguments.mutations, arguments.seed)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
