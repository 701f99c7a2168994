"""No image, however broken, crashes a worker, hangs it, takes its memory, or costs another row."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tagger.errors import ImageError
from tagger.imaging.decode import decode
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.tables.prediction import ErrorCode
from tests.corpus import bad, good, mutations
from tests.fuzz_images import Fuzzed

SIZE = Preprocessing(height=48, width=36, fit="pad", resize="bicubic")
LIMIT = 100_000_000
BAD = {
    ErrorCode.EMPTY_FILE, ErrorCode.NOT_AN_IMAGE, ErrorCode.TRUNCATED, ErrorCode.CORRUPT, ErrorCode.TOO_MANY_PIXELS,
}  # fmt: skip


def test_there_are_enough_kinds() -> None:
    assert len(bad()) + len(good()) >= 40
    assert len(bad()) >= 40


@pytest.mark.parametrize("name", sorted(bad()))
def test_a_bad_image_is_an_image_error_with_a_code(name: str) -> None:
    with pytest.raises(ImageError) as raised:
        decode(bad()[name], SIZE, LIMIT)
    assert raised.value.code in BAD
    assert len(raised.value.message) > 10
    if name.startswith(("bomb", "wide-bomb")):
        assert raised.value.code == ErrorCode.TOO_MANY_PIXELS


@pytest.mark.parametrize("name", sorted(good()))
def test_an_odd_image_is_decoded_all_the_same(name: str) -> None:
    decoded = decode(good()[name], SIZE, LIMIT)
    assert decoded.pixels.shape == (48, 36, 3)
    assert decoded.blur_score >= 0


def test_mutations_are_the_same_for_the_same_seed() -> None:
    images = list(good().values())
    assert list(mutations(images, 50, seed=4)) == list(mutations(images, 50, seed=4))
    assert list(mutations(images, 50, seed=4)) != list(mutations(images, 50, seed=5))


@pytest.mark.slow
def test_twenty_thousand_mutations_neither_crash_nor_hang_nor_eat_memory(tmp_path: Path) -> None:
    """It runs in a separate process, so that a decoder's crash is noticed."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, data in good().items():
        (folder / name).write_bytes(data)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz_images",
        "--images",
        str(folder),
        "--mutations",
        "20000",
        "--seed",
        "7",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    fuzzed = Fuzzed(**json.loads(done.stdout))
    assert fuzzed.usable + sum(fuzzed.errors.values()) == 20_000
    assert set(fuzzed.errors) <= {str(code) for code in BAD}
    assert min(fuzzed.usable, sum(fuzzed.errors.values())) > 1000, "some mutations are harmless, some fatal"
    assert fuzzed.grown_mb < 500
    assert fuzzed.slowest_s < 10
